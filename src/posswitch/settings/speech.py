"""How addresses speak and who speaks for whom: clear text never in silence, TLS never without its files."""

from collections.abc import Iterator

from posswitch.base.registry import Address
from posswitch.settings.address import is_loopback, read_address
from posswitch.settings.draft import Draft
from posswitch.settings.finding import NOTE, WARNING, Fault, counted, shown
from posswitch.settings.rows import read_fingerprint
from posswitch.settings.shape import SHAPES, Row

TLS_FILES = ("certificate", "key", "authorities")
_PREFIX_CHARS = {"terminals": 8, "merchants": 15}
_NAMED_MAX = 3
_NO_FINGERPRINT = "take what openssl x509 -noout -fingerprint -sha256 prints"


def links_clear(draft: Draft) -> Iterator[Fault]:
    """Every link in clear text is said."""
    for row, item, address in draft.links():
        yield from _clear(draft, row, "links", address, item)


def listen_clear(draft: Draft) -> Iterator[Fault]:
    """So is a listen address in clear text."""
    listen = draft.listen()
    if listen is not None:
        yield from _clear(draft, listen[0], "listen", listen[1])


def hsm_clear(draft: Draft) -> Iterator[Fault]:
    """And every link to an HSM, which cannot be anything else yet."""
    for row in draft.having("hsm", "links"):
        for item, text in enumerate(row.good["links"]):
            address, _ = read_address(text)
            if address is None:
                continue
            if address.tls:
                what, remedy = (
                    f"{address}: HSMs are not spoken to over TLS",
                    "write clear://, on a line of its own",
                )
                yield row.fault("links", what, remedy, item)
            yield from _clear(draft, row, "links", address, item)


def _clear(draft: Draft, row: Row, key: str, address: Address, item: int | None = None) -> Iterator[Fault]:
    """A named loopback address is fine for trials; a bare one is noted, all else is worth a look."""
    here = is_loopback(address) and not draft.production
    if address.tls or (address.scheme and here):
        return
    if address.scheme:
        what = f"{address}: card numbers travel in clear text"
        remedy = "write tls://, or be sure that nobody else is on that line"
    else:
        what = f"{address} does not say how it speaks: it means clear text"
        remedy = "say clear:// when that is meant, or tls://"
    yield row.fault(key, what, remedy, item)._replace(severity=NOTE if here else WARNING)


def fingerprints_readable(draft: Draft) -> Iterator[Fault]:
    """A certificate is named by its SHA-256, and names one holder."""
    for table in ("bank", "source"):
        holders: dict[str, Row] = {}
        for row in draft.having(table, "certificates"):
            for item, text in enumerate(row.good["certificates"]):
                fingerprint = read_fingerprint(text)
                before = holders.setdefault(fingerprint, row)
                if not fingerprint:
                    what = f"{shown(text)} is no SHA-256 of a certificate"
                    yield row.fault("certificates", what, _NO_FINGERPRINT, item)
                elif table == "source" and before is not row:
                    what = f"{fingerprint[:16]}… is a certificate of {before.name()} too"
                    yield row.fault("certificates", what, "give each its own certificate", item)


def sources_speak(draft: Draft) -> Iterator[Fault]:
    """A source has a certificate and speaks for terminals that can be."""
    known = _Beginnings(draft)
    for row in draft.having("source", "certificates", *_PREFIX_CHARS):
        if not row.good["certificates"]:
            yield row.fault("certificates", "none", _NO_FINGERPRINT)._replace(severity=WARNING)
        odd, speaks = False, False
        for key, chars in _PREFIX_CHARS.items():
            for item, prefix in enumerate(row.good[key]):
                speaks = speaks or prefix in known.of[key]
                if not (0 < len(prefix) <= chars and prefix.isascii() and prefix.isprintable()):
                    what = f"{shown(prefix)} is not how a number of {key} begins"
                    yield row.fault(key, what, f"write its first 1 to {chars} characters", item)
                    odd = True
        if not (speaks or odd or draft.holes):
            what = "no registered terminal is one of these"
            remedy = "write how their numbers begin, or their merchants' numbers under merchants"
            yield row.fault("terminals", what, remedy)._replace(severity=WARNING)


class _Beginnings:
    """Every beginning of a registered terminal's id, and of the number of its merchant."""

    def __init__(self, draft: Draft) -> None:
        rows = list(draft.having("terminal", "id", "merchant"))
        self.of = {
            key: frozenset(row.good[column][:size] for row in rows for size in range(1, chars + 1))
            for (key, chars), column in zip(_PREFIX_CHARS.items(), ("id", "merchant"), strict=True)
        }


def everybody_heard(draft: Draft) -> Iterator[Fault]:
    """Where TLS is listened for, every terminal has a source that speaks for it."""
    listen = draft.listen()
    if listen is None or not listen[1].tls or draft.holes:
        return
    sources = list(draft.having("source", *_PREFIX_CHARS))
    said = {key: frozenset(prefix for row in sources for prefix in row.good[key]) for key in _PREFIX_CHARS}
    mute = [
        row.good["id"]
        for row in draft.having("terminal", "id", "merchant")
        if not _begins(row.good["id"], said["terminals"])
        and not _begins(row.good["merchant"], said["merchants"])
    ]
    if mute:
        few = ", ".join(mute[:_NAMED_MAX]) + (", …" if len(mute) > _NAMED_MAX else "")
        what = f"no source speaks for {counted(len(mute), 'terminal')} ({few}): they cannot pay over TLS"
        remedy = "add a [[source]] with the certificate they come with"
        yield listen[0].fault("listen", what, remedy)._replace(severity=WARNING)


def _begins(number: str, prefixes: frozenset[str]) -> bool:
    return any(number[:size] in prefixes for size in range(1, len(number) + 1))


def tls_named(draft: Draft) -> Iterator[Fault]:
    """Whoever speaks TLS says with which files."""
    for row in draft.having("tls"):
        if row.raw and not draft.holes:
            strange = row.raw.keys() - SHAPES["tls"].keys.keys()  # one of them may be what is missing
            for key in TLS_FILES:
                if key not in row.raw and not strange:
                    yield row.fault(key, "is missing", "write the name of a PEM file")
        elif not draft.holes:
            yield from _unequipped(draft)


def _unequipped(draft: Draft) -> Iterator[Fault]:
    remedy = "add [tls] with certificate, key and authorities (see docs/tls.md)"
    listen = draft.listen()
    if listen is not None and listen[1].tls:
        yield listen[0].fault("listen", "speaks TLS and there is no [tls]", remedy)
    for row, item, address in draft.links():
        if address.tls:
            yield row.fault("links", f"{address} speaks TLS and there is no [tls]", remedy, item)
