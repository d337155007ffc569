"""Keys in HSMs behind the network: payments need one, go on with another, and nothing is answered wrongly."""

import asyncio
import random
import time
from functools import partial

import pytest
from edge_till import POS
from edge_town import TIMERS, Town, until

from posswitch.base.errors import CryptoError, HsmDown
from posswitch.base.registry import Address
from posswitch.crypto.commands import Mac, Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.edge import hsm_link
from posswitch.edge.hsm_link import NetworkHsm
from posswitch.sim.city import HOST, build_city, free_ports
from posswitch.sim.peers.hsm_box import HsmBox, Mood

ROOT = bytes(range(32))


def new_box(root=ROOT, slow_s=3.0):
    return HsmBox(root, random.Random(1), slow_s)


class HsmTown(Town):
    """A town whose keys lie in two HSMs."""

    def __init__(self, city, boxes):
        super().__init__(city)
        self.boxes = boxes

    @classmethod
    async def open(cls, folder):
        boxes = [new_box(), new_box()]
        at = [await box.open(HOST) for box in boxes]
        city = build_city(folder, 7, 64, TIMERS, box=boxes[0], hsm_links=[str(one) for one in at])
        return await cls(city, boxes).opened()

    async def opened(self):
        await super().opened()
        await until(lambda: self.gauges().get("hsm_ready"))
        return self

    async def close(self):
        await super().close()
        for box in self.boxes:
            box.close()

    def mood(self, mood):
        for box in self.boxes:
            box.mood = mood

    async def works(self):
        """Returns when the HSMs serve again."""
        at_ns = time.time_ns()
        await until(lambda: self.gauges(at_ns).get("hsm_ready"))


@pytest.fixture(scope="module")
def switch(runner, tmp_path_factory):
    town = runner.run(HsmTown.open(tmp_path_factory.mktemp("hsm")))
    yield town
    runner.run(town.close())


async def test_a_terminal_signs_on_pays_with_its_pin_and_reverses(switch):
    till, bought = await switch.till(), switch.bought()
    asked = await switch.forwarded(till, bought)
    assert switch.banks[0].typed_pin(asked) == bought.pin
    switch.banks[0].answer(asked)
    assert (await till.answer()).fields[39] == "00"
    assert (await till.answered(till.reversal(bought))).fields[39] == "00"
    assert (await switch.banks[0].asked("0420", till.id))[4] == asked[4]
    await until(lambda: switch.came_to(till.id, "reversed"))


async def test_a_wrong_mac_is_a0(switch):
    till, bought = await switch.till(), switch.bought()
    answer = POS.unpack(await till.ask(till.sale(bought, mak=bytes(8))))
    assert answer.fields[39] == "A0"


async def test_a_pin_block_that_does_not_fit_is_99_and_no_reversal(switch):
    till = await switch.till()
    sale = POS.unpack(till.sale(switch.bought()))
    sale.fields[52] = bytes(range(8))
    answer = await till.answered(till._signed(sale, None))
    assert answer.fields[39] == "99"
    assert [verdict.cause for verdict in switch.verdicts(till.id)] == ["accepted", "not-sent"]


async def test_one_of_two_is_enough(switch):
    till = await switch.till()
    switch.boxes[0].away()
    for _ in range(4):
        await switch.approved(till, switch.bought())
    await switch.boxes[0].back()
    switch.boxes[1].away()
    await switch.works()
    await switch.approved(till, switch.bought())
    await switch.boxes[1].back()


@pytest.mark.parametrize("mood", [Mood.SILENT, Mood.SLOW, Mood.ILL, Mood.GARBAGE])
async def test_without_an_hsm_payments_are_refused_and_nothing_is_sent(switch, mood):
    till, bought = await switch.till(), switch.bought()
    switch.mood(mood)
    answer = POS.unpack(await till.ask(till.sale(bought)))
    assert answer.fields[39] == "96"
    assert 64 not in answer.fields, "nobody can make a MAC"
    assert switch.verdicts(till.id)[1:] == []
    switch.mood(Mood.WELL)
    await switch.works()
    await switch.approved(till, bought)


async def test_an_hsm_that_fails_after_the_request_is_known_sends_no_reversal(switch):
    """The MAC was verified, then the PIN cannot be translated: nothing has been sent."""
    till, bought = await switch.till(), switch.bought()
    for box in switch.boxes:
        box.deaf_to = frozenset({b"CA"})
    till.cable.put(till.sale(bought))
    answer = await till.answer()
    assert answer.fields[39] == "96"
    for box in switch.boxes:
        box.deaf_to = frozenset()
    await switch.works()
    assert [verdict.cause for verdict in switch.verdicts(till.id)][-2:] == ["accepted", "not-sent"]
    await switch.approved(till, switch.bought())


