"""The inventory of TLS: certificates and their ends, cipher suites, how each line is protected."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from posswitch.base.errors import ConfigError
from posswitch.base.registry import Address, Registry, Terminal
from posswitch.edge.tls import Tls
from posswitch.office.inventory import DAY_NS, days_left, state_of
from posswitch.settings.certificates import Certificate, read_certificates
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config

UNSEEN = "unseen"  # only its fingerprint is registered: what it says is shown at a handshake
UNREADABLE = "unreadable"
PAPERS_MAX = 10_000


class Paper(NamedTuple):
    """A certificate: whose, what it says; `end_ns` is 0 when only its fingerprint is known."""

    owner: str
    subject: str
    fingerprint: str
    key: str
    end_ns: int
    days_left: int | None
    state: str


class Line(NamedTuple):
    """How messages of a bank, of terminals or to an HSM are protected on their way."""

    owner: str
    transport: str
    mac: str
    pin_block: str
    terminals: int = 0


class TlsLine(NamedTuple):
    """A version of TLS that is spoken and a cipher suite of it."""

    version: str
    suite: str
    bits: int


def papers(config: Config, registry: Registry, seen: Iterable[Path], clock: Clock) -> list[Paper]:
    """Own certificates and authorities, then those that banks and sources are known by.

    `seen` are PEM files of others' certificates: they say what fingerprints alone do not.
    """
    now_ns = clock.wall_ns()
    known = {one.fingerprint: one for path in seen for one in read_certificates(path)}
    found = []
    if config.tls is not None:
        named = (("own", config.tls.certificate), ("authority", config.tls.authorities))
        found = [one for owner, path in named for one in _read(owner, path, now_ns)]
    for owner, fingerprint in _registered(registry):
        one = known.get(fingerprint)
        unseen = Paper(owner, "", fingerprint, "", 0, None, UNSEEN)
        found.append(_paper(owner, one, now_ns) if one else unseen)
    return found[:PAPERS_MAX]


def _read(owner: str, path: Path, now_ns: int) -> list[Paper]:
    """The certificates of a file, or why there are none."""
    try:
        return [_paper(owner, one, now_ns) for one in read_certificates(path)]
    except ConfigError as error:
        return [Paper(owner, str(error), "", "", 0, None, UNREADABLE)]


def _registered(registry: Registry) -> Iterator[tuple[str, str]]:
    for bank in registry.banks.values():
        yield from ((f"bank/{bank.id}", one) for one in bank.certificates)
    for source in registry.sources.values():
        yield from ((f"source/{source.id}", one) for one in source.certificates)


def _paper(owner: str, one: Certificate, now_ns: int) -> Paper:
    end_ns = one.until_s * (DAY_NS // 86_400)
    left = days_left(end_ns, now_ns)
    return Paper(owner, one.subject, one.fingerprint, one.key, end_ns, left, state_of(left))


def suites(config: Config, clock: Clock) -> tuple[list[TlsLine], str]:
    """What a node of this configuration speaks, or why it could not speak TLS now."""
    try:
        server = Tls(config.tls, clock.wall_ns).server
    except ConfigError as error:
        return [], str(error)
    spoken = server.get_ciphers() if server is not None else []
    return [TlsLine(one["protocol"], one["name"], int(one["strength_bits"])) for one in spoken], ""


def lines_of(config: Config, registry: Registry) -> list[Line]:
    """Every link of a bank and of an HSM, and terminals by how they make MACs and PIN blocks."""
    found = [
        Line(f"bank/{bank.id}", _transport(link), bank.mac, bank.pin_block)
        for bank in registry.banks.values()
        for link in bank.links
    ]
    alike: dict[tuple[str, str], int] = {}
    for terminal in registry.terminals.values():
        alike[_algorithms(terminal)] = alike.get(_algorithms(terminal), 0) + 1
    listen = _transport(config.listen)
    found += [Line("terminals", listen, mac, pin, count) for (mac, pin), count in alike.items()]
    links = config.hsm.links if config.hsm is not None else ()
    return found + [Line("hsm", _transport(link), "", "") for link in links]


def _transport(address: Address) -> str:
    return "tls" if address.tls else "clear"


def _algorithms(terminal: Terminal) -> tuple[str, str]:
    return terminal.mac, terminal.pin_block
