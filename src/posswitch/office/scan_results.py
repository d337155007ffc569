"""Results of scans that were kept in the data folder, and what is new or gone since the one before."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from posswitch.base.errors import OfficeError
from posswitch.office.kept import keep_one
from posswitch.office.scan_finding import Weakness

FOLDER, KEPT_MAX = "scans", 30
_FILE_BYTES_MAX = 16 << 20


class Result(msgspec.Struct, frozen=True):
    """One scan: when, what it knew of holes, what it found."""

    at_ns: int
    holes_as_of: str
    findings: list[Weakness]


class Since(NamedTuple):
    """The newest result, and what differs from the one before; None without one."""

    newest: Result
    new: list[Weakness]
    gone: list[Weakness]


def keep(data: Path, result: Result) -> None:
    """Writes a result, whole or not at all; the oldest leave."""
    keep_one(data, FOLDER, f"{result.at_ns:020}.json", msgspec.json.encode(result), KEPT_MAX)


def last(data: Path) -> Since:
    """The newest result beside the one before; OfficeError when there is none that can be read."""
    paths = _kept(data)[-2:]
    if not paths:
        raise OfficeError(f"{data / FOLDER}: no scan was kept; write [scan] every = 24, or scan with --keep")
    *before, newest = map(_read, paths)
    known = {one.key for result in before for one in result.findings}
    now = {one.key for one in newest.findings}
    return Since(
        newest,
        [one for one in newest.findings if before and one.key not in known],
        [one for result in before for one in result.findings if one.key not in now],
    )


def _kept(data: Path) -> list[Path]:
    return sorted((data / FOLDER).glob("*.json"))


def _read(path: Path) -> Result:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_FILE_BYTES_MAX), type=Result)
    except msgspec.MsgspecError:
        raise OfficeError(f"{path}: is no result of a scan; remove it") from None
