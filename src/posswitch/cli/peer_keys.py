"""Test keys of a peer alone: given, kept in a file, made and told once, or taken from a test switch."""

import os
import tomllib
from pathlib import Path
from typing import NamedTuple

from posswitch.base.errors import PosswitchError
from posswitch.base.registry import Address, Bin
from posswitch.crypto.ciphers import kcv, odd_parity
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.pinblock import PinFormat
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.city import ACQUIRER_PAPER, AUTHORITY_FILE, BOOKS_FOLDER, CONFIG_FILE, PAPERS_FOLDER
from posswitch.sim.peers.customer import Range, pan_at
from posswitch.sim.peers.pos import Seals
from posswitch.sim.peers.terminal import Fitting

_KEY_BYTES = {"zpk": (16, 24), "zak": (16,), "tmk": (16, 24)}
_NEW_KEY_BYTES = 16
_FILE_BYTES_MAX = 4096
_FROM_FILE = "@"
_SLIPS = "slips-alone.jsonl"
Papers = tuple[Path | None, Path | None, Path | None]  # certificate, key, authorities


class ZoneKeys(NamedTuple):
    """A bank's two keys, and what is to be told about them."""

    zpk: bytes
    zak: bytes
    told: tuple[str, ...]

    def __repr__(self) -> str:
        return "ZoneKeys(…)"


class Fitted(NamedTuple):
    """A terminal of a test switch: its centre, what is loaded into it, a card that is known there.

    `slips`: its book among those of a demonstration, which counts what it pays; else nowhere.
    """

    centre: Address
    fitting: Fitting
    pan: str
    slips: Path


def key_from(name: str, given: str) -> bytes:
    """The key `name` (zpk, zak, tmk) from hex digits or @FILE; PosswitchError that never shows it."""
    lengths = _KEY_BYTES[name]
    if not given:
        raise PosswitchError(f"--{name}: a test key is needed; give {_digits(lengths)} hex digits or @FILE")
    digits = _read(f"--{name}", Path(given[1:])).strip() if given.startswith(_FROM_FILE) else given
    return _key(f"--{name}", digits, lengths)


def zone_keys(zpk: str, zak: str, file: Path | None) -> ZoneKeys:
    """A bank's keys: as given, from `file` (made there when it is not), or random ones that are told once."""
    if file is not None and (zpk or zak):
        raise PosswitchError("--keys and --zpk or --zak: give one of them")
    if file is not None and file.exists():
        return _kept(file)
    keys = {
        name: key_from(name, given) if given else odd_parity(SystemClock().entropy(_NEW_KEY_BYTES))
        for name, given in (("zpk", zpk), ("zak", zak))
    }
    if file is not None:
        rows = "".join(f'{name} = "{key.hex().upper()}"\n' for name, key in keys.items())
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(rows)
        return ZoneKeys(**keys, told=(f"new test keys are in {file}; {_checks(keys)}",))
    new = {name: key for name, key in keys.items() if not (zpk if name == "zpk" else zak)}
    made = tuple(f"test key made: {name} = {key.hex().upper()}" for name, key in new.items())
    return ZoneKeys(**keys, told=(*made, _checks(keys)))


def _kept(file: Path) -> ZoneKeys:
    try:
        rows = tomllib.loads(_read("--keys", file))
    except tomllib.TOMLDecodeError:
        rows = {}
    if rows.keys() != {"zpk", "zak"} or not all(isinstance(value, str) for value in rows.values()):
        raise PosswitchError(f'--keys: {file} must hold two lines, zpk = "HEX" and zak = "HEX"')
    keys = {name: _key(f"--keys: {name} in {file}", rows[name], _KEY_BYTES[name]) for name in ("zpk", "zak")}
    return ZoneKeys(**keys, told=(_checks(keys),))


def demonstration(folder: Path, terminal: str, merchant: str) -> Fitted:
    """What terminal `terminal` (empty = the first) of a test switch knows; opens its master key for tests."""
    config = load_config(folder / CONFIG_FILE)
    rows = config.registry.terminals
    row = rows.get(terminal or next(iter(rows)))
    if row is None:
        raise PosswitchError(
            f"--terminal {terminal[:8]!r}: not in {folder / CONFIG_FILE}; use {next(iter(rows))}"
        )
    if config.production:
        raise PosswitchError(f"{folder / CONFIG_FILE}: is for real cards; take the folder of a test switch")
    hsm = SoftHsm(read_secret(config.secret), SystemClock().entropy)
    tmk = hsm._unwrap(Usage.TMK, row.tmk)  # the HSM offers no way out for a key: this is for tests only
    ranges = [Range(card.prefix, card.pan_digits) for card in config.registry.rows if isinstance(card, Bin)]
    pan = next((pan_at(cards, 0) for cards in ranges if len(cards.prefix) + 2 <= cards.pan_digits), "")
    books = folder / BOOKS_FOLDER
    slips = books / _SLIPS if books.is_dir() else Path(os.devnull)
    seals = Seals(row.mac, PinFormat(row.pin_block))
    return Fitted(config.listen, Fitting(row.id, merchant or row.merchant, tmk, seals), pan, slips)


def papers_in(folder: Path | None, given: Papers) -> Papers:
    """What was given; in a demonstration of TLS else its acquirer's, who speaks for every terminal."""
    papers = (folder or Path()) / PAPERS_FOLDER
    if folder is None or any(given) or not papers.is_dir():
        return given
    return papers / f"{ACQUIRER_PAPER}.pem", papers / f"{ACQUIRER_PAPER}.key", papers / AUTHORITY_FILE


def _read(option: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES_MAX).decode("ascii")
    except OSError as error:
        raise PosswitchError(f"{option}: {path}: {error.strerror}; name a file that holds the key") from None
    except UnicodeDecodeError:
        raise PosswitchError(f"{option}: {path} is not a text file with hex digits") from None


def _key(place: str, digits: str, lengths: tuple[int, ...]) -> bytes:
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) not in lengths:
        raise PosswitchError(f"{place}: a test key is {_digits(lengths)} hex digits")
    return key


def _digits(lengths: tuple[int, ...]) -> str:
    return " or ".join(str(2 * length) for length in lengths)


def _checks(keys: dict[str, bytes]) -> str:
    values = ", ".join(f"{name} {kcv(key).hex().upper()}" for name, key in keys.items())
    return f"check values: {values}"
