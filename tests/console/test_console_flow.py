"""What goes through the centre, as a node's vitals say it; what the screen makes of it."""

import pytest
from msgspec.structs import replace

from one_sale import sale
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address, Bank, Line, Registry
from posswitch.console.flow import Flow
from posswitch.console.scene import (
    BANKS_MAX,
    SILENT_NS,
    LinkState,
    NodeState,
    Sight,
    banks_of,
    diagnosis_of,
    link_state,
    node_of,
)
from posswitch.diagnose.shelf import STALE_NS
from posswitch.edge.vitals import Vitals
from posswitch.journal.vitals import PERIOD_NS, How, VitalsReader

START_NS = 1_800_000_000 * NS_PER_S
BANK = Bank(
    "90010000", "甲银行", "Bank A", (Address("10.0.0.1", 1), Address("10.0.0.1", 2)), b"", b"",
    contact="Duty desk", phone="021-5550", lines=(Line("SH-17", "carrier", 2000),),
)  # fmt: skip


@pytest.fixture
def said(tmp_path):
    """Writes periods of a node and has a flow read them."""
    vitals, reader, flow = Vitals(tmp_path), VitalsReader(tmp_path), Flow()

    def say(number, rows=(), **gauges):
        for bank, code, how, wait_ms, bank_ms in rows:
            request = replace(sale(1), bank=bank)
            vitals.payment(request, code, how, wait_ms * 1_000_000, bank_ms * 1_000_000)
        named = {name.replace("__", "."): value for name, value in gauges.items()}
        vitals.write(START_NS + number * PERIOD_NS, named)
        flow.take(reader.read(), reader.names)
        return flow

    return say


PAID = ("90010000", "00", How.BANK, 25, 20)


def test_payments_a_second_are_those_of_whole_seconds(said):
    for number in range(13):  # three seconds and the beginning of a fourth
        flow = said(number, [PAID] * 5)
    assert flow.per_s() == flow.per_s("90010000") == 20
    assert flow.per_s("90020000") == 0
    assert flow.approved_share() == 1.0
    assert flow.trail()[-3:] == (20, 20, 20) and len(flow.trail()) == 60 and flow.trail()[0] == 0


def test_every_payment_counts_once_however_often_it_is_spoken_of(said):
    rows = [
        ("90010000", "98", How.OVERDUE, 900, 900), ("90010000", "98", How.COUNTED, 2000, 2000),
        ("90010000", "98", How.TIMER, 2000, 2000), ("90010000", "00", How.REPEAT, 1, 0),
        ("", "96", How.EDGE, 0, 0), ("90010000", "61", How.HERE, 1, 0),
    ]  # fmt: skip
    said(0, rows)
    flow = said(8)
    assert flow.per_s() * 2 == 4
    assert flow.unanswered("90010000") == 2
    assert flow.codes() == {"98": 2, "96": 1, "61": 1}
    assert flow.approved_share() == 0


def test_waits_are_those_of_terminals_and_of_banks(said):
    said(0, [("90010000", "00", How.BANK, wait, wait - 5) for wait in range(10, 110)])
    flow = said(8)
    assert flow.wait_ms(0.5) == 60 and flow.wait_ms(0.99) == 109
    assert flow.bank_ms("90010000", 0.5) == 55 and flow.bank_ms("90020000", 0.5) is None


def test_a_second_without_a_word_is_empty(said):
    said(0, [PAID])
    flow = said(40, [PAID])
    assert flow.per_s() == 0 and sum(flow.trail()) == 1


def test_counts_that_rise_are_rates_and_a_new_node_begins_at_nothing(said):
    here = "link__90010000__0__sent"
    said(0, **{here: 100, "began_s": 1})
    flow = said(8, **{here: 140, "began_s": 1})
    assert flow.rise_per_s("link.90010000.0.sent") == 20 and flow.restart is None
    flow = said(16, **{here: 3, "began_s": 2})
    assert flow.rise_per_s("link.90010000.0.sent") == 0
    assert flow.restart.at_ns == START_NS + 16 * PERIOD_NS and flow.restart.away_ns == 8 * PERIOD_NS


