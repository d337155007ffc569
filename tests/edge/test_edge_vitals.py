"""What a node says of each answer: whose word it is, for every kind of end; names, loss, bounds."""

import apsw
import pytest
from edge_bank import PATIENCE_S
from edge_town import TIMERS, until

from posswitch.edge import vitals as room
from posswitch.edge.health import Health
from posswitch.edge.release import _how
from posswitch.edge.vitals import Vitals
from posswitch.journal.vitals import (
    KEPT_NS,
    LAYOUT,
    OTHER,
    OUTCOMES_MAX,
    PERIOD_NS,
    VITALS,
    WIDTH,
    Column,
    How,
    VitalsReader,
)
from posswitch.sim.city import CARD_DAILY_MINOR

AT_NS = 1_800_000_000_000_000_000


class Heard:
    """What the vitals of a town's node say of one terminal."""

    def __init__(self, town):
        self._reader = VitalsReader(town.city.data)
        self._rows = []

    def of(self, terminal):
        for period in self._reader.read():
            for at in range(0, len(period.outcomes), WIDTH):
                self._rows.append(period.outcomes[at : at + WIDTH])
        names = self._reader.names
        return [row for row in self._rows if names[row[Column.TERMINAL]] == terminal]

    def told(self, terminal):
        names = self._reader.names
        return [(How(row[Column.HOW]), names[row[Column.CODE]]) for row in self.of(terminal)]

    async def last(self, terminal, expected):
        try:
            await until(lambda: self.told(terminal)[-len(expected) :] == expected, 8.0)
        except TimeoutError:
            raise AssertionError(self.told(terminal)) from None
        return self.of(terminal)[-1]

    def name(self, row, column):
        return self._reader.names[row[column]]


async def test_an_approval_is_the_banks_word(switch):
    heard, till, bought = Heard(switch), await switch.till(), switch.bought(amount_minor=12345)
    await switch.approved(till, bought)
    row = await heard.last(till.id, [(How.BANK, "00")])
    assert heard.name(row, Column.BANK) == switch.city.banks[0].id
    assert heard.name(row, Column.MERCHANT) == till.fitting.merchant
    assert heard.name(row, Column.KIND) == "sale"
    assert bought.pan.startswith(heard.name(row, Column.BIN))
    assert row[Column.BAND] == (12345).bit_length()
    assert 0 < row[Column.BANK_US] <= row[Column.WAIT_US] < PATIENCE_S * 1e6
    assert row[Column.CARD] > 0


async def test_a_decline_of_a_bank_is_its_word_too(switch):
    heard, till = Heard(switch), await switch.till()
    switch.banks[0].answer(await switch.forwarded(till, switch.bought()), "51")
    await till.answer()
    await heard.last(till.id, [(How.BANK, "51")])


async def test_what_the_centre_declines_is_its_own_word(switch):
    heard, till = Heard(switch), await switch.till()
    await till.answered(till.sale(switch.bought(amount_minor=CARD_DAILY_MINOR + 1)))
    row = await heard.last(till.id, [(How.HERE, "61")])
    assert heard.name(row, Column.KIND) == "sale"
    assert (row[Column.BANK_US], row[Column.WAIT_US] > 0) == (0, True)


async def test_what_is_refused_at_the_edge_was_read_no_further(switch):
    heard, till = Heard(switch), await switch.till()
    await till.ask(till.sale(switch.bought(), mak=bytes(8)))
    row = await heard.last(till.id, [(How.EDGE, "A0")])
    assert (heard.name(row, Column.KIND), heard.name(row, Column.BANK)) == ("0200", "")


async def test_a_repeat_is_no_second_outcome_and_other_content_is_a_refusal(switch):
    heard, till = Heard(switch), await switch.till()
    await switch.approved(till, switch.bought())
    await till.answered(till.sale_again())
    await heard.last(till.id, [(How.BANK, "00"), (How.REPEAT, "00")])
    other = await till.answered(till.sale(switch.bought(), stan=till.stan))
    assert other.fields[39] == "94"
    await heard.last(till.id, [(How.REPEAT, "00"), (How.HERE, "94")])


