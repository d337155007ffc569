"""A TOML file becomes frozen values, or one clear error that names the place and the remedy."""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec

from posswitch.base.amount import CNY
from posswitch.base.bounds import LINKS_PER_BANK_MAX, Timers
from posswitch.base.errors import ConfigError
from posswitch.base.registry import Address, Bank, Bin, Limits, Merchant, Registry, Terminal
from posswitch.codec import BUILT_IN, PREFIXES, load_dialect
from posswitch.scheme.kinds import PAYMENT_KINDS

_Digits = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]+\Z", max_length=19)]
_Institution = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{8,11}\Z")]
_Name = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00]+\Z", max_length=1000)]
_Hex = Annotated[str, msgspec.Meta(pattern=r"\A([0-9A-Fa-f]{2})+\Z")]
_Words = Annotated[str, msgspec.Meta(max_length=32)]


class _Node(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Z]\Z")]
    listen: str
    data: _Name = "data"
    secret: _Name = "secret.key"  # noqa: S105 - the name of a file
    acquirer: _Institution = "00000000"
    centre: _Institution = "00010000"
    cutover: Annotated[str, msgspec.Meta(pattern=r"\A([01][0-9]|2[0-3]):[0-5][0-9]\Z")] = "23:00"


class _Bank(msgspec.Struct, forbid_unknown_fields=True):
    id: _Institution
    name_zh: str
    name_en: str
    links: Annotated[list[str], msgspec.Meta(min_length=1, max_length=LINKS_PER_BANK_MAX)]
    zpk: _Hex
    zak: _Hex
    dialect: _Name = "cups"
    framing: str = ""  # ascii4 for cups, else bin2


class _Bin(msgspec.Struct, forbid_unknown_fields=True):
    prefix: _Digits
    pan_digits: Annotated[int, msgspec.Meta(ge=13, le=19)]
    bank: _Institution
    foreign: bool = False


class _Merchant(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(min_length=15, max_length=15)]
    name: Annotated[str, msgspec.Meta(max_length=25)]
    city: Annotated[str, msgspec.Meta(max_length=13)]
    mcc: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}\Z")]


class _Terminal(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(min_length=8, max_length=8)]
    merchant: str
    tmk: _Hex
    model: _Words = ""
    firmware: _Words = ""
    kinds: list[str] = []
    currency: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{3}\Z")] = CNY
    dialect: str = "pos"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    node: _Node
    bank: Annotated[list[_Bank], msgspec.Meta(min_length=1)]
    bin: Annotated[list[_Bin], msgspec.Meta(min_length=1)]
    merchant: Annotated[list[_Merchant], msgspec.Meta(min_length=1)]
    terminal: Annotated[list[_Terminal], msgspec.Meta(min_length=1)]
    timers: Timers = Timers()
    limits: Limits = Limits()


class Config(msgspec.Struct, frozen=True):
    """Everything a node needs to start; `version` names the file's content in every record it decides."""

    version: str
    node: str
    listen: Address
    data: Path
    secret: Path
    acquirer: str
    centre: str
    timers: Timers
    limits: Limits
    cutover_s: int  # seconds after midnight, Beijing time
    registry: Registry


def load_config(path: Path) -> Config:
    """Reads a configuration file; raises ConfigError with file, place and remedy."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a configuration file") from None
    try:
        file = msgspec.convert(tomllib.loads(raw.decode()), _File)
        return _checked(file, path.resolve().parent, hashlib.sha256(raw).hexdigest()[:12])
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply to be a configuration") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}; correct this value") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _checked(file: _File, base: Path, version: str) -> Config:
    banks = _unique("bank", file.bank)
    merchants = _unique("merchant", file.merchant)
    _unique("terminal", file.terminal)
    ranges: dict[tuple[str, int], None] = {}
    for bin_row in file.bin:
        if (bin_row.prefix, bin_row.pan_digits) in ranges:
            raise ConfigError(
                f"bin {bin_row.prefix} for {bin_row.pan_digits} digits stands twice; remove one"
            )
        if len(bin_row.prefix) > bin_row.pan_digits:
            raise ConfigError(f"bin {bin_row.prefix} is longer than its cards ({bin_row.pan_digits} digits)")
        ranges[bin_row.prefix, bin_row.pan_digits] = None
        if bin_row.bank not in banks:
            raise ConfigError(f"bin {bin_row.prefix}: no bank {bin_row.bank}; add a [[bank]] with that id")
    for terminal in file.terminal:
        if terminal.merchant not in merchants:
            raise ConfigError(f"terminal {terminal.id}: no merchant {terminal.merchant}; add a [[merchant]]")
    return Config(
        version=version,
        node=file.node.id,
        listen=_address("node.listen", file.node.listen),
        data=base / file.node.data,
        secret=base / file.node.secret,
        acquirer=file.node.acquirer,
        centre=file.node.centre,
        timers=file.timers,
        limits=file.limits,
        cutover_s=int(file.node.cutover[:2]) * 3600 + int(file.node.cutover[3:]) * 60,
        registry=Registry(
            [
                *(_bank(bank, base) for bank in file.bank),
                *(Bin(row.prefix, row.pan_digits, row.bank, row.foreign) for row in file.bin),
                *(Merchant(row.id, row.name, row.city, row.mcc) for row in file.merchant),
                *(_terminal(row) for row in file.terminal),
            ]
        ),
    )


def _bank(row: _Bank, base: Path) -> Bank:
    place = f"bank {row.id}"
    framing = row.framing or ("ascii4" if row.dialect == "cups" else "bin2")
    if framing not in PREFIXES:
        raise ConfigError(f"{place}: framing {framing!r} is not known; use one of {', '.join(PREFIXES)}")
    dialect = row.dialect if row.dialect in BUILT_IN else str(base / row.dialect)
    try:
        load_dialect(dialect)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
    links = tuple(_address(place, link) for link in row.links)
    zpk, zak = bytes.fromhex(row.zpk), bytes.fromhex(row.zak)
    return Bank(row.id, row.name_zh, row.name_en, links, zpk, zak, dialect, framing)


def _terminal(row: _Terminal) -> Terminal:
    for kind in row.kinds:
        if kind not in PAYMENT_KINDS:
            known = ", ".join(PAYMENT_KINDS)
            raise ConfigError(f"terminal {row.id}: kind {kind!r} is not known; use some of {known}")
    tmk = bytes.fromhex(row.tmk)
    return Terminal(
        row.id, row.merchant, tmk, row.model, row.firmware, tuple(row.kinds), row.currency, row.dialect
    )


def _unique(table: str, rows: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows:
        if row.id in found:
            raise ConfigError(f"{table} {row.id} stands twice; remove one")
        found[row.id] = row
    return found


def _address(place: str, text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
        raise ConfigError(f"{place}: {text!r} is not host:port")
    return Address(host, int(port))
