"""One entry of a log book, and the span of time that is looked at."""

from pathlib import Path
from typing import NamedTuple

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """When, who wrote it, what; `tied`: it names the place that is looked at."""

    at_ns: int
    source: str
    text: str
    tied: bool = False


class Span(NamedTuple):
    """From when to when, and where the system's own logs lie."""

    since_ns: int
    until_ns: int
    log_folder: Path = Path("/var/log")

    def has(self, at_ns: int) -> bool:
        """Whether a moment lies in it."""
        return self.since_ns <= at_ns <= self.until_ns
