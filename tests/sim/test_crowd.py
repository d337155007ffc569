"""A crowd waits for nobody and keeps right books; its windows are counted from them alone."""

import asyncio
import random

import pytest

from posswitch.base.bounds import Timers
from posswitch.base.registry import Address
from posswitch.codec import Framer, Message, framed
from posswitch.crypto.signon import DOUBLE, WorkingKeys, pack_working_keys
from posswitch.scheme.kinds import SALE, answer_mti
from posswitch.sim.city import build_city
from posswitch.sim.crowd import POS, Crowd, Mix, Payment, Till, Window
from posswitch.sim.peers.customer import Purchase
from posswitch.sim.peers.pos import signed
from posswitch.sim.window import approved_tps, codes, lag_ms, share, wait_ms

PATIENCE_S = 0.6
TIMERS = Timers(bank=0.2, centre=0.4, terminal=PATIENCE_S, flight_max=1.2, reversal=0.1, reversal_max=0.2)
KEYS = WorkingKeys(bytes(range(16)), bytes(range(1, 9)))
MS = 1_000_000


class Centre(asyncio.Protocol):
    """Signs everybody on; what it says to anything else is the test's: MTI to DE39, "" for silence."""

    def __init__(self, tmks, says):
        self._tmks = tmks
        self._says = says
        self.heard = []

    def __call__(self):
        return self

    def connection_made(self, transport):
        self._transport = transport
        self._framer = Framer("bin2", 4096)

    def data_received(self, data):
        for payload in self._framer.feed(data):
            asked = POS.unpack(payload)
            self.heard.append(asked.mti)
            told = {field: asked.fields[field] for field in (11, 41, 42)}
            if asked.mti == "0800":
                told |= {39: "00", 60: f"00000001{DOUBLE}"}
                told[62] = pack_working_keys(DOUBLE, self._tmks[asked.fields[41]], KEYS)
                answer = POS.pack(Message("0810", told, asked.header))
            elif code := self._says.get(asked.mti, ""):
                answer = Message(answer_mti(asked.mti), {**told, 39: code}, asked.header)
                answer = signed(POS, answer, KEYS.mac)
            else:
                continue
            self._transport.write(framed("bin2", answer))


async def _paid(folder, says, mix, then=None, seconds=0.3):
    """A crowd that was served by such a centre; `then` is what it says after the offer."""
    city = build_city(folder, 3, 8, TIMERS)
    says = dict(says)
    centre = Centre({row.terminal: row.tmk for row in city.fittings}, says)
    server = await asyncio.get_running_loop().create_server(centre, "127.0.0.1", 0)
    crowd = Crowd(city, city.fittings, 2, random.Random(3), mix)
    await crowd.connect(Address(*server.sockets[0].getsockname()))
    window = await crowd.offer(200, seconds)
    says.update(then or {})
    rested = await crowd.rest(8)
    crowd.close()
    server.close()
    assert rested
    return crowd, window, centre


def paid(*args, **more):
    return asyncio.run(_paid(*args, **more))


def slips(crowd):
    return {slip["outcome"] for slip in crowd.slips()}


def test_all_who_are_approved_are_counted_and_some_take_it_back(tmp_path):
    crowd, window, _ = paid(tmp_path, {"0200": "00", "0220": "00", "0400": "00"}, Mix(0.1, 0.3, 0))
    assert 30 < len(window.payments) < 100
    assert codes(window.payments) == {"00": len(window.payments)}
    assert crowd.counts["MACs that do not fit"] == 0
    regretted = sum(one.regretted for one in window.payments)
    assert crowd.counts["reversals done"] == crowd.counts["reversals"] == regretted > 0
    assert sum(slip["outcome"] == "neither" for slip in crowd.slips()) == regretted
    amounts = [one.purchase.amount_minor for one in window.payments]
    assert len(set(amounts)) == len(amounts)


def test_who_gets_no_answer_takes_it_back_until_that_is_confirmed(tmp_path):
    crowd, window, _ = paid(tmp_path, {"0400": "96"}, Mix(0, 0, 0), then={"0400": "25"})
    assert len(window.payments) > 30  # nobody waited for an answer
    assert share(window.payments) == 0.0
    assert crowd.counts["unanswered"] == crowd.counts["reversals done"] == len(window.payments)
    assert slips(crowd) == {"neither"}


def test_a_reversal_that_is_refused_or_not_answered_is_counted_as_shed(tmp_path):
    says, then = {"0200": "98", "0400": "96"}, {"0400": "00"}
    crowd, window, centre = paid(tmp_path, says, Mix(0, 0, 0), then=then, seconds=0.2)
    assert crowd.counts["reversals refused 96"] > 0
    assert centre.heard.count("0400") == crowd.counts["reversals"]
    assert crowd.counts["reversals done"] == len(window.payments)
    crowd, _, _ = paid(tmp_path / "mute", {"0200": "98"}, Mix(0, 0, 0), then=then, seconds=0.2)
    assert crowd.counts["reversals unanswered"] == 8  # each terminal had one under way, and no more


def test_who_is_refused_may_doubt_it_and_take_it_back(tmp_path):
    crowd, window, _ = paid(tmp_path, {"0200": "96", "0400": "00"}, Mix(0, 0, 0.5))
    assert 0 < crowd.counts["reversals done"] < len(window.payments)
    assert slips(crowd) == {"declined", "neither"}


def test_an_advice_is_told_until_it_is_taken(tmp_path):
    crowd, window, _ = paid(tmp_path, {"0220": "96"}, Mix(1.0, 0, 0), then={"0220": "00"}, seconds=0.2)
    assert codes(window.payments) == {"96": len(window.payments)}
    assert crowd.counts["advices again"] == len(window.payments)
    assert slips(crowd) == {"approved"}


def one(due_ms, left_ms=None, heard_ms=0, code=""):
    left_ms = due_ms if left_ms is None else left_ms
    times = (at * MS for at in (due_ms, left_ms, heard_ms))
    return Payment(Till(None), 1, Purchase("", "", "", 1), 0, SALE, False, b"", *times, code)


def test_a_window_counts_what_came_in_it_and_in_time():
    good = [one(at, heard_ms=at + 10, code="00") for at in range(1000, 2000, 10)]
    late = [one(1000, heard_ms=1900, code="00")] * 5
    after = [one(1990, heard_ms=2001, code="00")] * 5
    refused = [one(1500, heard_ms=1501, code="96")] * 5
    silent = [one(1500)] * 5
    window = Window(1000 * MS, 2000 * MS, [*good, *late, *after, *refused, *silent])
    # A quarter of so short a window is its ramp: 75 of the good ones fall into the rest, 750 ms.
    assert approved_tps(window, 500 * MS) == pytest.approx(100, rel=0.02)
    assert codes(window.payments) == {"00": 110, "96": 5, "none": 5}
    assert share(window.payments) == 115 / 120
    assert share(window.payments, "00") == 110 / 120
    assert (wait_ms(good, 50), wait_ms(window.payments, 99)) == (10.0, 900.0)
    assert lag_ms([one(0, 7)] * 100) == 7.0
    assert (share([]), wait_ms([], 99), lag_ms([])) == (1.0, 0.0, 0.0)