async def test_a_bank_that_never_answers_is_overdue_first_and_then_counted_once_only(switch):
    heard, till = Heard(switch), await switch.till()
    for _ in range(3):
        await switch.approved(till, switch.bought(bank=1), bank=1)
    await switch.forwarded(till, switch.bought(bank=1), bank=1)
    row = await heard.last(till.id, [(How.BANK, "00"), (How.OVERDUE, "")])
    assert row[Column.BANK_US] < TIMERS.centre * 1e6
    assert (await till.answer()).fields[39] == "98"
    await heard.last(till.id, [(How.OVERDUE, ""), (How.COUNTED, "98")])


async def test_a_late_answer_after_its_overdue_is_the_banks_word(switch):
    heard, till = Heard(switch), await switch.till()
    asked = await switch.forwarded(till, switch.bought(bank=2), bank=2)
    await heard.last(till.id, [(How.OVERDUE, "")])
    switch.banks[2].answer(asked)
    assert (await till.answer()).fields[39] == "00"
    await heard.last(till.id, [(How.OVERDUE, ""), (How.BANK, "00")])


def test_what_was_not_seen_as_overdue_times_out_as_such():
    class Effect:
        repeat = False

    class Ticket:
        sent_ns, overdue = 5, False

    assert _how(Effect, Ticket, "98") is How.TIMER
    Ticket.overdue = True
    assert _how(Effect, Ticket, "98") is How.COUNTED
    assert _how(Effect, Ticket, "91") is How.BANK
    Ticket.sent_ns = 0
    assert _how(Effect, Ticket, "91") is How.HERE


# The file


@pytest.fixture
def vitals(tmp_path):
    opened = Vitals(tmp_path)
    yield opened
    opened.close()


def note(vitals, terminal, times=1):
    for _ in range(times):
        vitals.other(terminal, "M1", "sign-on", "00", How.HERE, 1_500_000)


