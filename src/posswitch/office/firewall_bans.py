"""Banned addresses: who may not connect, until when and why; a file in the data folder."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from posswitch.base.errors import OfficeError
from posswitch.settings.finding import one_line

FILE = "bans.json"
BANS_MAX = 10_000
_FILE_BYTES_MAX = 16 << 20
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SECONDS_MAX = 365 * _SECONDS["d"]
_REASON_MAX = 200


class Ban(msgspec.Struct, frozen=True):
    """One address: banned at and until (seconds since the epoch), by whom, why."""

    address: str
    at_s: int
    until_s: int
    by: str
    reason: str


def read_span(text: str) -> int:
    """The seconds in `90s`, `30m`, `1h`, `7d`; OfficeError for anything else, and beyond a year."""
    read = re.fullmatch(r"([0-9]{1,8})([smhd])", text, re.ASCII)
    seconds = int(read[1]) * _SECONDS[read[2]] if read else 0
    if not 0 < seconds <= _SECONDS_MAX:
        raise OfficeError("--for: write a time such as 30m, 1h or 7d, at most 365d")
    return seconds


def read_bans(folder: Path, now_s: int) -> list[Ban]:
    """The bans that stand now; OfficeError when the file cannot be read."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            bans = msgspec.json.decode(file.read(_FILE_BYTES_MAX), type=list[Ban])
    except FileNotFoundError:
        return []
    except msgspec.MsgspecError:
        raise OfficeError(f"{path}: is no list of bans; move it away, the kernel's set stays") from None
    return [ban for ban in bans if ban.until_s > now_s]


@contextmanager
def bans_to_change(folder: Path, now_s: int) -> Iterator[dict[str, Ban]]:
    """The bans by address, held alone; what is in the block's end is written, whole or not at all."""
    if not folder.is_dir():
        raise OfficeError(f"{folder}: no data folder yet; start the switch once, so that it is its own")
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        bans = {ban.address: ban for ban in read_bans(folder, now_s)}
        yield bans
        if len(bans) > BANS_MAX:
            raise OfficeError(f"{BANS_MAX:,} addresses are banned; ban their network upstream")
        new = folder / f"{FILE}.new"
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(msgspec.json.encode(list(bans.values())))
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / FILE)
    finally:
        os.close(fd)


def reason_of(text: str) -> str:
    """A reason as it is kept; OfficeError without one."""
    text = one_line(text.strip())
    if not 0 < len(text) <= _REASON_MAX:
        raise OfficeError(f"--reason: say why, in 1 to {_REASON_MAX} characters")
    return text
