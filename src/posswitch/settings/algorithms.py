"""How MACs and PIN blocks of a row are made: only what exists, and what keys of that length can do."""

from collections.abc import Iterable, Iterator

from posswitch.base.errors import CodecError, ConfigError, CryptoError
from posswitch.codec import Message, load_dialect
from posswitch.crypto.hostcommands import MAC_ALGORITHMS, PIN_FORMATS
from posswitch.crypto.mac import MACS, mac_in_words
from posswitch.crypto.pinblock import PinFormat, block_bytes, may_translate
from posswitch.settings.draft import Draft
from posswitch.settings.finding import Fault, shown
from posswitch.settings.shape import Row, did_you_mean

# A terminal's keys come in field 62 for triple DES; a bank's are agreed with it.
TERMINAL_MACS = ("cup-ecb", "x9.9", "x9.19", "tdes-cbc")
TERMINAL_PINS = (PinFormat.ISO_0, PinFormat.ISO_1, PinFormat.ISO_3, PinFormat.CUP_1)
BANK_MACS = tuple(name for name in MACS if name != "cup-ecb")
BANK_PINS = tuple(format_ for format_ in PinFormat if any(may_translate(one, format_) for one in PinFormat))
# table, names of its MACs, its PIN blocks
_CHOICES = (
    ("terminal", dict.fromkeys(TERMINAL_MACS), dict.fromkeys(map(str, TERMINAL_PINS))),
    ("bank", dict.fromkeys(BANK_MACS), dict.fromkeys(map(str, BANK_PINS))),
)


def macs_known(draft: Draft) -> Iterator[Fault]:
    """A MAC has the name of one, and padding and form that it has."""
    for table, names, _ in _CHOICES:
        for row in draft.having(table, "mac"):
            if fault := _mac_fault(row, names):
                yield fault


def _mac_fault(row: Row, names: dict[str, None]) -> Fault | None:
    words = row.good["mac"]
    try:
        name, _, _ = mac_in_words(words)
    except CryptoError as error:
        name, wrong = words.split(" ")[0], str(error)
        if name in names:
            return row.fault("mac", f"{shown(words)} is no MAC ({wrong})", "see docs/crypto.md, MACs by name")
    if name in names:
        return None
    return row.fault("mac", f"{shown(name)} is no MAC for a {row.table}", did_you_mean(name, names))


def hsm_able(draft: Draft) -> Iterator[Fault]:
    """What a row asks for, an HSM behind the network has a host command for."""
    if not any(row.good["links"] for row in draft.having("hsm", "links")):
        return
    for table in ("terminal", "bank"):
        for row in draft.having(table, "mac"):
            name = row.good["mac"].split(" ")[0]
            if name in MACS and name not in MAC_ALGORITHMS:
                yield row.fault("mac", f"{name} has no host command", _one_of(MAC_ALGORITHMS))
        for row in draft.having(table, "pin_block"):
            name = row.good["pin_block"]
            if name in list(PinFormat) and name not in PIN_FORMATS:
                yield row.fault("pin_block", f"{name} has no host command", _one_of(PIN_FORMATS))


def _one_of(names: Iterable[str]) -> str:
    return f"use one of {', '.join(names)}, or keys in software"


def pin_blocks_written(draft: Draft) -> Iterator[Fault]:
    """A bank's dialect has room for its PIN block in field 52."""
    for row in draft.having("bank", "pin_block", "dialect"):
        name = row.good["pin_block"]
        if name not in list(PinFormat):
            continue
        size = block_bytes(PinFormat(name))
        try:
            dialect = load_dialect(draft.dialect(row.good["dialect"]))
        except (ConfigError, OSError):
            continue  # said elsewhere
        try:
            dialect.pack(Message("0200", {52: bytes(size)}, bytes(dialect.header_bytes)))
        except CodecError:
            what = f"{name} takes {size} bytes, field 52 of {shown(row.good['dialect'])} has no room for them"
            yield row.fault("pin_block", what, "name a dialect file in which field 52 has that length")


def pin_blocks_known(draft: Draft) -> Iterator[Fault]:
    """A PIN block has a format that terminals send, or that a PIN may be translated into."""
    for table, _, formats in _CHOICES:
        for row in draft.having(table, "pin_block"):
            if row.good["pin_block"] not in formats:
                what = f"{shown(row.good['pin_block'])} is no PIN block for a {table}"
                yield row.fault("pin_block", what, did_you_mean(row.good["pin_block"], formats))
