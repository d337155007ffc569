"""What belongs together: findings and incidents of one cause, what follows, what a later look may say."""

from collections.abc import Iterable
from typing import Any

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.case import Case
from posswitch.diagnose.cube import AGAIN
from posswitch.diagnose.facts import NODE, Fact, Place
from posswitch.diagnose.features import SPOKEN_FOR
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.investigate import LINK_TROUBLE, Finding
from posswitch.diagnose.signals import Dim
from posswitch.diagnose.suspects import INCONCLUSIVE, SEEMS_SLOW, SUSPECTS

STORM = (
    "ovl-retry-storm",
    "ovl-saf-backlog",
    "ovl-reconnect-storm",
    "ovl-peak",
    "ord-late-response",
    "ord-original-not-found",
)  # what follows
_OURS = frozenset({"sys-io-fsync-slow", "sys-db-slow", "sys-gray-failure", "sys-hsm-slow"})  # beside overload
_WAKE = frozenset({AGAIN})
_ALL_DOWN = "net-all-links-down"
_SURE = 0.7  # what is known so surely is only changed for what is surer: consequences look like causes
_MOST = 0.6  # of what is bad
_LESS_SURE = 0.15  # and it still may be about more
_GIVEN_UP = 0.2  # what it was thought to be, as it looks now
_SETTLED_NS = 10 * NS_PER_S  # after its opening
_YOUNG_NS = 30 * NS_PER_S
_NAMED_NS, _LINKED_NS = 15 * NS_PER_S, 20 * NS_PER_S  # it may get another name; one of its links


def may_move(case: Case, finding: Finding, age_ns: int) -> bool:
    """Whether a later look may tell the place: what is left of a trouble at its end is not where it was."""
    if finding.streams == _WAKE and case.streams != _WAKE:
        return False  # customers come again in other ways
    if "link" in finding.place and case.incident.place.get("bank", "") == bank_of_finding(finding):
        return age_ns <= _LINKED_NS
    if set(finding.where) == set(case.where):
        return "link" not in case.incident.place or len(_links_of(finding)) > 1
    if finding.lies_in < case.lies_in:
        before = case.incident
        return not before.kind or finding.named.first.probability >= before.probability - _LESS_SURE
    return age_ns <= _SETTLED_NS or not case.streams


def one_name(case: Case, finding: Finding, at_ns: int) -> bool:
    """Whether two about the whole centre are one: by their kind, or as nobody has settled what it is."""
    kinds = {case.incident.kind, finding.kind}
    if "" in kinds or len(kinds) == 1:
        return True
    young = at_ns - case.incident.opened_ns <= _NAMED_NS
    mine, other = _families(case.facts), _families(finding.facts)  # of what the node itself says
    hsm = "hsm" in mine & other  # first it is slow, then it is gone: there is only one
    return hsm or (young and (not mine or bool(mine & other)))


def _families(facts: Iterable[tuple[str, Place]]) -> set[str]:
    """Of the facts of the node: the parts that they are about, such as the HSM."""
    return {name.partition("-")[0] for name, place in facts if place == NODE}


def _links_of(finding: Finding) -> set[str]:
    return {place[1] for name, place in finding.facts if place[0] == "link" and name in LINK_TROUBLE}


def is_most_of(case: Case, finding: Finding, at_ns: int) -> bool:
    """Whether a finding is about nearly all of what a young case was thought to be about."""
    young = at_ns - case.incident.opened_ns <= _NAMED_NS
    inside = case.lies_in < finding.lies_in and bool(finding.streams & case.streams)
    return young and inside and finding.share >= _MOST and not _families(case.facts)


def is_life(finding: Finding) -> bool:
    """Whether it is what customers have by themselves: empty purses; everywhere, limits of their cards."""
    kind = finding.kind
    return kind == "iss-no-money" or (kind == "lim-card-limit" and not finding.place)


def slows(case: Case) -> bool:
    """Whether this centre is slow by what a case is about."""
    mine = case.incident
    return not case.where and not case.bank and (mine.cause == "overload" or mine.kind in _OURS)


