"""Who is told of which incident, what and when. Pure: incidents and time come in, letters come out.

What a receiver knows is held against what is now; the difference is the letter. So whatever happens while a
receiver rests, or has had its letters of this minute, becomes one letter afterwards, or none.
"""

from collections import deque
from collections.abc import Container, Iterable
from enum import IntEnum
from typing import NamedTuple

from msgspec.structs import replace

from posswitch.base.moment import NS_PER_S, stamp
from posswitch.diagnose.incident import Incident, Phase, Tier
from posswitch.diagnose.phrases import kind_of
from posswitch.settings.notify import CONFIRMED, LEAST, ROLLED_BACK, SUSPECT, NotifyPlan, Receiver

SILENT = 0  # the number of what is no incident of the book: the node says nothing
SILENCE_NS = 30 * NS_PER_S  # a node that was restarted speaks again before
SETTLED_NS = 15 * NS_PER_S  # another kind is told once it has stood so long
RETURNED_NS = 60 * NS_PER_S  # and one that was told before, so long
CHANGES_MAX = 5  # of an incident's kind, to one receiver
_AGAIN_NS, _AGAIN_MAX = 60 * NS_PER_S, 30  # what comes back and back is told later each time
_KEPT_MAX = 512  # incidents that somebody is still to be told of
_MINUTE_NS = 60 * NS_PER_S
_RANKS = {Phase.SUSPECT: 0, Phase.ROLLED_BACK: 2}  # all others are certain: 1
_RANK_OF = {SUSPECT: 0, CONFIRMED: 1, ROLLED_BACK: 2}
assert _RANK_OF.keys() == set(LEAST)

AckKey = tuple[int, int, int]  # what an acknowledgement is of: it does not count for what comes back


class What(IntEnum):
    """Why somebody is told, the most pressing first."""

    NEEDS = 0  # a person: what was done did not help, or only a person may do it
    OPENED = 1
    CHANGED = 2  # it is known better what it is
    OVER = 3


class Item(NamedTuple):
    """One thing that a letter says."""

    what: What
    incident: Incident


class Letter(NamedTuple):
    """To one receiver, of all that it has to know now."""

    to: Receiver
    items: tuple[Item, ...]


class _Case:
    """An incident as it is now, since when it is so certain, and since when it is of this kind."""

    def __init__(self, incident: Incident, at_ns: int) -> None:
        self.incident = incident
        self.reached_ns: dict[int, int] = {}
        self.kind_ns = at_ns
        self.take(incident, at_ns)

    def take(self, incident: Incident, at_ns: int) -> None:
        """It is known anew."""
        if incident.kind != self.incident.kind:
            self.kind_ns = at_ns
        if incident.opened_again != self.incident.opened_again:
            self.reached_ns = {}
        self.incident = incident
        for rank in range(rank_of(incident) + 1):
            self.reached_ns.setdefault(rank, at_ns)


class _Told:
    """What one receiver knows of one incident."""

    def __init__(self, kind: str, *, needs: bool) -> None:
        self.kinds = [kind]
        self.needs = needs