def test_outcomes_and_names_come_back_as_they_were_noted(vitals, tmp_path):
    reader = VitalsReader(tmp_path)
    note(vitals, "T1", 2)
    vitals.write(AT_NS, {"queue": 3.5})
    note(vitals, "T2")
    vitals.write(AT_NS + PERIOD_NS, {})
    first, second = reader.read()
    assert (first.at_ns, first.gauges["queue"], len(first.outcomes) // WIDTH) == (AT_NS, 3.5, 2)
    rows = [first.outcomes[:WIDTH], second.outcomes[:WIDTH]]
    columns = (Column.TERMINAL, Column.MERCHANT, Column.KIND, Column.CODE, Column.BANK)
    assert [[reader.names[row[column]] for column in columns] for row in rows] == [
        ["T1", "M1", "sign-on", "00", ""], ["T2", "M1", "sign-on", "00", ""]
    ]  # fmt: skip
    assert rows[0][Column.WAIT_US] == 1500
    assert reader.read() == []


def test_names_keep_their_numbers_over_a_restart(vitals, tmp_path):
    reader = VitalsReader(tmp_path)
    note(vitals, "T1")
    vitals.write(AT_NS, {})
    reader.read()
    vitals.close()
    again = Vitals(tmp_path)
    note(again, "T9")
    note(again, "T1")
    again.write(AT_NS + PERIOD_NS, {})
    again.close()
    (period,) = reader.read()
    said = [reader.names[period.outcomes[at + Column.TERMINAL]] for at in (0, WIDTH)]
    assert (said, reader.begun) == (["T9", "T1"], 0)


def _layout(db):
    db.execute(f"PRAGMA user_version = {LAYOUT + 1}")


def _no_names(db):
    db.execute("INSERT INTO names VALUES(77, 'T77')")


@pytest.mark.parametrize("spoil", [_layout, _no_names])
def test_a_file_of_another_layout_or_with_holes_is_thrown_away_and_readers_begin_anew(tmp_path, spoil):
    vitals, reader = Vitals(tmp_path), VitalsReader(tmp_path)
    note(vitals, "T1")
    vitals.write(AT_NS, {})
    reader.read()
    vitals.close()
    with apsw.Connection(str(tmp_path / VITALS)) as db:
        spoil(db)
    db.close()
    again = Vitals(tmp_path)
    note(again, "T9")
    again.write(AT_NS + PERIOD_NS, {})
    again.close()
    (period,) = reader.read()
    assert reader.names[period.outcomes[Column.TERMINAL]] == "T9"
    assert "T1" not in reader.names
    assert reader.begun == 1


def test_a_node_starts_over_a_ring_of_noise(tmp_path):
    vitals = Vitals(tmp_path)
    note(vitals, "T" * 8, 300)
    for number in range(400):
        vitals.other(f"T{number:07}", "M1", "sign-on", "00", How.HERE)
    vitals.write(AT_NS, {})
    vitals.close()
    path = tmp_path / VITALS
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    again, reader = Vitals(tmp_path), VitalsReader(tmp_path)
    note(again, "T9")
    again.write(AT_NS, {})
    again.close()
    (period,) = reader.read()
    assert reader.names[period.outcomes[Column.TERMINAL]] == "T9"


def test_a_reader_survives_the_loss_of_the_file(vitals, tmp_path):
    reader = VitalsReader(tmp_path)
    assert reader.read() == []
    vitals.write(AT_NS, {})
    assert len(reader.read()) == 1
    for name in (VITALS, f"{VITALS}-wal", f"{VITALS}-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    assert reader.read() == []
    another = Vitals(tmp_path)
    another.write(AT_NS + 1, {})
    another.close()
    assert [period.at_ns for period in reader.read()] == [AT_NS + 1]
    (tmp_path / VITALS).write_bytes(b"no database")
    assert reader.read() == []


def test_a_clock_that_goes_back_stops_nobody(vitals, tmp_path):
    reader = VitalsReader(tmp_path)
    for at_ns in (AT_NS, AT_NS + PERIOD_NS):
        vitals.write(at_ns, {})
    assert len(reader.read()) == 2
    back_ns = AT_NS - 3600 * 10**9
    vitals.write(back_ns, {})
    assert [period.at_ns for period in reader.read()] == [back_ns]
    assert reader.begun == 1
    vitals.write(back_ns + PERIOD_NS, {})
    assert [period.at_ns for period in reader.read()] == [back_ns + PERIOD_NS]
    assert VitalsReader(tmp_path).read()[0].at_ns == back_ns


def test_the_ring_forgets_after_ten_minutes(vitals, tmp_path):
    for at_ns in (AT_NS, AT_NS + KEPT_NS, AT_NS + KEPT_NS + PERIOD_NS):
        vitals.write(at_ns, {})
    kept = [period.at_ns - AT_NS for period in VitalsReader(tmp_path).read()]
    assert kept == [KEPT_NS, KEPT_NS + PERIOD_NS]


def test_names_and_outcomes_are_bounded(vitals, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "NAMES_MAX", 6)
    reader = VitalsReader(tmp_path)
    note(vitals, "T1")  # and M1, sign-on, 00: five with the empty one
    note(vitals, "T2")
    note(vitals, "T3")
    vitals.write(AT_NS, {})
    (period,) = reader.read()
    terminals = [period.outcomes[at + Column.TERMINAL] for at in range(0, 3 * WIDTH, WIDTH)]
    assert [reader.names[number] for number in terminals] == ["T1", "T2", ""]
    assert terminals[2] == OTHER
    note(vitals, "T1", OUTCOMES_MAX + 7)
    vitals.write(AT_NS + PERIOD_NS, {})
    (period,) = reader.read()
    assert len(period.outcomes) // WIDTH == OUTCOMES_MAX
    assert period.gauges["outcomes_dropped"] == 7


# What a link counts


def test_a_link_counts_what_it_sent_heard_missed_and_heard_late():
    health, second = Health(30 * 10**9), 10**9
    for number in range(4):
        health.sent((number, "0101000000"), second + number)
    health.answered((0, "0101000000"), second + 10**7)
    health.look(second + 2 * 10**9)
    assert health.newly_overdue == [(number, "0101000000") for number in (1, 2, 3)]
    health.answered((1, "0101000000"), 3 * second)
    health.look(3 * second)
    assert health.newly_overdue == []
    health.sent((9, "0101000000"), 3 * second, echo=True)
    health.echoed((9, "0101000000"))
    health.echoed((8, "0101000000"))
    health.lost(4 * second)
    assert dict(health.tally) == {
        "sent": 4, "answered": 1, "overdue": 3, "late": 1, "echoes": 1, "echoed": 1, "lost": 1
    }  # fmt: skip
