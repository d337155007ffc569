"""The scan's look at keys: guessable secrets, weak and published keys, ages and ends."""

import shlex
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import pairwise, product

from posswitch.base.errors import ConfigError
from posswitch.crypto.ciphers import check_value
from posswitch.engine.zone import ZONE_USAGES
from posswitch.office.inventory import DAY_NS, DESTROYED, EXPIRED, EXPIRING, KeyLine, inventory
from posswitch.office.places import read_place
from posswitch.office.scan_finding import Premises, Weakness, weak
from posswitch.settings.secret import KEPT, sealed_in

_AGE_DAYS_MAX = 365
_CHECK_BYTES = 4
_PARITY = 0xFE
# The weak and the semi-weak keys of DES (NIST SP 800-67, 3.4.2).
_WEAK_HALVES = (
    *map(bytes.fromhex, ("0101010101010101", "FEFEFEFEFEFEFEFE", "E0E0E0E0F1F1F1F1", "1F1F1F1F0E0E0E0E")),
    *map(bytes.fromhex, ("011F011F010E010E", "1F011F010E010E01", "01E001E001F101F1", "E001E001F101F101")),
    *map(bytes.fromhex, ("01FE01FE01FE01FE", "FE01FE01FE01FE01", "1FE01FE00EF10EF1", "E01FE01FF10EF10E")),
    *map(bytes.fromhex, ("1FFE1FFE0EFE0EFE", "FE1FFE1FFE0EFE0E", "E0FEE0FEF1FEF1FE", "FEE0FEE0FEF1FEF1")),
)


def guessable(root: bytes) -> str:
    """Why a secret can be guessed, or nothing."""
    steps = {(after - before) % 256 for before, after in pairwise(root)}
    if steps == {0}:
        return "one byte again and again"
    if len(steps) == 1:
        return "bytes that count"
    if any(root == (root[:size] * len(root))[: len(root)] for size in (2, 4, 8, 16)):
        return "a short piece again and again"
    return "printable text" if all(0x20 <= byte < 0x7F for byte in root) else ""


def secret(premises: Premises) -> Iterator[Weakness]:
    """The root secret: sealed, and not one that anybody would try first."""
    path = premises.files["secret"]
    name = shlex.quote(str(path))
    try:
        if sealed_in(path) is None:
            yield weak("secret-plain", path, f"posswitch secret seal {name}")
        if KEPT.needs_asking(path):
            yield weak("keys-unseen", path, f"posswitch secret check {name}")
        elif why := guessable(KEPT.root(path)):
            new = shlex.quote(f"{path}.new")
            yield weak("secret-guessable", path, f"posswitch secret new {new}", what=why)
    except ConfigError:  # it was handed over and locked away, or the configuration's finding says why
        return


def keys(premises: Premises) -> Iterator[Weakness]:
    """Every key that stands somewhere, by its check value, its age and its end."""
    desk, config = premises.desk, premises.config
    if desk is None or config is None:
        return
    for line in inventory(desk, desk.checks):
        if line.state != DESTROYED:
            yield from _key(line, _fix(premises, line), premises)
    rotated = [bank.id for bank in desk.registry.banks.values() if bank.zmk]
    for bank in desk.registry.banks.values():
        if not bank.zmk:
            yield weak("zone-key-fixed", f"bank {bank.id}", _form(premises, "ZMK", bank.id))
    if rotated and config.keys.exchange_hours == 0:
        yield weak("exchange-off", "keys.exchange_hours", "exchange_hours = 24", "keys")


def _key(line: KeyLine, fix: str, premises: Premises) -> Iterator[Weakness]:
    where = line.place
    if line.algorithm == "TDES" and line.check in _weak_checks():
        yield weak("key-weak", where, fix, what=_weak_checks()[line.check])
    elif line.algorithm == "TDES" and line.check in _published():
        yield weak("key-published", where, fix, what=_published()[line.check])
    if line.state in (EXPIRED, EXPIRING):
        yield weak("key-ended" if line.state == EXPIRED else "key-ends", where, fix)
    elif not line.end_ns and where.startswith("bank/"):
        expire = f"posswitch keys expire {shlex.quote(where)} --on DATE --by NAME -c {_named(premises)}"
        yield weak("key-endless", where, expire)
    age = (premises.now_ns - line.since_ns) // DAY_NS if line.since_ns else 0
    if age > _AGE_DAYS_MAX:
        yield weak("key-old", where, fix, what=age)


def _fix(premises: Premises, line: KeyLine) -> str:
    """How another key comes to its place."""
    assert premises.desk is not None
    place, registry = read_place(line.place), premises.desk.registry
    name, by = _named(premises), shlex.quote(place.id)
    if place.table == "terminal":
        shop = shlex.quote(registry.terminals[place.id].merchant)
        removed = f"posswitch registry remove terminal {by} -c {name}"
        return f"{removed} && posswitch registry onboard {by} --merchant {shop} --show-components -c {name}"
    if place.usage in ZONE_USAGES and registry.banks[place.id].zmk:
        return f"posswitch keys rotate {by} --by NAME -c {name}"
    return _form(premises, str(place.usage), place.id)


def _form(premises: Premises, usage: str, bank: str) -> str:
    return f"posswitch keys form {usage} --bank {shlex.quote(bank)} --by NAME -c {_named(premises)}"


def _named(premises: Premises) -> str:
    return shlex.quote(str(premises.path))


@cache
def _weak_checks() -> dict[str, str]:
    """Check values of keys whose halves are all weak, or one byte again and again."""
    same = [bytes([byte & _PARITY]) * 8 for byte in range(0, 256, 2)]
    keys = {first + second: "made of weak DES keys" for first, second in product(_WEAK_HALVES, repeat=2)}
    keys |= dict.fromkeys(same, "one byte again and again")
    return {check_value("tdes", key, _CHECK_BYTES).hex().upper(): why for key, why in keys.items()}


@cache
def _published() -> dict[str, str]:
    text = (files("posswitch.office") / "data" / "published_keys.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in text.splitlines()[1:])
