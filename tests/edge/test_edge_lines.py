"""One of two lines to a bank is ill: payments go over the other. Both are: other banks do not feel it."""

import asyncio
import time

import pytest
from edge_town import TIMERS, until

from posswitch.edge.process import verify_journal
from posswitch.edge.supervisor import Supervisor
from posswitch.journal.vitals import read_gauges
from posswitch.settings.config import load_config
from posswitch.sim.city import build_city
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.customer import VALID, Purchase, pan_at, pin_of
from posswitch.sim.peers.line import Fault
from posswitch.sim.streets import Streets

TERMINALS, BANKS = 64, 4
DEAD = (Fault("drop", 1.0),)  # frames, each way


class Row:
    """A city whose terminals pay at one bank each, all the time."""

    def __init__(self, folder):
        self.city = build_city(folder, 5, TERMINALS, TIMERS)
        self.supervisor = Supervisor(self.city.config)
        self.streets = Streets(self.city, time.time_ns, Book, ())
        self.outcomes = [[] for _ in range(BANKS)]  # when it began, what the slip says, how long it took
        self.paying = []
        self.sold = 0

    async def opened(self):
        await self.streets.open()
        self.streets.heal()
        await self.supervisor.start()
        for terminal in self.streets.terminals:
            await terminal.sign_on()
        self.paying = [asyncio.create_task(self._pay(number)) for number in range(TERMINALS)]
        return self

    async def close(self):
        for task in self.paying:
            task.cancel()
        await asyncio.gather(*self.paying, return_exceptions=True)
        await self.streets.close()
        await self.supervisor.stop()
        assert verify_journal(load_config(self.city.config)) == []

    async def _pay(self, number):
        bank = number % BANKS
        while True:
            self.sold += 1
            cards = self.city.banks[bank].ranges[0]
            pan = pan_at(cards, self.sold)
            purchase = Purchase(pan, VALID, pin_of(self.city.seed, pan), 1000 + self.sold)
            began = time.monotonic()
            outcome = await self.streets.terminals[number].sell(purchase)
            self.outcomes[bank].append((began, outcome, time.monotonic() - began))
            await asyncio.sleep(0.2)

    def lines(self, bank):
        return self.streets.bank_lines[2 * bank : 2 * bank + 2]

    def since(self, bank, began):
        return [outcome for at, outcome, _ in self.outcomes[bank] if at >= began]

    def fenced(self):
        return read_gauges(self.city.data).get("links_fenced", 0)


@pytest.fixture
def row(runner, tmp_path):
    there = runner.run(Row(tmp_path).opened())
    yield there
    runner.run(there.close())


async def test_payments_leave_a_dead_line_and_come_back_when_it_is_good(row):
    await asyncio.sleep(1.5)
    row.lines(0)[0].suffer(DEAD)
    began = time.monotonic()
    await until(lambda: row.fenced() >= 1, 6)
    fenced = time.monotonic()
    await asyncio.sleep(3)
    good = row.since(0, fenced)
    assert good.count("approved") >= 0.9 * len(good) > 10
    for bank in range(1, BANKS):
        assert set(row.since(bank, began)) == {"approved"}
    row.lines(0)[0].heal()
    await until(lambda: row.fenced() == 0, 40)


async def test_a_bank_that_is_dead_is_refused_at_once_and_tried_again(row):
    await asyncio.sleep(1.5)
    for line in row.lines(1):
        line.suffer(DEAD)
    began = time.monotonic()
    await until(lambda: row.fenced() >= 2, 6)
    fenced = time.monotonic()
    await asyncio.sleep(2)
    for bank in (0, 2, 3):
        assert set(row.since(bank, began)) == {"approved"}
    refused = [took for at, outcome, took in row.outcomes[1] if at >= fenced and outcome == "declined"]
    assert sorted(refused)[len(refused) // 2] < 0.5  # nobody stands and waits for a dead bank
    for line in row.lines(1):
        line.heal()
    await until(lambda: row.since(1, time.monotonic() - 1).count("approved") >= 3, 40)
