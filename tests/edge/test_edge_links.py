"""The links of one bank in this process, with a clock that the test turns."""

import asyncio

import pytest
from edge_town import until

from posswitch.base.bounds import Timers
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address, Bank
from posswitch.codec import Message, load_dialect
from posswitch.edge import connector
from posswitch.edge.connector import Links, pause_s
from posswitch.sim.peers import cups
from posswitch.sim.peers.bank_link import BankLink

BANK, CENTRE = "90010000", "00010000"
CUPS = load_dialect("cups")
TIMERS = Timers(echo=30.0)


class Line:
    """One port of the bank; answers sign-ons with `welcome` and echoes while `echoes`."""

    def __init__(self):
        self.welcome = "00"
        self.echoes = True
        self.heard = []
        self.links = {}

    async def open(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: BankLink(self._arrived, self.links), "127.0.0.1", 0)
        return Address(*self.server.sockets[0].getsockname()[:2])

    def _arrived(self, link, payload):
        message = CUPS.unpack(payload)
        code = str(message.fields[70]) if message.mti == "0820" else message.mti
        self.heard.append(code)
        if code == "001" or (code == "301" and self.echoes):
            answer = cups.management_answer(message, BANK, self.welcome)
            link.send(cups.packed(CUPS, answer, CENTRE, BANK))

    def close(self):
        self.server.close()
        for link in list(self.links):
            link.hang_up()


class Office:
    """Links to a bank of some lines, the node's side of them, and the clock."""

    def __init__(self, lines=2):
        self.lines = [Line() for _ in range(lines)]
        self.now_ns = NS_PER_S
        self.dirty = {}
        self.heard = []
        self._stan = 0

    async def __aenter__(self):
        addresses = tuple([await line.open() for line in self.lines])
        bank = Bank(BANK, "甲银行", "Bank A", addresses, b"", b"")
        self.links = Links(bank, self, TIMERS, lambda: self.now_ns, self.dirty)
        return self

    async def __aexit__(self, *_):
        await self.links.stop()
        for line in self.lines:
            line.close()

    def from_bank(self, bank, payload, link):
        message = CUPS.unpack(payload)
        self.heard.append(message.mti)
        if message.mti == "0830":
            link.managed(message)

    def management(self, bank, code):
        self._stan += 1
        fields = {7: "0115103000", 11: f"{self._stan:06d}", 33: CENTRE, 70: code}
        return cups.packed(CUPS, Message("0820", fields), bank, CENTRE), (self._stan, fields[7])

    def flush(self):
        for wire in self.dirty:
            wire.flush()
        self.dirty.clear()

    def later(self, seconds):
        """Time goes by; the links are looked after."""
        self.now_ns += int(seconds * NS_PER_S)
        self.links.sweep(self.now_ns)
        self.flush()

    async def serving(self, count):
        await until(lambda: self.links.serving() == count)


def sale():
    return cups.packed(CUPS, Message("0200", {11: "000001"}), BANK, CENTRE)


async def test_links_serve_after_their_sign_on():
    async with Office() as office:
        assert not office.links.ready()
        assert not office.links.send(sale())
        office.links.start()
        await office.serving(2)
        assert [line.heard for line in office.lines] == [["001"], ["001"]]
        assert office.links.ready()


async def test_a_refused_sign_on_serves_nothing():
    async with Office(1) as office:
        office.lines[0].welcome = "05"
        office.links.start()
        await until(lambda: office.heard)
        assert not office.links.ready()
        assert not office.links.send(sale())
        office.later(TIMERS.echo)
        await until(lambda: office.links.counts["link-lost"])
        assert office.links.counts["link-silent"] == 1
        office.lines[0].welcome = "00"
        await office.serving(1)


async def test_requests_take_turns_over_the_links():
    async with Office(3) as office:
        office.links.start()
        await office.serving(3)
        for _ in range(6):
            assert office.links.send(sale())
        office.flush()
        await until(lambda: [line.heard[1:] for line in office.lines] == [["0200", "0200"]] * 3)


async def test_with_one_line_cut_the_other_carries_all_until_it_is_back():
    async with Office() as office:
        office.links.start()
        await office.serving(2)
        cut, kept = office.lines
        next(iter(cut.links)).hang_up()
        await office.serving(1)
        for _ in range(4):
            assert office.links.send(sale())
        office.flush()
        await until(lambda: kept.heard.count("0200") == 4)
        await office.serving(2)
        assert cut.heard == ["001", "001"]
        assert office.links.counts["link-lost"] == 1