async def test_an_approval_that_cannot_be_signed_is_taken_back_when_the_hsm_is_well(switch):
    till, bought = await switch.till(), switch.bought()
    asked = await switch.forwarded(till, bought)
    for box in switch.boxes:
        box.deaf_to = frozenset({b"M6"})
    switch.banks[0].answer(asked)
    await until(lambda: switch.verdicts(till.id)[-1].state == "reversing")
    for box in switch.boxes:
        box.deaf_to = frozenset()
    await switch.works()
    assert (await switch.banks[0].asked("0420", till.id))[4] == asked[4]
    await until(lambda: switch.came_to(till.id, "reversed"))


async def test_an_answer_that_nobody_can_verify_harms_no_link(switch):
    """The HSM is away when the bank answers: the timer decides, and the line to the bank stays."""
    till, bought = await switch.till(), switch.bought()
    asked = await switch.forwarded(till, bought)
    before = switch.gauges()
    for box in switch.boxes:
        box.deaf_to = frozenset({b"M8"})
    switch.banks[0].answer(asked)
    await until(lambda: switch.verdicts(till.id)[-1].state == "reversing")
    for box in switch.boxes:
        box.deaf_to = frozenset()
    at_ns = time.time_ns()
    await until(lambda: switch.gauges(at_ns).get("count.answer-unverified"))
    after = switch.gauges(at_ns)
    assert after.get("count.link-lost", 0) == before.get("count.link-lost", 0)
    await switch.works()
    await until(lambda: switch.came_to(till.id, "reversed"))


async def test_while_our_hsm_is_ill_no_line_is_taken_for_ill(switch):
    """The bank answers all the time; that nobody here can verify it fences nothing."""
    tills = [await switch.till() for _ in range(12)]
    asked = [await switch.forwarded(till, switch.bought(pin=False)) for till in tills]
    for box in switch.boxes:
        box.deaf_to = frozenset({b"M8"})
    for one in asked:
        switch.banks[0].answer(one)
    await until(lambda: all(switch.verdicts(till.id)[-1].state == "reversing" for till in tills))
    at_ns = time.time_ns()
    await until(lambda: switch.gauges(at_ns).get("links_fenced") is not None)
    assert switch.gauges(at_ns)["links_fenced"] == 0
    for box in switch.boxes:
        box.deaf_to = frozenset()
    await switch.works()
    await until(lambda: all(switch.came_to(till.id, "reversed") for till in tills))


# The pool by itself


def wrapped():
    return new_box().wrap(Usage.TAK, bytes(range(8)))


def macs_of(*data):
    def work():
        made = []
        for one in data:
            made.append((yield Mac(Usage.TAK, wrapped(), "cup-ecb", one)))
        return made

    return work()


@pytest.fixture
def pool():
    """Builds pools and boxes; all of them end with the test."""
    ends = []

    async def build(*boxes, timeout_s=0.3):
        at = [await box.open(HOST) for box in boxes]
        hsm = NetworkHsm(at, timeout_s, time.monotonic_ns)
        hsm.start()
        ends.append((hsm, boxes))
        await until(lambda: hsm.serving == len(boxes))
        return hsm

    yield build
    for hsm, boxes in ends:
        hsm.stop()
        for box in boxes:
            box.close()


async def outcome(hsm, work):
    """The result of a piece of work, or what it raised."""
    done = asyncio.get_running_loop().create_future()
    hsm.run(work, done.set_result, done.set_result)
    return await asyncio.wait_for(done, 10)


async def test_a_thousand_at_once_come_back_in_their_place(pool):
    hsm = await pool(new_box(), new_box(), timeout_s=10)
    soft = SoftHsm(ROOT, random.Random(3).randbytes)
    tak = soft.wrap(Usage.TAK, bytes(range(8)))
    data = [b"payment %d" % number for number in range(1000)]
    made = await asyncio.gather(*(outcome(hsm, macs_of(one, one + b"!")) for one in data))
    assert made == [
        [soft.mac(Usage.TAK, tak, "cup-ecb", one), soft.mac(Usage.TAK, tak, "cup-ecb", one + b"!")]
        for one in data
    ]
    assert hsm.under_way == 0
    assert not hsm.counts