def told(finding: Finding) -> dict[str, Any]:
    judged = finding.named
    return {
        "probability": judged.guesses[0].probability if judged.guesses else 0.0,
        "guesses": judged.guesses,
        "supports": judged.supports,
        "opposes": judged.opposes,
        "ruled_out": judged.ruled_out,
    }


def believes(before: Incident, finding: Finding, at_ns: int) -> bool:
    """Whether a later look counts for more: what was sure is given up when it does not fit any more."""
    first = finding.named.first
    if first.kind == before.kind or not before.kind:
        return True
    if not first.kind:
        return False
    still = next((one.probability for one in finding.named.guesses if one.kind == before.kind), 0.0)
    if before.kind and still < _GIVEN_UP:
        return first.probability >= INCONCLUSIVE and first.kind not in STORM
    young = at_ns - before.opened_ns <= _YOUNG_NS
    return young and before.probability < _SURE and first.probability > before.probability


def news(before: Incident, now: Incident) -> bool:
    """Whether a person would want to read it again."""
    return (
        before.kind != now.kind
        or before.place != now.place
        or before.phase is not now.phase
        or abs(before.probability - now.probability) >= 0.1
    )


def bank_of_finding(finding: Finding) -> str:
    return finding.place.get("bank", "") or finding.place.get("link", "").partition("/")[0]


def related(one: frozenset[tuple[Dim, int]], other: frozenset[tuple[Dim, int]]) -> bool:
    """Whether one place lies in the other."""
    return one <= other or other <= one


def one_cause(older: Case, case: Case) -> bool:
    same_bank = bool(case.bank) and case.bank == older.bank
    same_kind = older.incident.kind == case.incident.kind
    same_place = older.incident.place == case.incident.place and bool(case.incident.place)
    return same_place or (same_kind and (same_bank or older.incident.place == case.incident.place))


def is_whole_of(whole: Case, case: Case) -> bool:
    """Whether the whole centre has what a part of it was thought to have by itself."""
    mine, theirs = case.incident, whole.incident
    if theirs.place or not mine.place:
        return False
    seems = slows(whole) and bool(case.bank) and mine.kind in SEEMS_SLOW
    return (
        seems or theirs.kind == mine.kind != "" or (theirs.kind == _ALL_DOWN and mine.cause == theirs.cause)
    )


def elsewhere(case: Case, finding: Finding) -> bool:
    """Whether a finding is about another bank."""
    return bool(case.bank) and bool(bank_of_finding(finding)) and case.bank != bank_of_finding(finding)


_WAKES = frozenset({Dim.BANK, Dim.REGION, Dim.SOURCE, Dim.KIND})


def has_a_wake(case: Case, finding: Finding) -> bool:
    """Whether so much is ill that a finding, of retries and backlogs, may come of it."""
    known = case.explains and case.incident.kind not in STORM
    near = finding.strained or not elsewhere(case, finding)  # a crowded centre reaches everybody
    return known and near and all(dim in _WAKES for dim, _ in case.where)


def is_own(fact: Fact, incident: Incident) -> bool:
    """Whether a fact of the node speaks for what an incident is."""
    return bool(incident.kind) and fact.name in _OWN_FACTS[incident.kind]


def belongs(fact: Fact, incident: Incident) -> bool:
    """Whether a fact of the node says what an incident of the whole centre is, or comes of it."""
    return bool(incident.kind) and (fact.name in _OWN_FACTS[incident.kind] or fact.name in _CONSEQUENCES)


# Facts of the node that many troubles bring with them.
_CONSEQUENCES = frozenset({"sheds", "queue-stands", "node-lags", "link-down", "handshakes-fail", "hsm-busy"})
_OWN_FACTS = {
    one.kind: frozenset(
        fact for weight in one.speaks_for for fact in (weight.feature, *SPOKEN_FOR.get(weight.feature, ()))
    )
    for one in SUSPECTS
}