class Notices:
    """One for each diagnosis."""

    def __init__(self, plan: NotifyPlan, node: str = "") -> None:
        self._plan = plan
        self._node = node
        self._cases: dict[int, _Case] = {}
        self._told: dict[tuple[str, int], _Told] = {}
        self._sent_ns: dict[str, deque[int]] = {one.name: deque(maxlen=plan.per_minute) for one in plan.to}
        self._spoke_ns = 0
        self.untold = 0  # incidents that made room for newer ones before everybody knew

    def __repr__(self) -> str:
        return f"<notices of {len(self._cases)} incidents to {len(self._plan.to)} receivers>"

    @property
    def waiting(self) -> bool:
        """Whether anybody may have to be told of anything."""
        return bool(self._cases)

    def look(
        self,
        now_ns: int,
        changed: Iterable[Incident],
        acked: Container[AckKey] = frozenset(),
        *,
        speaks: bool = True,
    ) -> list[Letter]:
        """Takes in what has changed; the letters that are to be sent now."""
        for incident in changed:
            self._enter(incident, now_ns)
        self._listen(now_ns, speaks=speaks)
        if not self._cases:
            return []
        letters = []
        for receiver in self._plan.to:
            if self._is_full(receiver, now_ns):
                continue
            items = [
                *filter(None, (self._due(receiver, case, now_ns, acked) for case in self._cases.values()))
            ]
            if items:
                items.sort(key=lambda item: (item.what, -item.incident.affected, item.incident.number))
                self._sent_ns[receiver.name].append(now_ns)
                for item in items:
                    self._mark(receiver, item)
                letters.append(Letter(receiver, tuple(items)))
        self._sweep()
        return letters

    def _enter(self, incident: Incident, now_ns: int) -> None:
        case = self._cases.get(incident.number)
        if case is not None:
            case.take(incident, now_ns)
        elif incident.open:
            self._cases[incident.number] = case = _Case(incident, now_ns)
        if case is not None and incident.merged_into:
            self._join(incident)

    def _join(self, incident: Incident) -> None:
        """Who knew of it knows of the one that it is part of."""
        for receiver in self._plan.to:
            told = self._told.pop((receiver.name, incident.number), None)
            if told is not None:
                self._told.setdefault((receiver.name, incident.merged_into), told)

    def _listen(self, now_ns: int, *, speaks: bool) -> None:
        """A node that says nothing is as good as an incident."""
        self._spoke_ns = now_ns if speaks or not self._spoke_ns else self._spoke_ns
        case = self._cases.get(SILENT)
        if case is not None and speaks and case.incident.open:
            over = replace(case.incident, phase=Phase.RESOLVED, closed_ns=now_ns, changed_ns=now_ns)
            case.take(over, now_ns)
        elif (
            not speaks and now_ns - self._spoke_ns >= SILENCE_NS and (case is None or not case.incident.open)
        ):
            place = {"node": self._node} if self._node else {}
            since_ns = self._spoke_ns
            silent = Incident(SILENT, Phase.CONFIRMED, "", "fault", place, since_ns, now_ns, now_ns)
            self._cases[SILENT] = _Case(silent, now_ns)

    def _is_full(self, receiver: Receiver, now_ns: int) -> bool:
        sent = self._sent_ns[receiver.name]
        return len(sent) == sent.maxlen and now_ns - sent[0] < _MINUTE_NS

    def _due(self, receiver: Receiver, case: _Case, now_ns: int, acked: Container[AckKey]) -> Item | None:
        incident = case.incident
        if rests(receiver, incident, now_ns):
            return None
        told = self._told.get((receiver.name, incident.number))
        if told is None:
            new = concerns(receiver, incident) and self._is_time(receiver, case, now_ns, acked)
            return Item(What.NEEDS if needs_person(incident) else What.OPENED, incident) if new else None
        if not incident.open:
            return Item(What.OVER, incident)
        if needs_person(incident) and not told.needs:
            return Item(What.NEEDS, incident)
        if len(told.kinds) > CHANGES_MAX or incident.phase is Phase.VERIFYING:
            return None
        settled_ns = RETURNED_NS if incident.kind in told.kinds else SETTLED_NS
        if incident.kind and incident.kind != told.kinds[-1] and now_ns - case.kind_ns >= settled_ns:
            return Item(What.CHANGED, incident)
        return None

    def _is_time(self, receiver: Receiver, case: _Case, now_ns: int, acked: Container[AckKey]) -> bool:
        """Whether one who knows nothing is told: certain enough, long enough, and nobody looks after it."""
        incident = case.incident
        rank = _RANK_OF[receiver.least]
        if not incident.open or incident.phase is Phase.VERIFYING or rank_of(incident) < rank:
            return False
        if receiver.after_s and ack_key(incident) in acked:
            return False
        wait_ns = receiver.after_s * NS_PER_S + min(incident.opened_again, _AGAIN_MAX) * _AGAIN_NS
        return now_ns - case.reached_ns[rank] >= wait_ns

    def _mark(self, receiver: Receiver, item: Item) -> None:
        key = receiver.name, item.incident.number
        told = self._told.get(key)
        if item.what is What.OVER:
            del self._told[key]
        elif told is None:
            self._told[key] = _Told(item.incident.kind, needs=item.what is What.NEEDS)
        else:
            told.needs |= item.what is What.NEEDS
            if item.incident.kind not in ("", told.kinds[-1]):
                told.kinds.append(item.incident.kind)

    def _sweep(self) -> None:
        """What is over and told is forgotten; of what rests too long the oldest makes room."""
        known = {number for _, number in self._told}
        over = [number for number, case in self._cases.items() if not case.incident.open]
        gone = [number for number in over if number not in known]
        left = len(self._cases) - len(gone) - _KEPT_MAX
        dropped = sorted(set(over) - set(gone))[: max(left, 0)]
        for number in (*gone, *dropped):
            del self._cases[number]
        if dropped:
            self.untold += len(dropped)
            self._told = {key: told for key, told in self._told.items() if key[1] not in dropped}


def rank_of(incident: Incident) -> int:
    """How certain it is: 0 suspected, 1 confirmed, 2 a person is needed."""
    return _RANKS.get(incident.phase, 1)


def needs_person(incident: Incident) -> bool:
    """Whether it waits for a person: the remedy failed, or is one that only a person may begin."""
    proposed = any(deed.tier is Tier.PROPOSED and deed.state == "proposed" for deed in incident.deeds)
    return incident.open and (incident.phase is Phase.ROLLED_BACK or proposed)


def concerns(receiver: Receiver, incident: Incident) -> bool:
    """Whether its cause or one of its tiles is what a receiver is told about."""
    about = receiver.about
    return not about or incident.cause in about or not about.isdisjoint(kind_of(incident.kind).shown_on)


def rests(receiver: Receiver, incident: Incident, now_ns: int) -> bool:
    """Whether a receiver sleeps and this does not wake it."""
    time = stamp(now_ns).time
    if not receiver.rests(int(time[:2]) * 60 + int(time[2:4])):
        return False
    grave = not (incident.place.keys() - {"node"}) or incident.phase is Phase.ROLLED_BACK
    return not grave and incident.affected < receiver.severe


def ack_key(incident: Incident) -> AckKey:
    """What an acknowledgement names."""
    return incident.number, incident.opened_ns, incident.opened_again
