"""What is wrong with a configuration, or only worth a look: where, what, and the remedy."""

from typing import NamedTuple

from posswitch.base.card import scrub
from posswitch.settings.places import Path, Place

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)
_SHOWN_MAX = 40
_NUMBER_SHOWN_MAX = 10**20
_WORDS: list[tuple[type, str]] = [(int, "a huge number"), (list, "a list"), (dict, "a table")]


class Fault(NamedTuple):
    """What a check says about the table or key at `path`; `name` is how people call it."""

    path: Path
    name: str
    what: str
    remedy: str
    severity: str = ERROR


class Finding(NamedTuple):
    """A fault at its place in the file."""

    line: int
    column: int
    severity: str
    name: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.name, self.what))) + f"; {self.remedy}"


def found(fault: Fault, place: Place) -> Finding:
    """A fault at its place."""
    return Finding(*place, fault.severity, fault.name, one_line(fault.what), one_line(fault.remedy))


def counted(count: int, name: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def one_line(text: str) -> str:
    """A text without anything that breaks a line or a terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def brief(text: str) -> str:
    """A text in a message: masked, in one line, never long."""
    text = one_line(scrub(text[: 2 * _SHOWN_MAX]))
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"


def shown(value: object) -> str:
    """A wrong value in a message: as brief as it must be, texts quoted."""
    if isinstance(value, str):
        return f'"{brief(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < _NUMBER_SHOWN_MAX):
        return scrub(str(value))
    return next((word for kind, word in _WORDS if isinstance(value, kind)), "a date or time")
