"""The book of incidents: one for each cause; opened, looked at again, merged, verified, closed, reopened."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.facts import NODE, Fact, Place
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.investigate import LINK_TROUBLE, Finding, bank_of
from posswitch.diagnose.signals import Dim
from posswitch.diagnose.suspects import INCONCLUSIVE, SUSPECTS
from posswitch.diagnose.window import Where

_LOOKS_S = (1.0, 2.0, 4.0, 8.0)  # after it was opened; then every
_LOOK_EVERY_S = 10.0
CALM_S, CALM_SILENT_S = 5.0, 45.0  # without trouble, with and without traffic, and it is verified
VERIFIED_S = 10.0  # of more calm, and it is over
_AGAIN_S = 300.0  # the same within so long after its end is the same incident
_STORM = (
    "ovl-retry-storm",
    "ovl-saf-backlog",
    "ovl-reconnect-storm",
    "ovl-peak",
    "ord-late-response",
    "ord-original-not-found",
)  # what follows
_STORM_S = 90.0
_SURE = 0.7  # what is known so surely is only changed for what is surer: consequences look like causes
_SETTLED_NS = 10 * NS_PER_S  # after its opening
_GIVEN_UP = 0.2  # what it was thought to be, as it looks now
_YOUNG_NS = 30 * NS_PER_S
_NAMED_NS, _LINKED_NS = 15 * NS_PER_S, 20 * NS_PER_S  # it may get another name; one of its links
_SURE_ODDS, _SURE_NS = 30.0, 2 * NS_PER_S  # so surely ill for so long, it is more than a suspicion
_ALL_DOWN = "net-all-links-down"
# What a bank seems to have while this centre is slow itself.
_SEEMS_SLOW = frozenset({"", "iss-slow", "net-packet-loss", "sys-gray-failure", "ord-late-response",
                         "ovl-thread-pool"})  # fmt: skip
_OURS = frozenset({"sys-io-fsync-slow", "sys-db-slow", "sys-gray-failure", "sys-hsm-slow"})  # beside overload
OPEN_MAX = 64  # incidents at once; more are one about everything


class Case:
    """An open incident and what is known of it beside its words."""

    def __init__(self, incident: Incident, finding: Finding) -> None:
        self.incident = incident
        self.where = finding.where
        self.streams = finding.streams
        self.facts = set(finding.facts)
        self.looks = 0
        self.looked_ns = incident.opened_ns
        self.calm_ns = 0  # since when; 0: it is not
        self.bad = 0

    def __repr__(self) -> str:
        return f"<case {self.incident!r}>"

    def due(self, at_ns: int) -> bool:
        """Whether it is to be looked at again."""
        wait_s = _LOOKS_S[self.looks] if self.looks < len(_LOOKS_S) else _LOOK_EVERY_S
        since_ns = self.incident.opened_ns if self.looks < len(_LOOKS_S) else self.looked_ns
        return at_ns - since_ns >= int(wait_s * NS_PER_S)

    @property
    def placed(self) -> bool:
        """Whether it is known which outcomes are its own: a bank without traffic has none."""
        return bool(self.where) or not self.bank

    @property
    def explains(self) -> bool:
        """Whether what is bad in its place is its own: of the whole centre, only where it is known why."""
        return self.placed and bool(self.where or self.incident.kind)

    @property
    def bank(self) -> str:
        """Of its place; empty when it is none of a bank."""
        place = self.incident.place
        return place.get("bank", "") or place.get("link", "").partition("/")[0]


class Book:
    """Open cases by number, and what ended lately."""

    def __init__(self, last_number: int = 0) -> None:
        self._last = last_number
        self.cases: dict[int, Case] = {}
        self._ended: list[tuple[Case, int]] = []

    def __repr__(self) -> str:
        return f"<book of {len(self.cases)} open incidents>"

    def enter(
        self,
        at_ns: int,
        findings: Sequence[Finding],
        answer_ms: float,
        *,
        fresh: bool,
    ) -> list[Case]:
        """Findings become incidents, or more knowledge of those that are open; which have changed.

        Without `fresh` nothing new is opened: nobody has raised anything.
        """
        changed = []
        taken: set[int] = set()
        for finding in findings:
            case = self._same(at_ns, finding, taken) or self._followed(at_ns, finding)
            if case is None and fresh and len(self.cases) < OPEN_MAX:
                case = self._again(at_ns, finding) or self._opened(at_ns, finding, answer_ms)
                changed.append(case)
            elif case is not None and case.incident.number not in taken and self._learn(case, at_ns, finding):
                changed.append(case)
            if case is not None:
                taken.add(case.incident.number)
        return changed

    def _same(self, at_ns: int, finding: Finding, taken: set[int]) -> Case | None:
        """The open case that a finding is about."""
        for case in self.cases.values():
            if _elsewhere(case, finding):
                continue
            here = case.incident.place == finding.place
            if finding.facts & case.facts or (here and (finding.place or _one_name(case, finding, at_ns))):
                return case
        for case in self.cases.values():
            if _elsewhere(case, finding) or (not case.placed and not finding.place):
                continue
            if not case.incident.place and not finding.place:
                continue  # of the whole centre, and another kind
            if case.incident.number not in taken and related(case.where, finding.where):
                same_bank = case.bank and case.bank == _bank_of(finding)
                whole = not case.where and not case.bank  # lies around everything
                if (
                    same_bank
                    or case.incident.cause == finding.named.first.cause != ""
                    or (not finding.kind and not whole)
                ):
                    return case
        return None

    def _followed(self, at_ns: int, finding: Finding) -> Case | None:
        """The case whose wake this is: retries, backlogs, reconnects after it or because of it."""
        if finding.kind in _SEEMS_SLOW and _bank_of(finding):
            slows = next((case for case in self.cases.values() if _slows(case)), None)
            if slows is not None or not finding.strained:
                return slows
        elif finding.kind not in _STORM:
            return None
        for case in self.cases.values():
            if case.incident.since_ns <= finding.since_ns and _has_a_wake(case, finding):
                return case
        if finding.kind in _SEEMS_SLOW:
            return None
        for case, ended_ns in reversed(self._ended):
            if at_ns - ended_ns <= int(_STORM_S * NS_PER_S) and _has_a_wake(case, finding):
                return self._reopen(case, at_ns)
        return None

    def _again(self, at_ns: int, finding: Finding) -> Case | None:
        for case, ended_ns in reversed(self._ended):
            here = case.incident.place == finding.place and (
                finding.place or finding.kind == case.incident.kind
            )
            if here and at_ns - ended_ns <= int(_AGAIN_S * NS_PER_S):
                self._reopen(case, at_ns)
                self._learn(case, at_ns, finding)
                return case
        return None

    def _reopen(self, case: Case, at_ns: int) -> Case:
        self._ended = [one for one in self._ended if one[0] is not case]
        case.incident = replace(
            case.incident,
            phase=Phase.CONFIRMED, closed_ns=0, changed_ns=at_ns, opened_again=case.incident.opened_again + 1,
        )  # fmt: skip
        case.looks, case.looked_ns, case.calm_ns = len(_LOOKS_S), at_ns, 0
        self.cases[case.incident.number] = case
        return case

    def _opened(self, at_ns: int, finding: Finding, answer_ms: float) -> Case:
        self._last += 1
        first = finding.named.first
        incident = Incident(
            self._last, Phase.CONFIRMED if first.probability >= INCONCLUSIVE else Phase.SUSPECT,
            first.kind, first.cause, finding.place, finding.since_ns, at_ns, at_ns,
            answer_ms=round(answer_ms, 1), **_told(finding),
        )  # fmt: skip
        case = self.cases[self._last] = Case(incident, finding)
        return case

    def _learn(self, case: Case, at_ns: int, finding: Finding) -> bool:
        """What a second look says; whether that is anything new."""
        case.facts |= finding.facts
        case.streams |= finding.streams
        before, first = case.incident, finding.named.first
        if first.kind in _STORM and before.kind and before.kind not in _STORM:
            return False  # its wake says nothing new of it
        if first.kind in _SEEMS_SLOW and finding.place and _slows(case):
            return False
        age_ns = at_ns - before.opened_ns
        phase = before.phase
        sure = finding.odds >= _SURE_ODDS and age_ns >= _SURE_NS
        if phase is Phase.SUSPECT and (first.kind or sure):
            phase = Phase.CONFIRMED
        if not _believes(before, finding, at_ns):
            case.incident = replace(before, phase=phase)
            return phase is not before.phase
        place = before.place
        if _may_move(case, finding, age_ns):
            case.where, place = finding.where, finding.place
        kind, cause = (first.kind, first.cause) if first.kind else (before.kind, before.cause)
        case.incident = replace(
            before, phase=phase, kind=kind, cause=cause, place=place,
            since_ns=min(before.since_ns, finding.since_ns), changed_ns=at_ns, **_told(finding),
        )  # fmt: skip
        return _news(before, case.incident)

    # The way out

    def calm(self, case: Case, at_ns: int, *, well: bool, busy: bool) -> bool:
        """One look at whether it is over; whether that changed its phase."""
        if not well:
            case.calm_ns = 0
            if case.incident.phase is Phase.VERIFYING:
                case.incident = replace(case.incident, phase=Phase.CONFIRMED, changed_ns=at_ns)
                return True
            return False
        if not case.calm_ns:
            case.calm_ns = at_ns
        calm_s = (at_ns - case.calm_ns) / NS_PER_S
        enough_s = CALM_S if busy else CALM_SILENT_S
        if case.incident.phase is Phase.SUSPECT and calm_s >= enough_s:
            self._end(case, at_ns)  # nobody was ever sure of it
            return True
        if case.incident.phase is not Phase.VERIFYING and calm_s >= enough_s:
            case.incident = replace(case.incident, phase=Phase.VERIFYING, changed_ns=at_ns)
            return True
        if case.incident.phase is Phase.VERIFYING and calm_s >= enough_s + VERIFIED_S:
            self._end(case, at_ns)
            return True
        return False

    def _end(self, case: Case, at_ns: int) -> None:
        sure = case.incident.phase is not Phase.SUSPECT
        phase = Phase.RESOLVED if sure else Phase.SUSPECT
        case.incident = replace(case.incident, phase=phase, closed_ns=at_ns, changed_ns=at_ns)
        del self.cases[case.incident.number]
        self._ended.append((case, at_ns))
        kept_ns = at_ns - int(_AGAIN_S * NS_PER_S)
        self._ended = [one for one in self._ended[-OPEN_MAX:] if one[1] >= kept_ns]

    def merge(self, at_ns: int) -> list[Case]:
        """Two about the same cause become one: the older, or the one about the whole centre."""
        merged = []
        for case in list(self.cases.values()):
            older = next(
                (
                    one
                    for one in self.cases.values()
                    if _is_whole_of(one, case)
                    or (one.incident.number < case.incident.number and _one_cause(one, case))
                ),
                None,
            )
            if older is not None:
                case.incident = replace(case.incident, merged_into=older.incident.number, changed_ns=at_ns)
                older.facts |= case.facts
                older.streams |= case.streams
                older.incident = replace(
                    older.incident, affected=older.incident.affected + case.incident.affected
                )
                del self.cases[case.incident.number]
                merged.append(case)
        return merged

    def covers(self, fact: Fact) -> bool:
        """Whether a fact belongs to what is known already."""
        key = (fact.name, fact.place)
        bank = bank_of(fact.place)
        for case in self.cases.values():
            if key in case.facts or (bank and bank == case.bank):
                case.facts.add(key)
                return True
            whole = not case.where and not case.bank
            if not bank and (_is_own(fact, case.incident) or (whole and _belongs(fact, case.incident))):
                case.facts.add(key)
                return True
        return False


def _may_move(case: Case, finding: Finding, age_ns: int) -> bool:
    """Whether a later look may tell the place: what is left of a trouble at its end is not where it was."""
    if "link" in finding.place and case.incident.place.get("bank", "") == _bank_of(finding):
        return age_ns <= _LINKED_NS
    if set(finding.where) == set(case.where):
        return "link" not in case.incident.place or len(_links_of(finding)) > 1
    if set(finding.where) < set(case.where):
        return bool(finding.kind) or not case.incident.kind
    return age_ns <= _SETTLED_NS or not case.streams


def _one_name(case: Case, finding: Finding, at_ns: int) -> bool:
    """Whether two about the whole centre are one: by their kind, or as nobody has settled what it is."""
    kinds = {case.incident.kind, finding.kind}
    if "" in kinds or len(kinds) == 1:
        return True
    young = at_ns - case.incident.opened_ns <= _NAMED_NS
    mine, other = _families(case.facts), _families(finding.facts)  # of what the node itself says
    return young and (not mine or bool(mine & other))


def _families(facts: Iterable[tuple[str, Place]]) -> set[str]:
    """Of the facts of the node: the parts that they are about, such as the HSM."""
    return {name.partition("-")[0] for name, place in facts if place == NODE}


def _links_of(finding: Finding) -> set[str]:
    return {place[1] for name, place in finding.facts if place[0] == "link" and name in LINK_TROUBLE}


def _slows(case: Case) -> bool:
    """Whether this centre is slow by what a case is about."""
    mine = case.incident
    return not case.where and not case.bank and (mine.cause == "overload" or mine.kind in _OURS)


def _told(finding: Finding) -> dict[str, Any]:
    judged = finding.named
    return {
        "probability": judged.guesses[0].probability if judged.guesses else 0.0,
        "guesses": judged.guesses,
        "supports": judged.supports,
        "opposes": judged.opposes,
        "ruled_out": judged.ruled_out,
    }


def _believes(before: Incident, finding: Finding, at_ns: int) -> bool:
    """Whether a later look counts for more: what was sure is given up when it does not fit any more."""
    first = finding.named.first
    if first.kind == before.kind or not before.kind:
        return True
    if not first.kind:
        return False
    still = next((one.probability for one in finding.named.guesses if one.kind == before.kind), 0.0)
    if before.kind and still < _GIVEN_UP:
        return first.probability >= INCONCLUSIVE and first.kind not in _STORM
    young = at_ns - before.opened_ns <= _YOUNG_NS
    return young and before.probability < _SURE and first.probability > before.probability


def _news(before: Incident, now: Incident) -> bool:
    """Whether a person would want to read it again."""
    return (
        before.kind != now.kind
        or before.place != now.place
        or before.phase is not now.phase
        or abs(before.probability - now.probability) >= 0.1
    )


def _bank_of(finding: Finding) -> str:
    return finding.place.get("bank", "") or finding.place.get("link", "").partition("/")[0]


def related(one: Where, other: Where) -> bool:
    """Whether one place lies in the other."""
    return set(one) <= set(other) or set(other) <= set(one)


def _one_cause(older: Case, case: Case) -> bool:
    same_bank = bool(case.bank) and case.bank == older.bank
    same_kind = older.incident.kind == case.incident.kind
    same_place = older.incident.place == case.incident.place and bool(case.incident.place)
    return same_place or (same_kind and (same_bank or older.incident.place == case.incident.place))


def _is_whole_of(whole: Case, case: Case) -> bool:
    """Whether the whole centre has what a part of it was thought to have by itself."""
    mine, theirs = case.incident, whole.incident
    if theirs.place or not mine.place:
        return False
    seems = _slows(whole) and bool(case.bank) and mine.kind in _SEEMS_SLOW
    return (
        seems or theirs.kind == mine.kind != "" or (theirs.kind == _ALL_DOWN and mine.cause == theirs.cause)
    )


def _elsewhere(case: Case, finding: Finding) -> bool:
    """Whether a finding is about another bank."""
    return bool(case.bank) and bool(_bank_of(finding)) and case.bank != _bank_of(finding)


_WAKES = frozenset({Dim.BANK, Dim.REGION, Dim.SOURCE, Dim.KIND})


def _has_a_wake(case: Case, finding: Finding) -> bool:
    """Whether so much is ill that a finding, of retries and backlogs, may come of it."""
    known = case.explains and case.incident.kind not in _STORM
    near = finding.strained or not _elsewhere(case, finding)  # a crowded centre reaches everybody
    return known and near and all(dim in _WAKES for dim, _ in case.where)


def _is_own(fact: Fact, incident: Incident) -> bool:
    """Whether a fact of the node speaks for what an incident is."""
    return bool(incident.kind) and fact.name in _OWN_FACTS[incident.kind]


def _belongs(fact: Fact, incident: Incident) -> bool:
    """Whether a fact of the node says what an incident of the whole centre is, or comes of it."""
    return not incident.kind or fact.name in _OWN_FACTS[incident.kind] or fact.name in _CONSEQUENCES


# Facts of the node that many troubles bring with them.
_CONSEQUENCES = frozenset({"sheds", "queue-stands", "node-lags", "link-down", "handshakes-fail", "hsm-busy"})
_OWN_FACTS = {one.kind: frozenset(weight.feature for weight in one.speaks_for) for one in SUSPECTS}


def banks_in(where: Where) -> Iterable[int]:
    """The banks that a place names."""
    return (value for dim, value in where if dim is Dim.BANK)


Facts = frozenset[tuple[str, Place]]
