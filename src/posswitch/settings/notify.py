"""`[notify]` and its rows `[[notify.to]]`: who is told of incidents, how, and when; addresses are secrets."""

import stat
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Annotated

import msgspec

from posswitch.base.errors import ConfigError
from posswitch.settings.machine import File

RECEIVERS_MAX = 32
SUSPECT, CONFIRMED, ROLLED_BACK = LEAST = ("suspect", "confirmed", "rolled-back")
ZH, EN, BOTH = TONGUES = ("zh", "en", "both")
# What an incident may be about: its causes and the tiles of the first screen, as diagnosis names them.
ABOUT = (
    *("network", "overload", "fault", "data", "security", "limit", "order", "key", "bank", "clock"),
    *("settlement", "faults", "attack", "stability", "transmission", "limits", "orders", "feedback"),
)
_URL_BYTES_MAX = 4096
_DAY_MINUTES = 24 * 60
_OTHERS = 0o077


def _text(pattern: str, expected: str) -> msgspec.Meta:
    return msgspec.Meta(pattern=rf"\A{pattern}\Z", description=expected)


def _one_of(words: Iterable[str]) -> msgspec.Meta:
    *most, last = (f'"{word}"' for word in words)
    return _text(f"({'|'.join(words)})", f"write {', '.join(most)} or {last}")


_Url = Annotated[
    str,
    _text(
        r"[A-Za-z][A-Za-z0-9+.-]{1,30}://[!-~]{1,2000}",
        "write an address of apprise, such as wecombot://KEY, or its file as url_file",
    ),
]
_HttpUrl = Annotated[str, _text(r"https?://[!-~]{1,2000}", "write an address, https://…")]
_Hours = Annotated[
    str,
    _text(
        "([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]", 'write HH:MM-HH:MM, as "22:00-07:00"'
    ),
]


class ToTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[[notify.to]]`."""

    name: Annotated[str, _text(r"[^\x00-\x1f\x7f]{1,30}", "write a name of at most 30 characters")]
    url: _Url = ""
    url_file: File = ""
    lang: Annotated[str, _one_of(TONGUES)] = BOTH
    about: Annotated[
        list[str], msgspec.Meta(max_length=len(ABOUT), description='list what it is about: ["network", …]')
    ] = []
    least: Annotated[str, _one_of(LEAST)] = CONFIRMED
    after: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0  # seconds
    quiet: _Hours = ""
    severe: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 100  # payments

    def __repr__(self) -> str:
        return f"<notify.to {self.name}>"


class NotifyTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[notify]`; without rows nobody is told."""

    heartbeat_url: _HttpUrl = ""
    heartbeat_every: Annotated[int, msgspec.Meta(ge=10, le=3600)] = 60  # seconds
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=60)] = 6  # letters to each
    to: list[ToTable] = []

    def __repr__(self) -> str:
        return f"<notify: {len(self.to)} receivers>"


class Receiver(msgspec.Struct, frozen=True):
    """One who is told; `quiet` in minutes after midnight, Beijing time, the second may be of the next day.

    `about` is empty where everything is told; `severe` so many failed payments end a quiet hour.
    """

    name: str
    where: str | FilePath  # the address, or the file in which it stands
    tongue: str = BOTH
    about: frozenset[str] = frozenset()
    least: str = CONFIRMED
    after_s: int = 0
    quiet: tuple[int, int] | None = None
    severe: int = 100

    def __repr__(self) -> str:
        return f"<receiver {self.name}, {self.least} after {self.after_s} s>"

    def url(self) -> str:
        """Its address; raises ConfigError, which never shows it."""
        return self.where if isinstance(self.where, str) else read_url(self.where)

    def rests(self, minute: int) -> bool:
        """Whether a minute of the day lies in its quiet hours."""
        if self.quiet is None:
            return False
        begin, end = self.quiet
        return (minute - begin) % _DAY_MINUTES < (end - begin) % _DAY_MINUTES


class NotifyPlan(msgspec.Struct, frozen=True):
    """Who is told, how often at most, and which watchdog hears that diagnosis and node live."""

    to: tuple[Receiver, ...] = ()
    per_minute: int = 6
    heartbeat_url: str = ""
    heartbeat_every_s: int = 60

    def __repr__(self) -> str:
        beats = f", a heartbeat every {self.heartbeat_every_s} s" if self.heartbeat_url else ""
        return f"<notify {', '.join(one.name for one in self.to) or 'nobody'}{beats}>"


def plan_of(table: NotifyTable, base: FilePath) -> NotifyPlan:
    """The values of a table without mistakes; files begin from `base`."""
    to = tuple(
        Receiver(
            name=row.name,
            where=row.url or base / row.url_file,
            tongue=row.lang,
            about=frozenset(row.about),
            least=row.least,
            after_s=row.after,
            quiet=minutes_of(row.quiet) if row.quiet else None,
            severe=row.severe,
        )
        for row in table.to
    )
    return NotifyPlan(to, table.per_minute, table.heartbeat_url, table.heartbeat_every)


def minutes_of(hours: str) -> tuple[int, int]:
    """`22:00-07:00` in minutes after midnight."""
    begin, end = (int(one[:2]) * 60 + int(one[3:]) for one in hours.split("-"))
    return begin, end


def read_url(path: FilePath) -> str:
    """The address that is the first line of a file of its owner; raises ConfigError, never showing it."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{path}: is not a file; name a file with the address in its first line")
        if stat.S_IMODE(mode) & _OTHERS:
            raise ConfigError(f"{path}: others may read the address; run: chmod 600 {path}")
        with path.open("rb") as file:
            raw = file.read(_URL_BYTES_MAX)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such name"
        raise ConfigError(f"{path}: cannot be read ({why}); name a file that holds the address") from None
    url = raw.decode("utf-8", "replace").partition("\n")[0].strip()
    try:
        return msgspec.convert(url, _Url)
    except msgspec.ValidationError:
        raise ConfigError(
            f"{path}: its first line is no address; write one of apprise, as wecombot://KEY"
        ) from None