async def test_what_one_leaves_unanswered_another_answers(pool):
    good, bad = new_box(), new_box()
    hsm = await pool(good, bad)
    bad.mood = Mood.SILENT
    for _ in range(6):
        assert isinstance(await outcome(hsm, macs_of(b"data")), list)
    assert hsm.counts["hsm-late"] >= 1
    bad.mood = Mood.WELL


async def test_with_none_left_work_fails_in_time(pool):
    box = new_box()
    hsm = await pool(box, timeout_s=0.2)
    box.mood = Mood.SILENT
    began = time.monotonic()
    failed = await outcome(hsm, macs_of(b"data"))
    assert isinstance(failed, HsmDown)
    assert time.monotonic() - began < 5
    box.away()
    await until(lambda: hsm.serving == 0)
    assert isinstance(await outcome(hsm, macs_of(b"data")), HsmDown)
    box.mood = Mood.WELL
    await box.back()
    await until(lambda: hsm.ready)
    assert isinstance(await outcome(hsm, macs_of(b"data")), list)
    assert hsm.under_way == 0


async def test_too_much_at_once_is_refused(pool, monkeypatch):
    monkeypatch.setattr(hsm_link, "HSM_UNDER_WAY_MAX", 10)
    box = new_box()
    hsm = await pool(box)
    results = await asyncio.gather(*(outcome(hsm, macs_of(b"%d" % number)) for number in range(30)))
    assert sum(isinstance(one, list) for one in results) == 10
    assert sum(isinstance(one, HsmDown) for one in results) == 20


async def test_a_refusal_is_no_failure_of_the_hsm(pool):
    hsm = await pool(new_box())
    other = new_box(bytes(32)).wrap(Usage.TAK, bytes(range(8)))

    def work():
        return (yield Mac(Usage.TAK, other, "cup-ecb", b"data"))

    failed = await outcome(hsm, work())
    assert isinstance(failed, CryptoError)
    assert not isinstance(failed, HsmDown)


async def test_an_hsm_under_another_master_key_is_not_used(pool):
    hsm = await pool(new_box())
    stranger = new_box(bytes(32))
    hsm._addresses = [await stranger.open(HOST)]
    hsm._tasks.append(asyncio.create_task(hsm._keep(hsm._addresses[0])))
    await until(lambda: hsm.counts["hsm-other-master-key"])
    assert hsm.serving == 1
    assert isinstance(await outcome(hsm, macs_of(b"data")), list)
    stranger.close()


async def test_a_stop_fails_what_is_under_way(pool):
    box = new_box()
    hsm = await pool(box, timeout_s=5.0)
    box.mood = Mood.SILENT
    results = []
    hsm.run(macs_of(b"data"), results.append, results.append)
    hsm.stop()
    assert isinstance(results[0], HsmDown)


@pytest.mark.parametrize("seed", range(20))
async def test_a_peer_that_talks_nonsense_harms_nobody(seed):
    """Any bytes at any time: the pool goes on trying, work fails, nothing escapes."""
    entropy = random.Random(seed)

    class Nonsense(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            cut = entropy.randbytes(entropy.randrange(80))
            framed = len(cut).to_bytes(2, "big") + cut
            echoed = data[:7] + bytes(byte + 1 & 255 for byte in data[7:8]) + b"00" + cut
            self.transport.write(entropy.choice((cut, framed, framed[:-1], echoed, b"\xff\xff" + cut)))
            if entropy.random() < 0.2:
                self.transport.abort()

    loop = asyncio.get_running_loop()
    surprises = []
    loop.set_exception_handler(lambda loop, context: surprises.append(context))
    (port,) = free_ports(1)
    server = await loop.create_server(Nonsense, HOST, port)
    hsm = NetworkHsm([Address(HOST, port)], 0.05, time.monotonic_ns)
    hsm.start()
    results = []
    for _ in range(10):
        hsm.run(macs_of(b"data"), results.append, results.append)
        await asyncio.sleep(0.02)
    hsm.stop()
    server.close()
    loop.set_exception_handler(None)
    assert surprises == []
    assert hsm.under_way == 0
    assert all(isinstance(one, CryptoError | list) for one in results)
    assert len(results) == 10


def test_a_pool_shows_how_it_stands():
    assert repr(NetworkHsm([Address(HOST, 1)], 1.0, partial(int, 0))) == "<HSM 0/1 under way 0>"
