"""Keys that do not fit: at one terminal, at every terminal of a connection, at a bank; told apart and healed.

Banks and terminals are the simulated ones, over real sockets; nothing else goes wrong.
"""

import asyncio
import time

import apsw
import pytest
from edge_town import TIMERS, until

from posswitch.edge.admit import POS
from posswitch.edge.key_uses import print_of, read_uses
from posswitch.edge.process import verify_journal
from posswitch.edge.supervisor import Supervisor
from posswitch.engine.events import ZoneKeyOffered, ZoneKeyTaken
from posswitch.journal.recovery import decode_record
from posswitch.settings.config import load_config
from posswitch.sim.city import CENTRE, build_city
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.customer import VALID, Purchase, pan_at, pin_of
from posswitch.sim.peers.pos import sign_on
from posswitch.sim.peers.scrutiny import POSTED
from posswitch.sim.peers.wire import dial
from posswitch.sim.streets import Streets

TERMINALS = 10  # two of each way to make MACs and PIN blocks


class Quarter:
    """A mixed city with a node; `sell` is one sale to its end."""

    def __init__(self, folder):
        self.city = build_city(folder, 5, TERMINALS, TIMERS, mixed=True)
        self.supervisor = Supervisor(self.city.config)
        self.streets = Streets(self.city, time.time_ns, Book, ())
        self.sold = 0

    async def opened(self):
        await self.streets.open()
        self.streets.heal()
        await self.supervisor.start()
        for terminal in self.streets.terminals:
            await terminal.sign_on()
        await until(lambda: len(self.records(ZoneKeyTaken)) == 2 * len(self.streets.banks))
        return self

    async def close(self):
        await self.streets.close()
        await self.supervisor.stop()
        assert verify_journal(load_config(self.city.config)) == []

    async def sell(self, terminal, bank=0):
        """What the slip says, of a card of this bank with the right PIN."""
        self.sold += 1
        cards = self.city.banks[bank].ranges[0]
        pan = pan_at(cards, self.sold)
        purchase = Purchase(pan, VALID, pin_of(self.city.seed, pan), 1000 + self.sold)
        return await self.streets.terminals[terminal].sell(purchase)

    async def healed(self, bank):
        """Sells at one terminal after the other until a sale of the bank is approved; all outcomes."""
        outcomes = []
        while not outcomes or outcomes[-1] != "approved":
            assert len(outcomes) < 30, outcomes
            outcomes.append(await self.sell(len(outcomes) % TERMINALS, bank))
        return outcomes

    def misfits(self, since_ns):
        """(scope, what, whether it has healed) of everything noted after a moment."""
        db = apsw.Connection(str(self.city.data / "vitals.db"), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            rows = list(
                db.execute("SELECT scope, place, what, healed_ns FROM misfit WHERE first_ns > ?", (since_ns,))
            )
        except apsw.SQLError:  # nothing was ever noted
            rows = []
        db.close()
        return {(scope, place, what): healed_ns > 0 for scope, place, what, healed_ns in rows}

    def records(self, kind):
        """The events of one kind in the journal."""
        db = apsw.Connection(str(self.city.data / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
        rows = list(db.execute("SELECT seq, body FROM journal ORDER BY seq"))
        db.close()
        events = (decode_record(seq, body).event for seq, body in rows)
        return [event for event in events if isinstance(event, kind)]

    def posted(self, bank):
        """How many payments stand at a bank."""
        return sum(entry.state == POSTED for entry in self.streets.banks[bank]._entries.values())


@pytest.fixture(scope="module")
def quarter(runner, tmp_path_factory):
    there = runner.run(Quarter(tmp_path_factory.mktemp("quarter")).opened())
    yield there
    runner.run(there.close())


async def test_new_zone_keys_are_in_force_before_anybody_asks(quarter):
    taken = {(event.bank, event.usage) for event in quarter.records(ZoneKeyTaken)}
    assert taken == {(bank.id, usage) for bank in quarter.city.banks for usage in ("ZAK", "ZPK")}
    for plan, bank in zip(quarter.city.banks, quarter.streets.banks, strict=True):
        assert bank.charter.zak != plan.zak
        assert bank.charter.zpk != plan.zpk
    for bank in range(4):
        assert await quarter.sell(bank, bank) == "approved"


async def test_a_wrong_key_at_one_terminal_is_that_terminals(quarter):
    since_ns = time.time_ns()
    terminal = quarter.streets.terminals[1]
    terminal._desk.mak = bytes(16)
    assert await quarter.sell(1) == "declined"  # A0, and it signs on
    assert await quarter.sell(1) == "approved"
    place = ("terminal", quarter.city.fittings[1].terminal, "mac")
    await until(lambda: quarter.misfits(since_ns) == {place: True})


async def test_wrong_keys_at_every_terminal_of_a_connection_are_the_connections(quarter):
    since_ns = time.time_ns()
    for terminal in quarter.streets.terminals:
        terminal._desk.mak = bytes(len(terminal._desk.mak))
    outcomes = await asyncio.gather(*(quarter.sell(one) for one in range(TERMINALS)))
    assert outcomes.count("declined") == TERMINALS
    outcomes = await asyncio.gather(*(quarter.sell(one) for one in range(TERMINALS)))
    assert outcomes == ["approved"] * TERMINALS
    places = {("link", "127.0.0.1", "mac")}
    places |= {("terminal", fitting.terminal, "mac") for fitting in quarter.city.fittings}
    await until(lambda: quarter.misfits(since_ns) == dict.fromkeys(places, True))


async def test_another_mac_key_at_a_bank_is_replaced_and_no_payment_answered_wrongly(quarter):
    since_ns, approved, posted = time.time_ns(), 0, quarter.posted(1)
    bank = quarter.streets.banks[1]
    bank.lose_key("ZAK")
    outcomes = await quarter.healed(1)
    approved = outcomes.count("approved")
    assert set(outcomes) <= {"neither", "approved"}  # unknown, and taken back
    place = ("bank", bank.charter.id, "mac")
    await until(lambda: quarter.misfits(since_ns) == {place: True})
    await until(lambda: quarter.posted(1) - posted == approved)
    assert quarter.records(ZoneKeyOffered)[-1].why == "keys do not fit"
    assert [await quarter.sell(one, 2) for one in range(3)] == ["approved"] * 3  # nobody else felt it


async def test_another_pin_key_at_a_bank_is_replaced(quarter):
    since_ns = time.time_ns()
    bank = quarter.streets.banks[0]
    bank.lose_key("ZPK")
    outcomes = await quarter.healed(0)
    assert set(outcomes) == {"declined", "approved"}
    assert 5 <= outcomes.count("declined") < 20
    await until(lambda: quarter.misfits(since_ns).get(("bank", bank.charter.id, "pin")))
    offered = quarter.records(ZoneKeyOffered)[-1]
    assert (offered.bank, offered.usage, offered.why) == (bank.charter.id, "ZPK", "keys do not fit")


async def test_a_bank_gets_the_key_that_it_asks_for(quarter):
    bank = quarter.streets.banks[3]
    before = bank.charter
    assert bank.ask_for_key("ZAK", CENTRE)
    await until(lambda: bank.charter.zak != before.zak)
    assert bank.charter.zpk == before.zpk
    assert [await quarter.sell(one, 3) for one in range(5)] == ["approved"] * 5
    assert quarter.records(ZoneKeyOffered)[-1].why == "the bank asked"
    await until(lambda: quarter.records(ZoneKeyTaken)[-1].bank == bank.charter.id)


async def test_keys_outlive_a_kill(quarter):
    quarter.supervisor.kill()
    bank = quarter.streets.banks[2]
    before = bank.counts["keys_taken"]
    await until(lambda: quarter.supervisor.restarts >= 1)
    outcomes = [await quarter.sell(one, 2) for one in range(4)]
    assert outcomes[-1] == "approved"
    assert bank.counts["keys_taken"] == before  # those of before are still good


async def test_a_stranger_who_signs_a_terminal_on_does_not_take_its_keys_away(quarter):
    terminal, fitting = quarter.streets.terminals[0], quarter.city.fittings[0]
    for stan in (1, 2):
        wire = await dial(quarter.city.node, "bin2", None)
        batch = terminal.batch
        wire.send(POS.pack(sign_on(fitting.terminal, fitting.merchant, stan, batch)))
        answer = POS.unpack(await wire.receive())
        assert answer.fields[39] == "00"
        wire.hang_up()
        assert await quarter.sell(0) == "approved"  # under the keys that it has


async def test_keys_of_before_are_refused_once_the_new_ones_have_paid(quarter):
    terminal = quarter.streets.terminals[0]
    await terminal.sign_on()
    old = terminal._keys
    await terminal.sign_on()
    assert await quarter.sell(0) == "approved"
    terminal._keys, terminal._desk.mak = old, old.mac
    assert await quarter.sell(0) == "declined"
    assert terminal.last.reply.code == "A0"


async def test_every_use_of_a_key_is_counted(quarter):
    await quarter.sell(0, 1)
    await quarter.supervisor.stop()  # counts go to the table once a minute, and at the end
    uses = read_uses(quarter.city.data)
    registry = load_config(quarter.city.config).registry
    given = registry.banks[quarter.city.banks[1].id]
    exchanged = [event.key for event in quarter.records(ZoneKeyTaken) if event.bank == given.id]
    assert all(uses[print_of(key)] >= 1 for key in exchanged[-2:])
    assert uses[print_of(registry.terminals[quarter.city.fittings[0].terminal].tmk)] >= 1
    assert max(uses.values()) > min(uses.values())
