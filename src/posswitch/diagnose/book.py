"""The book of incidents: one for each cause; opened, looked at again, merged, verified, closed, reopened."""

from collections.abc import Sequence

from msgspec.structs import replace

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.case import LOOKS_S, Case
from posswitch.diagnose.facts import Fact
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.investigate import Finding, bank_of
from posswitch.diagnose.kin import (
    STORM,
    bank_of_finding,
    believes,
    belongs,
    elsewhere,
    has_a_wake,
    is_life,
    is_most_of,
    is_own,
    is_whole_of,
    may_move,
    news,
    one_cause,
    one_name,
    related,
    slows,
    told,
)
from posswitch.diagnose.suspects import SEEMS_SLOW

CALM_S, CALM_SILENT_S = 5.0, 45.0  # without trouble, with and without traffic, and it is verified
VERIFIED_S = 10.0  # of more calm, and it is over
_AGAIN_S = 300.0  # the same within so long after its end is the same incident
_STORM_S = 90.0
_SURE_ODDS, _SURE_NS = 30.0, 2 * NS_PER_S  # so surely ill for so long, it is more than a suspicion
OPEN_MAX = 64  # incidents at once; more are one about everything


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
            if case is None and not fresh:
                case = self._better_known(at_ns, finding, taken)
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
            if elsewhere(case, finding):
                continue
            here = case.incident.place == finding.place
            if finding.facts & case.facts or (here and (finding.place or one_name(case, finding, at_ns))):
                return case
        for case in self.cases.values():
            if elsewhere(case, finding) or (not case.placed and not finding.place):
                continue
            if not case.incident.place and not finding.place:
                continue  # of the whole centre, and another kind
            if case.incident.number not in taken and related(case.lies_in, finding.lies_in):
                same_bank = case.bank and case.bank == bank_of_finding(finding)
                whole = not case.where and not case.bank  # lies around everything
                if (
                    same_bank
                    or case.incident.cause == finding.named.first.cause != ""
                    or (not (finding.kind and case.incident.kind) and not whole)
                ):
                    return case
        return None

    def _better_known(self, at_ns: int, finding: Finding, taken: set[int]) -> Case | None:
        """A young case that was thought to be wider, where most of it is in the place of a finding."""
        return next(
            (
                case
                for case in self.cases.values()
                if case.incident.number not in taken and is_most_of(case, finding, at_ns)
            ),
            None,
        )

    def _followed(self, at_ns: int, finding: Finding) -> Case | None:
        """The case whose wake this is: retries, backlogs, reconnects after it or because of it."""
        if finding.kind in SEEMS_SLOW and bank_of_finding(finding):
            ours = next((case for case in self.cases.values() if slows(case)), None)
            if ours is not None or not finding.strained:
                return ours
        elif finding.kind not in STORM:
            return None
        for case in self.cases.values():
            if case.incident.since_ns <= finding.since_ns and has_a_wake(case, finding):
                return case
        if finding.kind in SEEMS_SLOW:
            return None
        for case, ended_ns in reversed(self._ended):
            if at_ns - ended_ns <= int(_STORM_S * NS_PER_S) and has_a_wake(case, finding):
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
        sure = case.incident.phase is not Phase.SUSPECT
        case.incident = replace(
            case.incident,
            phase=Phase.CONFIRMED if sure else Phase.SUSPECT, closed_ns=0, changed_ns=at_ns,
            opened_again=case.incident.opened_again + 1,
        )  # fmt: skip
        case.looks, case.looked_ns, case.calm_ns = len(LOOKS_S), at_ns, 0
        self.cases[case.incident.number] = case
        return case

    def _opened(self, at_ns: int, finding: Finding, answer_ms: float) -> Case:
        self._last += 1
        first = finding.named.first
        incident = Incident(
            self._last, Phase.CONFIRMED if first.kind and not is_life(finding) else Phase.SUSPECT,
            first.kind, first.cause, finding.place, finding.since_ns, at_ns, at_ns,
            answer_ms=round(answer_ms, 1), **told(finding),
        )  # fmt: skip
        case = self.cases[self._last] = Case(incident, finding)
        return case

    def _learn(self, case: Case, at_ns: int, finding: Finding) -> bool:
        """What a second look says; whether that is anything new."""
        case.facts |= finding.facts
        case.streams |= finding.streams
        before, first = case.incident, finding.named.first
        if first.kind in STORM and before.kind and before.kind not in STORM:
            return False  # its wake says nothing new of it
        if first.kind in SEEMS_SLOW and finding.place and slows(case):
            return False
        age_ns = at_ns - before.opened_ns
        phase = before.phase
        sure = finding.odds >= _SURE_ODDS and age_ns >= _SURE_NS
        if phase is Phase.SUSPECT and (first.kind or sure) and not is_life(finding):
            phase = Phase.CONFIRMED
        if not believes(before, finding, at_ns):
            if phase is not before.phase:
                case.incident = replace(before, phase=phase, changed_ns=at_ns)
            return phase is not before.phase
        place = before.place
        if may_move(case, finding, age_ns):
            case.lie_at(finding)
            place = finding.place
        kind, cause = (first.kind, first.cause) if first.kind else (before.kind, before.cause)
        case.incident = replace(
            before, phase=phase, kind=kind, cause=cause, place=place,
            since_ns=min(before.since_ns, finding.since_ns), changed_ns=at_ns, **told(finding),
        )  # fmt: skip
        return news(before, case.incident)

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
                    if is_whole_of(one, case)
                    or (one.incident.number < case.incident.number and one_cause(one, case))
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
        if any(key in case.facts for case in self.cases.values()):
            return True
        for case in self.cases.values():
            if bank and bank == case.bank:
                case.facts.add(key)
                return True
            whole = not case.where and not case.bank
            if not bank and whole and not case.incident.kind:
                case.facts.add(key)  # it is to be looked at with it, once
                return False
            if not bank and (is_own(fact, case.incident) or (whole and belongs(fact, case.incident))):
                case.facts.add(key)
                return True
        return False
