"""What a drill is: one row of a table."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from posswitch.diagnose.phrases import kind_of
from posswitch.sim.drills.scene import Scene

SEVERITIES = {"light": 0.2, "medium": 0.5, "full": 1.0}
FULL = ("full",)
ALL = tuple(SEVERITIES)
HALF_AND_MORE = ("medium", "full")


class Ground(StrEnum):
    """The city that a drill needs."""

    PLAIN = "plain"
    TLS = "tls"
    HSM = "hsm"  # keys behind the network
    SMALL_DISK = "small-disk"


class Sign(NamedTuple):
    """What the node must say while the drill is played: a fact at its place, or codes of answers there.

    `share` of the answers of the last seconds at the place have one of `codes`; with `fewer` so many times
    fewer answers come from there than before. `rises`: a gauge is higher than before, `by` at least so
    much.
    """

    fact: str = ""
    codes: tuple[str, ...] = ()
    share: float = 0.5
    kind: str = ""  # only answers to such messages
    fewer: float = 0.0
    rises: str = ""
    by: float = 1.0


class Drill(NamedTuple):
    """One anomaly: its name (a kind that diagnosis knows, with `+` a variant) and its place.

    `begin` injects it and leaves with the scene how it is undone. `alike` are kinds that nobody could tell
    from it by what a node sees. It must be named within `seconds_max`.
    """

    name: str
    where: tuple[str, ...]
    begin: Callable[[Scene], None]
    signs: tuple[Sign, ...]
    alike: tuple[str, ...] = ()
    severities: tuple[str, ...] = FULL
    ground: Ground = Ground.PLAIN
    seconds_max: float = 20.0
    warm_s: float = 0.0  # beyond what every drill waits, before it begins
    needs: Callable[[], str] = lambda: ""  # why it cannot be played on this machine, if so
    wider: tuple[tuple[str, ...], ...] = ()  # places that are as right
    does: tuple[tuple[str, str], ...] = ()  # what all of its requests are: a place may say so as well
    lingers: bool = False  # guards bar somebody, who stays barred for minutes: others are played before it

    @property
    def kind(self) -> str:
        """The kind of its anomaly."""
        return self.name.partition("+")[0]

    @property
    def cause(self) -> str:
        """Why such a thing happens."""
        return kind_of(self.kind).cause
