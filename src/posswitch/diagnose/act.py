"""What is done about an incident: by the node itself, by diagnosis within narrow rails, by a person.

The rows of playbook.tsv say what fits which kind, and who may. Of itself diagnosis only moves traffic away
from a bank that harms it, for a while that ends by itself: where there is somewhere else to go, for a bounded
share of all traffic, one thing at a time, never again too soon. What does not help is undone, and a person is
called.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.case import Case
from posswitch.diagnose.facts import Fact
from posswitch.diagnose.incident import Deed, Incident, Phase, Tier

SURE = 0.8  # of the kind, before anything is done without a person
SHARE_MAX = 0.3  # of all traffic that one action may move
PAUSE_S, PAUSE_S_MAX = 30.0, 600.0  # doubling each time that it comes again
COOL_DOWN_S = 60.0  # between two actions on one thing
_VERIFY_S = 10.0  # after an action, until its effect is judged
_ACTS_MAX = 256  # remembered

# What the node does by itself, as its facts show it: fact → action, and whether the place is the target.
_OF_THE_NODE = {"link-fenced": "fence-link", "sheds": "shed", "guard-bars": "ban-source"}


class Play(NamedTuple):
    """One row of the playbook."""

    kind: str
    action: str
    of: str
    tier: Tier


def _read() -> tuple[Play, ...]:
    text = (files("posswitch.diagnose") / "data" / "playbook.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return tuple(Play(kind, action, of, Tier(tier)) for kind, action, of, tier in rows)


PLAYBOOK = _read()


class Hands(Protocol):
    """Who can do what diagnosis decides; each gives the reason why not, empty when it is done."""

    def off(self) -> bool:
        """Whether a person has said that nothing is to be done."""

    def elsewhere(self, bank: str) -> bool:
        """Whether payments of a bank's cards may go to another that serves."""

    def pause(self, bank: str, until_ns: int, why: str) -> str:
        """Sends nothing new to a bank until then."""

    def resume(self, bank: str) -> str:
        """Ends that."""


