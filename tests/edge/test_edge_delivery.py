"""Who was told: an approval that reached nobody is taken back, one that a repeat heard stands."""

import asyncio
import random

import pytest
from msgspec.structs import replace

from posswitch.base.bounds import Timers
from posswitch.base.moment import NS_PER_S
from posswitch.base.policy import StandIn
from posswitch.crypto.signon import open_f62
from posswitch.edge.overload import Rank, Refusals
from posswitch.edge.process import node_here
from posswitch.engine.events import NodeRestarted
from posswitch.engine.facts import NO_FACTS
from posswitch.engine.lifecycle import ADVISING, APPROVED, DECLINED, REVERSING
from posswitch.settings.config import load_config
from posswitch.sim.city import build_city
from posswitch.sim.load import POS, ApprovingBank, Load
from posswitch.sim.peers.pos import sign_on


class Line:
    """A connection that is there, or is not."""

    certificate = ""
    peer = "198.51.100.7"

    def __init__(self, there: bool = True) -> None:
        self.there = there
        self.heard: list[str] = []

    def send(self, payload: bytes) -> bool:
        if self.there:
            self.heard.append(str(POS.unpack(payload).fields[39]))
        return self.there


class BankLinks:
    """Links that keep what is sent."""

    def __init__(self, bank) -> None:
        self.bank = bank
        self.sent: list[bytes] = []
        self.counts: dict[str, int] = {}

    def open(self) -> bool:
        return True

    def ready(self) -> bool:
        return True

    def serving(self) -> int:
        return 2

    def send(self, payload: bytes, key=None) -> bool:
        self.sent.append(payload)
        return True

    def heard(self, key) -> None:
        pass


class Desk:
    """One node without sockets, one terminal that is signed on and has a sale ready."""

    def __init__(self, folder) -> None:
        city = build_city(folder, 1, 1, Timers())
        config = load_config(city.config)
        self.node = node_here(config)
        self.runtime = self.node._runtime
        self.runtime.wake = lambda: None
        self.links = {bank: BankLinks(row) for bank, row in config.registry.banks.items()}
        self.runtime.links.clear()
        self.runtime.links.update(self.links)
        self.banks = {plan.id: ApprovingBank(plan) for plan in city.banks}
        self.runtime.start(NodeRestarted("20261123", "test"))
        load = Load(city, 1, random.Random(1))
        till = load.tills[0]
        heard: list[bytes] = []
        keys = Line()
        keys.send = lambda payload: heard.append(payload) is None
        self.node._front.from_terminal(
            POS.pack(sign_on(till.fitting.terminal, till.fitting.merchant, 1, "000000")), keys
        )
        self.runtime._turn()
        answer = POS.unpack(heard[0])
        till.pik, till.mak = open_f62(till.fitting.tmk, answer.fields[62])
        till.batch = answer.fields[60][2:8]
        load.prepare(1)
        self.sale = till.frames.popleft()

    def answered(self) -> None:
        """The bank's approval is queued."""
        for bank, links in self.links.items():
            for payload in links.sent:
                self.node.from_bank(bank, self.banks[bank]._answer(payload), None)
            links.sent.clear()

    def state(self) -> str:
        return self.node._journal.row(3).state


@pytest.fixture
def desk(tmp_path):
    made = []

    def open_desk():
        made.append(Desk(tmp_path / "city"))
        return made[0]

    yield lambda story: asyncio.run(_told(open_desk, story))
    made[0].node._journal.close()


async def _told(open_desk, story):
    story(open_desk())


def turns(desk, count=3):
    for _ in range(count):
        desk.runtime._turn()


@pytest.mark.parametrize(
    ("first", "second", "stands"),
    [(False, None, False), (True, False, True), (False, True, True), (False, False, False)],
)
def test_an_approval_stands_when_somebody_heard_it(desk, first, second, stands):
    def story(desk):
        line, again = Line(first), Line(bool(second))
        desk.node._front.from_terminal(desk.sale, line)
        desk.runtime._turn()
        desk.answered()
        if second is not None:  # in the same turn as the bank's answer, behind it
            desk.node._front.from_terminal(desk.sale, again)
        turns(desk)
        assert desk.state() == (APPROVED if stands else REVERSING)

    desk(story)