async def test_a_bank_that_is_down_is_tried_again_until_it_is_up():
    async with Office(1) as office:
        line = office.lines[0]
        port = line.server.sockets[0].getsockname()[1]
        line.close()
        office.links.start()
        await until(lambda: office.links.counts["link-refused"] >= 2)
        assert not office.links.ready()
        loop = asyncio.get_running_loop()
        line.server = await loop.create_server(lambda: BankLink(line._arrived, line.links), "127.0.0.1", port)
        await office.serving(1)


async def test_a_busy_link_is_not_tested_and_an_idle_one_is():
    async with Office(1) as office:
        office.links.start()
        await office.serving(1)
        office.later(TIMERS.echo - 1)
        office.flush()
        assert not office.dirty
        office.later(1)
        await until(lambda: office.lines[0].heard == ["001", "301"])
        await until(lambda: office.heard == ["0830", "0830"])
        for _ in range(5):  # answered echoes never end a link
            answered = len(office.heard)
            office.later(TIMERS.echo)
            await until(lambda answered=answered: len(office.heard) > answered)
        assert office.links.ready()
        assert office.links.counts.total() == 0


async def test_two_unanswered_echoes_end_a_link_and_it_comes_back():
    async with Office(1) as office:
        line = office.lines[0]
        line.echoes = False
        office.links.start()
        await office.serving(1)
        for misses in (1, 2):
            office.later(TIMERS.echo)
            await until(lambda misses=misses: line.heard.count("301") == misses)
            assert office.links.counts["link-silent"] == 0
        office.later(TIMERS.echo)
        assert office.links.counts["link-silent"] == 1
        await until(lambda: line.heard.count("001") == 2)
        await office.serving(1)


async def test_an_answered_echo_forgives_the_one_before():
    async with Office(1) as office:
        line = office.lines[0]
        office.links.start()
        await office.serving(1)
        for echoes in (False, True) * 3:
            line.echoes = echoes
            answered, tested = office.heard.count("0830"), line.heard.count("301")
            office.later(TIMERS.echo)
            await until(lambda tested=tested: line.heard.count("301") > tested)
            if echoes:
                await until(lambda answered=answered: office.heard.count("0830") > answered)
        assert office.links.counts.total() == 0
        assert office.links.ready()


async def test_a_link_that_connects_and_never_answers_the_sign_on_is_ended():
    async with Office(1) as office:
        line = office.lines[0]
        line._arrived = lambda link, payload: line.heard.append("ignored")
        office.links.start()
        await until(lambda: line.heard)
        office.later(TIMERS.echo)
        assert office.links.counts["link-silent"] == 1
        await until(lambda: len(line.heard) == 2)


@pytest.mark.parametrize("frame", [b"abcd", b"9999", b"-001", b"    "])
async def test_a_length_that_cannot_be_ends_the_link(frame):
    async with Office(1) as office:
        office.links.start()
        await office.serving(1)
        next(iter(office.lines[0].links))._transport.write(frame)
        await until(lambda: office.links.counts["link-lost"] == 1)
        await office.serving(1)


async def test_empty_frames_only_keep_the_line_alive():
    async with Office(1) as office:
        office.links.start()
        await office.serving(1)
        link = next(iter(office.lines[0].links))
        office.now_ns += int(TIMERS.echo * NS_PER_S) - 1
        link.send(b"")
        await until(lambda: office.links._links[0].heard_ns == office.now_ns)
        assert office.heard == ["0830"]
        office.later(TIMERS.echo / 2)
        assert office.lines[0].heard == ["001"], "heard from lately: not tested"


async def test_stopped_links_do_not_come_back():
    async with Office() as office:
        office.links.start()
        await office.serving(2)
        await office.links.stop()
        await until(lambda: not any(line.links for line in office.lines))
        assert not office.links.ready()
        assert not office.links.send(sale())


def test_pauses_between_dials_grow_end_and_differ():
    pauses = [pause_s("90010000/0", tries) for tries in range(40)]
    assert pauses[0] < 0.1 < 1.0 < pauses[5] < pauses[8]
    assert max(pauses) <= 1.25 * 5.0
    assert len({pause_s(f"90010000/{index}", 9) for index in range(8)}) == 8


@pytest.mark.parametrize(("lasts_s", "dials"), [(1, [0, 1, 2, 3]), (10, [0, 0, 0, 0])])
async def test_a_link_that_flaps_is_dialled_less_and_less_often(monkeypatch, lasts_s, dials):
    """That it says something each time does not make it well; one that lasted is dialled at once."""
    tried = []
    monkeypatch.setattr(connector, "pause_s", lambda link, tries: tried.append(tries) or 0.0)
    async with Office(1) as office:
        office.links.start()
        for number in range(4):
            await office.serving(1)
            office.now_ns += lasts_s * NS_PER_S
            for link in list(office.lines[0].links):
                link.hang_up()
            await until(lambda number=number: len(tried) > number)
        assert tried == dials