@pytest.mark.parametrize(
    ("gauges", "state"),
    [
        ({"up": 1}, LinkState.UP), ({"up": 0}, LinkState.DOWN), ({"up": 0, "fenced": 2}, LinkState.DOWN),
        ({"up": 1, "fenced": 2}, LinkState.FENCED), ({"up": 1, "fenced": 1}, LinkState.PROBED),
        ({}, LinkState.UNKNOWN),
    ],
)  # fmt: skip
def test_a_link_stands_as_its_gauges_say(gauges, state):
    assert link_state({f"link.9/0.{name}": value for name, value in gauges.items()}, "link.9/0.") is state


def test_a_bank_is_told_with_its_links_and_whom_to_call(said):
    up = {"link__90010000__0__up": 1, "link__90010000__1__up": 0, "bank__90010000__cap": 64}
    said(0, [PAID] * 4, **up)
    flow = said(8, **up, link__90010000__0__waiting_ms=1500.0)
    ((bank,), more) = banks_of(flow, Registry([BANK]), reported=True)
    assert more == 0 and [link.state for link in bank.links] == [LinkState.UP, LinkState.DOWN]
    assert bank.worst is LinkState.DOWN and bank.contact == "Duty desk"
    assert bank.links[0].circuit == "SH-17" and bank.links[0].waiting_ms == 1500
    ((blind,), _) = banks_of(flow, Registry([BANK]), reported=False)
    assert blind.worst is LinkState.UNKNOWN


def test_a_bank_that_only_the_vitals_know_is_on_the_map(said):
    flow = said(0, bank__77__cap=64, bank__77__links=1, link__77__0__up=1, bank__90010000__cap=64)
    (banks, _) = banks_of(flow, Registry([BANK]), reported=True)
    assert [bank.id for bank in banks] == ["90010000", "77"] and banks[1].links[0].state is LinkState.UP


def test_a_bank_that_the_node_has_no_more_is_not_on_the_map(said):
    flow = said(0, bank__77__cap=64)
    assert [bank.id for bank in banks_of(flow, Registry([BANK]), reported=True)[0]] == ["77"]
    assert [bank.id for bank in banks_of(flow, Registry([BANK]), reported=False)[0]] == ["90010000"]


def test_of_too_many_banks_the_busiest_are_shown(said):
    rows = [replace_id(number) for number in range(BANKS_MAX + 5)]
    said(0, [(rows[-1].id, "00", How.BANK, 5, 4)])
    flow = said(8)
    banks, more = banks_of(flow, Registry(rows), reported=True)
    assert len(banks) == BANKS_MAX and more == 5 and banks[-1].id == rows[-1].id


def replace_id(number):
    """Another bank."""
    return replace(BANK, id=f"{90_000_000 + number}")


def test_the_node_runs_says_nothing_or_is_gone(said):
    flow = said(0, open_payments=3, open_reversals=2, open_advices=1)
    soon, late = flow.last_ns + SILENT_NS - 1, flow.last_ns + SILENT_NS
    node = node_of("1", flow, Registry(), True, soon)
    assert node.state is NodeState.UP and node.open_payments == 3 and node.open_reversals == 3
    assert node_of("1", flow, Registry(), True, late).state is NodeState.SILENT
    assert node_of("1", flow, Registry(), False, soon).state is NodeState.GONE
    assert node_of("1", Flow(), Registry(), False, soon).state is NodeState.NEVER


NOW = {
    "sentence_zh": "交换中心正常", "sentence_en": "well", "well": True, "open": [3],
    "tiles": {"network": {"well": False, "incidents": [3]}},
}  # fmt: skip


def test_diagnosis_is_believed_for_some_seconds():
    fresh = diagnosis_of((START_NS, NOW), START_NS + STALE_NS)
    assert fresh.sight is Sight.SEES and fresh.well and fresh.open == (3,)
    assert fresh.tiles == {"network": (False, (3,))}
    assert diagnosis_of((START_NS, NOW), START_NS + STALE_NS + 1).sight is Sight.STALE
    assert diagnosis_of(None, START_NS).sight is Sight.NEVER


@pytest.mark.parametrize(
    "said",
    [
        {}, {"well": "yes", "open": 3, "tiles": []}, {"open": ["3"], "tiles": {"network": 1, "other": {}}},
        {"tiles": {"network": {"well": None, "incidents": "x"}}, "sentence_zh": None},
    ],
)  # fmt: skip
def test_what_diagnosis_of_another_version_says_breaks_nothing(said):
    found = diagnosis_of((START_NS, said), START_NS)
    assert not found.well and found.open == ()
