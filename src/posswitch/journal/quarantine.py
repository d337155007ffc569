"""The end of a restored journal: numbers beyond those that were lost, owners for what was open."""

from posswitch.base.bounds import RESTORED_SKIP, Timers
from posswitch.base.registry import Limits
from posswitch.engine.apply import apply
from posswitch.engine.decide import Rules, decide
from posswitch.engine.events import Event, HandedToOwner, JournalRestored
from posswitch.engine.facts import NO_FACTS
from posswitch.engine.lifecycle import NEEDS_OWNER
from posswitch.engine.state import State
from posswitch.journal.sqlite import Journal


def quarantine(journal: Journal, state: State, wall_ns: int, skip: int = RESTORED_SKIP) -> int:
    """Ends a restored journal in one transaction; how many payments were handed to an owner.

    After it no bank is told anything by itself about a payment of the archive.
    """
    at_ns = max(wall_ns, state.at_ns)
    rules = Rules(Timers(), Limits())  # none of them is asked here
    events: list[Event] = [JournalRestored(state.seq, state.at_ns)]
    events += [HandedToOwner(payment) for payment in state.flights]
    handed = 0
    journal.begin()
    for event in events:
        decision = decide(state, event, NO_FACTS, at_ns, rules)
        assert decision.verdict is not None
        gap = skip if isinstance(event, JournalRestored) else 0
        handed += decision.verdict.state == NEEDS_OWNER
        seq, record = journal.append(at_ns, event, decision.verdict, gap)
        apply(state, seq, record)
    journal.commit()
    journal.snapshot(state)
    return handed
