"""Records of the last days: all of them, in order, in portions; the newest of too many; beside a writer."""

import pytest

from one_sale import IDENTITY, RULES, START_NS, sale
from posswitch.base.errors import JournalError
from posswitch.engine.apply import apply
from posswitch.engine.decide import decide
from posswitch.engine.events import NodeRestarted, RequestArrived
from posswitch.engine.facts import NO_FACTS
from posswitch.engine.state import State
from posswitch.journal import traffic
from posswitch.journal.quarantine import quarantine
from posswitch.journal.sqlite import Journal
from posswitch.journal.traffic import Span, counters_of, records_of, span_after, span_since

KEY = bytes(32)


class Writer:
    """A journal with a restart and sales, one a second."""

    def __init__(self, folder):
        self.folder = folder
        self.journal = Journal(folder, KEY)
        self.state: State = self.journal.recover("1")
        self.write(NodeRestarted("20270115", "v", IDENTITY))

    def write(self, event):
        at_ns = START_NS + self.state.seq * 10**9
        self.journal.begin()
        seq, record = self.journal.append(
            at_ns, event, decide(self.state, event, NO_FACTS, at_ns, RULES).verdict
        )
        apply(self.state, seq, record)
        self.journal.commit()


@pytest.fixture
def writer(tmp_path):
    writer = Writer(tmp_path)
    for number in range(1, 10):
        writer.write(sale(number))
    yield writer
    writer.journal.close()


def numbers(folder, span):
    return [seq for seq, _ in records_of(folder, span)]


@pytest.mark.parametrize("portion", [1, 3, 10, 11])
def test_every_record_once_in_order(writer, monkeypatch, portion):
    monkeypatch.setattr(traffic, "_PORTION", portion)
    span = span_since(writer.folder, 0)
    assert span == Span(1, 10, False)
    assert numbers(writer.folder, span) == list(range(1, 11))


@pytest.mark.parametrize(("ago_s", "first"), [(0, 1), (1, 2), (4, 5), (9, 10), (10, 11)])
def test_since_a_time(writer, ago_s, first):
    span = span_since(writer.folder, START_NS + ago_s * 10**9)
    assert numbers(writer.folder, span) == list(range(first, 11))


@pytest.mark.parametrize(
    ("most", "first", "cut"), [(9, 2, True), (10, 1, False), (11, 1, False), (1, 10, True)]
)
def test_of_too_many_the_newest(writer, most, first, cut):
    span = span_since(writer.folder, 0, most)
    assert (span.first, span.cut) == (first, cut)
    assert len(numbers(writer.folder, span)) == min(most, 10)


def test_what_is_written_meanwhile_comes_with_the_next_look(writer):
    span = span_since(writer.folder, 0)
    read = records_of(writer.folder, span)
    assert next(read)[0] == 1
    writer.write(sale(11))
    assert [seq for seq, _ in read][-1] == 10
    assert numbers(writer.folder, span_after(writer.folder, 10)) == [11]
    assert numbers(writer.folder, span_after(writer.folder, 11)) == []


def test_the_gap_of_a_restored_journal_is_passed_over(writer, monkeypatch):
    monkeypatch.setattr(traffic, "_PORTION", 3)
    quarantine(writer.journal, writer.state, START_NS + 20 * 10**9, 1_000_000)
    found = numbers(writer.folder, span_since(writer.folder, 0))
    assert found[:10] == list(range(1, 11))
    assert found[10] > 1_000_000
    assert len(found) == 10 + 1 + 9  # the restore, and each open payment handed over


def test_what_counters_hold(writer):
    first = next(one for _, one in records_of(writer.folder, span_since(writer.folder, 0))
                 if isinstance(one.event, RequestArrived))  # fmt: skip
    (hold,) = first.verdict.holds
    names = [(hold.key, hold.window), (hold.key, "20270116"), ("nobody", "")]
    assert counters_of(writer.folder, names) == {names[0]: hold.amount_minor, names[1]: 0, names[2]: 0}


def test_without_a_journal(tmp_path):
    with pytest.raises(JournalError, match="no journal there"):
        span_since(tmp_path, 0)
