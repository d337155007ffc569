"""What a scan has found: a stable name, how bad, where, a sentence in two languages, and the fix."""

from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import msgspec

from posswitch.office.desk import Desk
from posswitch.settings.config import Config
from posswitch.settings.finding import ERROR, WARNING, one_line

_SHOWN_MAX = 300
PROC = Path("/proc")


class Weakness(msgspec.Struct, frozen=True):
    """One finding; `fix` is a command, or a line for the configuration's table `into`."""

    name: str
    severity: str
    where: str
    en: str
    zh: str
    fix: str
    into: str = ""

    @property
    def bad(self) -> bool:
        """Whether it is worth an exit code."""
        return self.severity in (ERROR, WARNING)

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same one in another scan."""
        return self.name, self.where


class Premises(NamedTuple):
    """What is looked at: a configuration (None when it has mistakes), the desk once the secret is open."""

    path: Path
    files: dict[str, Path]  # `secret`, `data`, `archive`, `key`: as far as they are named
    config: Config | None
    desk: Desk | None
    now_ns: int
    proc: Path = PROC


Audit = Callable[[Premises], Iterator[Weakness]]


@cache
def _rows() -> dict[str, list[str]]:
    """Severity and sentences of every name."""
    text = (files("posswitch.office") / "data" / "weaknesses.tsv").read_text(encoding="utf-8")
    return {name: rest for name, *rest in (line.split("\t") for line in text.splitlines()[1:])}


def names() -> list[str]:
    """Everything that a scan can find."""
    return list(_rows())


def weak(name: str, where: object, fix: str, into: str = "", **words: object) -> Weakness:
    """A finding by its name; `words` go into its sentences."""
    severity, en, zh = _rows()[name]
    at = one_line(str(where))[:_SHOWN_MAX]
    said = {key: one_line(str(value))[:_SHOWN_MAX] for key, value in words.items()}
    return Weakness(
        name, severity, at, en.format(where=at, **said), zh.format(where=at, **said), one_line(fix), into
    )
