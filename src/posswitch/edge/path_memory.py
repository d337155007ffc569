"""What was found of each link, in `lines.json` of the data folder: addresses, since when it is wrong."""

import contextlib
import json
import os
from pathlib import Path

import msgspec

from posswitch.settings.finding import one_line

FILE = "lines.json"
_BYTES_MAX, _LINKS_MAX = 1 << 20, 4096


class Last(msgspec.Struct, frozen=True):
    """One link: moments in nanoseconds since the epoch, 0 = never."""

    addresses: tuple[str, ...] = ()
    cause: str = ""
    fine_ns: int = 0
    wrong_ns: int = 0


def recalled(data: Path) -> dict[str, Last]:
    """By bank and number of the link; nothing where there is no file, or none that can be read."""
    try:
        with (data / FILE).open("rb") as file:
            return msgspec.json.decode(file.read(_BYTES_MAX), type=dict[str, Last])
    except (OSError, ValueError, msgspec.MsgspecError):
        return {}


def followed(last: Last, cause: str, fine: bool, addresses: tuple[str, ...], now_ns: int) -> Last:
    """What is kept after another look: the moment when a link was first seen wrong stays."""
    known = addresses or last.addresses
    if fine:
        return Last(known, cause, now_ns, 0)
    return Last(known, cause, last.fine_ns, last.wrong_ns or now_ns)


def remember(data: Path, seen: dict[str, Last]) -> None:
    """Keeps it beside what is kept of other banks; a folder that cannot be written keeps nothing."""
    kept = recalled(data) | seen
    text = json.dumps(
        {one_line(name): msgspec.to_builtins(one) for name, one in list(kept.items())[-_LINKS_MAX:]}
    )
    new = data / f"{FILE}.{os.getpid()}"
    with contextlib.suppress(OSError):
        with new.open("x", encoding="utf-8") as file:  # never through what somebody else has laid there
            file.write(text + "\n")
        new.replace(data / FILE)