class Actor:
    """Acts on open incidents, and remembers what it did."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._last_ns: dict[tuple[str, str], int] = {}  # action and target
        self._paused: dict[str, int] = {}  # bank → number of the incident

    def __repr__(self) -> str:
        return f"<actor, {len(self._paused)} banks paused>"

    def look(
        self,
        at_ns: int,
        cases: Sequence[Case],
        ended: Sequence[Incident],
        facts: Sequence[Fact],
        shares: Mapping[str, float],
        well: Mapping[int, bool],
    ) -> list[Incident]:
        """One look; incidents whose deeds have changed.

        `shares`: of each bank in all traffic; `well`: by incident, whether cards of its place are served now.
        """
        changed = []
        for case in cases:
            before = case.incident
            case.incident = self._observed(case.incident, facts, case.bank, at_ns)
            case.incident = self._planned(case, at_ns, shares, len(cases))
            case.incident = self._verified(case.incident, at_ns, well.get(before.number, False))
            if case.incident is not before:
                changed.append(case.incident)
        for incident in ended:
            changed += self._restored(incident, at_ns)
        return changed

    def _observed(self, incident: Incident, facts: Sequence[Fact], bank: str, at_ns: int) -> Incident:
        """What the node does about it by itself."""
        for fact in facts:
            action = _OF_THE_NODE.get(fact.name)
            scope, name = fact.place
            mine = name.partition("/")[0] == bank if scope == "link" else not bank
            if action is None or not mine:
                continue
            target = name or "node"
            if not any(deed.action == action and deed.target == target for deed in incident.deeds):
                deed = Deed(action, target, Tier.AUTOMATIC, "running", at_ns)
                incident = replace(incident, deeds=(*incident.deeds, deed), changed_ns=at_ns)
        return incident

    def _planned(self, case: Case, at_ns: int, shares: Mapping[str, float], open_: int) -> Incident:
        """What the playbook says, done or proposed."""
        incident = case.incident
        for play in PLAYBOOK:
            if play.kind != incident.kind:
                continue
            target = "node" if play.of == "node" else incident.place.get(play.of, "") or (
                case.bank if play.of == "bank" else ""
            )  # fmt: skip
            done = [deed for deed in incident.deeds if (deed.action, deed.target) == (play.action, target)]
            if not target or (done and done[-1].state != "proposed"):
                continue
            why_not = self._why_not(play, incident, target, at_ns, shares, open_)
            if not why_not:
                why_not = self._do(play, incident, target, at_ns)
                if not why_not:
                    incident = _with(incident, Deed(play.action, target, play.tier, "running", at_ns), at_ns)
                    if incident.phase is Phase.CONFIRMED:
                        incident = replace(incident, phase=Phase.MITIGATING)
                    continue
            if not done:
                tier = Tier.PROPOSED if play.tier is Tier.AUTOMATIC else play.tier
                incident = _with(incident, Deed(play.action, target, tier, "proposed", at_ns), at_ns)
        return incident

    def _why_not(
        self, play: Play, incident: Incident, target: str, at_ns: int, shares: Mapping[str, float], open_: int
    ) -> str:
        """What keeps diagnosis from doing it without a person; empty: nothing."""
        last_ns = self._last_ns.get((play.action, target), 0)
        rails = (
            (play.tier is not Tier.AUTOMATIC, "a person decides"),
            (incident.probability < SURE or incident.phase is Phase.SUSPECT, "not sure enough"),
            (last_ns and at_ns - last_ns < int(COOL_DOWN_S * NS_PER_S), "done a moment ago"),
            (shares.get(target, 1.0) > SHARE_MAX, "too large a share of all traffic"),
            (bool(self._paused), "another bank is paused"),
            (self._hands.off(), "a person has taken the hands off"),
            (not self._hands.elsewhere(target), "nowhere else to go"),
        )
        return next((why for holds, why in rails if holds), "")

    def _do(self, play: Play, incident: Incident, target: str, at_ns: int) -> str:
        assert play.action == "pause-route", "the only action of its own"
        seconds = min(PAUSE_S * 2**incident.opened_again, PAUSE_S_MAX)
        why_not = self._hands.pause(target, at_ns + int(seconds * NS_PER_S), f"incident {incident.number}")
        if not why_not:
            self._paused[target] = incident.number
            if len(self._last_ns) >= _ACTS_MAX:
                del self._last_ns[next(iter(self._last_ns))]
            self._last_ns[play.action, target] = at_ns
        return why_not

    def _verified(self, incident: Incident, at_ns: int, well: bool) -> Incident:
        """Did it help? What did not is undone."""
        for deed in incident.deeds:
            mine = deed.action == "pause-route" and deed.state == "running"
            if not mine or at_ns - deed.at_ns < int(_VERIFY_S * NS_PER_S):
                continue
            if well:
                incident = _with(incident, replace(deed, state="worked", at_ns=at_ns), at_ns)
                continue
            self._hands.resume(deed.target)
            self._paused.pop(deed.target, None)
            incident = _with(incident, replace(deed, state="undone", at_ns=at_ns), at_ns)
            incident = replace(incident, phase=Phase.ROLLED_BACK)
        return incident

    def _restored(self, incident: Incident, at_ns: int) -> list[Incident]:
        """An incident is over: what was paused for it serves again."""
        changed = []
        for bank in [bank for bank, number in self._paused.items() if number == incident.number]:
            del self._paused[bank]
            why_not = self._hands.resume(bank)
            state = "failed" if why_not else "worked"
            deed = Deed("resume-route", bank, Tier.AUTOMATIC, state, at_ns, why_not)
            incident = _with(incident, deed, at_ns)
            changed = [incident]
        return changed


def _with(incident: Incident, deed: Deed, at_ns: int) -> Incident:
    """With one deed more, or as it has come to be."""
    kept = [one for one in incident.deeds if (one.action, one.target) != (deed.action, deed.target)]
    return replace(incident, deeds=(*kept, deed), changed_ns=at_ns)
