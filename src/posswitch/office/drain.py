"""A bank without new payments: a pause as a change of the registry, and what is still under way there."""

from collections import Counter

from posswitch.base.card import scrub
from posswitch.base.errors import OfficeError
from posswitch.base.moment import of_iso
from posswitch.base.policy import Pause
from posswitch.engine.apply import apply
from posswitch.engine.lifecycle import ADVISING, FORWARDED, REVERSING
from posswitch.engine.state import State
from posswitch.journal.traffic import records_of, span_after
from posswitch.journal.vitals import read_gauges
from posswitch.office.desk import Desk, Plan
from posswitch.office.journal_view import state_of
from posswitch.settings.config import Config
from posswitch.settings.finding import brief

TIMEOUT_S_MAX, REASON_MAX = 86_400, 100
UNDER_WAY = (FORWARDED, REVERSING, ADVISING)


def pausing(desk: Desk, bank: str, begin: str, end: str, reason: str) -> Plan:
    """The change that pauses a bank; OfficeError when there is none, or the pause is over already."""
    if bank not in desk.registry.banks:
        raise OfficeError(f"no bank {brief(bank)} is registered; see posswitch registry list bank")
    if not reason.strip() or len(reason) > REASON_MAX or not reason.isprintable():
        raise OfficeError(f"--reason: say why, in one line of at most {REASON_MAX} characters")
    plan = desk.plan([Pause(bank, begin, end, scrub(reason.strip()))])
    if not plan.errors and end and of_iso(end) <= desk.now_ns():
        raise OfficeError(f"--until: {end} is past; give a time to come")
    return plan


def resuming(desk: Desk, bank: str) -> Plan:
    """The change that ends a pause; OfficeError when there is none."""
    if bank not in desk.registry.pauses:
        raise OfficeError(f"bank {brief(bank)} is not paused; see posswitch registry list pause")
    return desk.plan(drop=[("pause", bank)])


def under_way(state: State | None, bank: str) -> Counter[str]:
    """How many payments of a bank are forwarded, reversing, advising; what is none is left out."""
    flights = state.flights.values() if state is not None else ()
    return Counter(flight.state for flight in flights if flight.request.bank == bank)


class Drained:
    """Follows the journal of a running node until a bank owes nothing under a version of the registry."""

    def __init__(self, config: Config, bank: str, version: int) -> None:
        self._config, self._bank, self._version = config, bank, version
        self._state = state_of(config)

    def __repr__(self) -> str:
        return f"<drain of {self._bank}: {dict(self.left)}>"

    @property
    def in_force(self) -> bool:
        """Whether the node has taken the version up: before that it goes on sending there."""
        return self._state is not None and self._state.registry >= self._version

    @property
    def left(self) -> Counter[str]:
        """What was under way at the last look."""
        return under_way(self._state, self._bank)

    def look(self) -> None:
        """Reads what the node has recorded since; OfficeError when none runs: nothing would move."""
        if not read_gauges(self._config.data):
            raise OfficeError("no node is running on this folder: nothing moves; the pause stands")
        state = self._state
        if state is None:
            self._state = state_of(self._config)
            return
        for seq, record in records_of(self._config.data, span_after(self._config.data, state.seq)):
            apply(state, seq, record)