def test_a_repeat_that_comes_after_a_lost_answer_hears_that_the_outcome_is_taken_back(desk):
    def story(desk):
        desk.node._front.from_terminal(desk.sale, Line(False))
        desk.runtime._turn()
        desk.answered()
        desk.runtime._turn()
        again = Line()
        desk.node._front.from_terminal(desk.sale, again)
        turns(desk)
        assert (desk.state(), again.heard) == (REVERSING, ["98"])

    desk(story)


@pytest.mark.parametrize("standing", [True, False])
def test_what_its_terminal_does_not_wait_for_is_not_begun(desk, standing):
    """Only while a queue stands: else it is our own clock that sprang, and there is time."""

    def story(desk):
        line = Line(True)
        said: list[bytes] = []
        line.send = lambda payload: said.append(payload) is None
        desk.node._front.from_terminal(desk.sale, line)
        desk.runtime.overload.standing = standing
        ticket = next(iter(desk.node._tickets._tickets.values()))
        ticket.born_ns -= 31 * NS_PER_S
        desk.runtime._turn()
        row = desk.node._journal.row(3)
        if not standing:
            assert row is not None
            return
        assert row is None
        assert POS.unpack(said[0]).fields[39] == "96"
        desk.node._front.from_terminal(desk.sale, line)  # and it stays refused
        desk.runtime._turn()
        assert desk.node._journal.row(3) is None
        assert [POS.unpack(answer).fields[39] for answer in said] == ["96", "96"]

    desk(story)


@pytest.mark.parametrize("draining", [True, False])
def test_a_node_that_stops_stands_in_for_no_bank_that_is_there(desk, draining):
    def story(desk):
        rows = [StandIn(bank, 10**9, 10**9, 10**9, pins=True) for bank in desk.links]
        desk.node._registry.amend(rows)
        desk.runtime.draining = draining
        if not draining:  # the same sale while its bank has no link
            desk.runtime.links.clear()
        line = Line()
        desk.node._front.from_terminal(desk.sale, line)
        desk.runtime._turn()
        assert (desk.state(), line.heard) == ((DECLINED, ["91"]) if draining else (ADVISING, ["00"]))

    desk(story)


def test_what_a_life_before_has_approved_is_not_refused_because_an_older_number_came_first(desk):
    """A stored advice has the trace number of its sale: after a restart it may be the first to come."""

    def story(desk):
        desk.node._front.from_terminal(desk.sale, Line())
        desk.runtime._turn()
        desk.answered()
        desk.runtime._turn()
        assert desk.state() == APPROVED
        request = desk.node._journal.row(3).request
        desk.runtime.refusals = Refusals(120 * NS_PER_S)  # as after a restart
        desk.runtime.refusals.admitted(replace(request, kind="offline-sale", stan="000000"))
        desk.runtime.overload.standing = True
        desk.runtime.overload.admits = lambda rank, ahead: rank is Rank.REVERSAL
        again = Line()
        desk.node._front.from_terminal(desk.sale, again)
        desk.runtime._turn()
        assert again.heard == ["00"]
        assert len(desk.runtime.refusals) == 0, "else its reversal would end at the edge"

    desk(story)


@pytest.mark.parametrize("restored", [True, False])
def test_what_a_restore_may_have_lost_is_not_remembered_as_refused(desk, restored):
    """Else its reversal would be answered at the edge, and no owner would hear of what is posted."""

    def story(desk):
        runtime = desk.runtime
        runtime._state.restored_ns = runtime._now_ns() if restored else 0
        runtime.overload.standing = True
        runtime.overload.admits = lambda rank, ahead: rank is Rank.REVERSAL
        at = POS.header_bytes
        declared = desk.sale[:at] + bytes.fromhex("0201") + desk.sale[at + 2 :]
        desk.node._front.from_terminal(declared, Line())
        assert bool(runtime.refusals) is not restored
        runtime.refusals = Refusals(NS_PER_S)
        runtime.overload.admits = lambda rank, ahead: True
        desk.node._front.from_terminal(desk.sale, Line())
        event = replace(runtime._queue[-1], declared=True)
        desk.node._tickets.get(event.ticket).born_ns -= 31 * NS_PER_S
        assert runtime._is_late(event, NO_FACTS) is not restored

    desk(story)
