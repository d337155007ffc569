"""Diagnosis as a process beside the node: reads its vitals, keeps the book, says how everything is."""

import gc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.act import Actor, Hands
from posswitch.diagnose.centre import Centre
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.shelf import Shelf
from posswitch.diagnose.signals import Atlas, Site, ticks
from posswitch.journal.vitals import STALE_NS, VitalsReader

_SAY_NS = NS_PER_S // 2
_BEGIN_NS = 120 * NS_PER_S  # of the ring is learned from at the start
_PERIODS_MAX = 120  # of the ring are in memory at once
_COUNTED_AGAIN_NS = 5 * NS_PER_S  # an incident whose figures only grow is written so often

Say = Callable[[list[Incident], bool], dict[str, Any]]


class Watch:
    """Looks when told to; `say` puts open incidents, and whether the node speaks, into words for screens."""

    def __init__(
        self, folder: Path, sites: Mapping[str, Site], now_ns: Callable[[], int], say: Say, hands: Hands
    ) -> None:
        self._reader = VitalsReader(folder)
        self._now_ns = now_ns
        self._say = say
        self._atlas = Atlas(sites)
        self._shelf = Shelf(folder)
        self._centre = Centre(self._atlas, self._shelf.last_number())
        self._actor = Actor(hands)
        self._last_ns = now_ns() - _BEGIN_NS
        self._reader.skip(self._last_ns)
        self._said_ns = 0
        self._written: dict[int, int] = {}
        self._begun = 0  # as the reader counts it
        self._sites = sites
        self._ended: list[Incident] = []  # since something was last done
        self._close_what_was_open(now_ns())
        gc.freeze()

    def __repr__(self) -> str:
        return f"<watch {self._centre!r}>"

    def look(self) -> list[Incident]:
        """Takes in what the node has said since the last look; the incidents that have changed."""
        changed: dict[int, Incident] = {}
        now_ns = self._now_ns()
        while periods := self._reader.read(_PERIODS_MAX):
            if self._reader.begun != self._begun:
                self._begin_anew(now_ns, changed)
            self._atlas.know(self._reader.names)
            for tick in ticks(periods, self._last_ns):
                changed.update((incident.number, incident) for incident in self._centre.look(tick))
                self._last_ns = tick.at_ns
            self._ended += [incident for incident in changed.values() if not incident.open]
        if now_ns - self._last_ns <= STALE_NS:  # nothing is done about what was long ago
            ended, self._ended = self._ended, []
            for incident in self._centre.act(self._last_ns, self._actor, ended):
                changed[incident.number] = incident
        for incident in self._centre.incidents:
            if not 0 <= now_ns - self._written.get(incident.number, 0) < _COUNTED_AGAIN_NS:
                changed.setdefault(incident.number, incident)
        if changed:
            self._shelf.keep(changed.values())
            self._written.update(dict.fromkeys(changed, now_ns))
            self._written = {
                number: at_ns for number, at_ns in self._written.items() if number in self._centre.book.cases
            }
        if not 0 <= now_ns - self._said_ns < _SAY_NS:
            self._said_ns = now_ns
            self._shelf.say(now_ns, self._say(self._centre.incidents, self.hears(now_ns)))
        return list(changed.values())

    def _begin_anew(self, now_ns: int, changed: dict[int, Incident]) -> None:
        """The file was replaced, or its clock went back: what was learned fits nothing any more."""
        self._begun = self._reader.begun
        for incident in self._centre.incidents:
            changed[incident.number] = closed(incident, now_ns)
        self._ended += changed.values()
        self._shelf.keep(changed.values())
        self._atlas = Atlas(self._sites)
        self._centre = Centre(self._atlas, self._shelf.last_number())

    def hears(self, now_ns: int) -> bool:
        """Whether the node has said something lately."""
        return now_ns - self._last_ns <= STALE_NS

    def _close_what_was_open(self, now_ns: int) -> None:
        """Nobody watched meanwhile: what is still wrong will be found anew."""
        self._shelf.keep(closed(incident, now_ns) for incident in self._shelf.open_ones())

    def close(self) -> None:
        """Closes its files."""
        self._shelf.close()


def closed(incident: Incident, at_ns: int) -> Incident:
    """An incident that nobody has watched to its end."""
    return replace(incident, phase=Phase.RESOLVED, closed_ns=at_ns, changed_ns=at_ns)
