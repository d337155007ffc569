"""The table of drills is whole, places are drawn by seed, right answers are told from wrong ones."""

import json

import pytest
from typer.testing import CliRunner

from posswitch.base.errors import PosswitchError
from posswitch.base.registry import Merchant, Registry, Terminal
from posswitch.cli.main import app
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.phrases import KINDS, LANGS
from posswitch.diagnose.signals import Dim
from posswitch.edge.vitals import Vitals
from posswitch.journal.vitals import How
from posswitch.sim.drills.drill import SEVERITIES, Ground, Sign
from posswitch.sim.drills.judge import is_right, likeliest, narrow, right_places
from posswitch.sim.drills.monitor import Monitor
from posswitch.sim.drills.play import severity_of
from posswitch.sim.drills.table import DRILLS, NOT_HERE, drill_named
from posswitch.sim.drills.titles import title_of

# Kinds that a node cannot tell from one that is played, and those that have no anomaly of their own.
SAME_AS = {
    "lim-issuer-throttle": "lim-issuer-quota",
    "ovl-cpu-taken": "ovl-peak",
    "ovl-connections": "sec-dos-connect",
}


class Chosen:
    """A scene that is nowhere."""

    def place(self, where):
        values = {"bank": "90020000", "link": "90020000/1", "bin": "629002", "terminal": "10000007",
                  "merchant": "M1"}  # fmt: skip
        return {name: values[name] for name in where}


def incident(kind="net-half-open", number=1, probability=0.9, /, **place):
    return Incident(number, Phase.CONFIRMED, kind, "network", place, 0, 0, 0, probability=probability)


def test_every_kind_is_played_or_it_is_said_why_not():
    played = {drill.kind for drill in DRILLS.values()}
    assert len(played) >= 60
    assert played <= set(KINDS)
    assert set(NOT_HERE) <= set(KINDS)
    assert not played & set(NOT_HERE)
    assert set(KINDS) - played - set(NOT_HERE) == set(SAME_AS)
    assert set(SAME_AS.values()) <= played
    assert all(why and "\n" not in why for why in NOT_HERE.values())


@pytest.mark.parametrize("drill", DRILLS.values(), ids=lambda drill: drill.name)
def test_a_row_is_whole(drill):
    assert {*drill.where, *(dim for where in drill.wider for dim in where)} <= {
        "link", *(dim.name.lower() for dim in Dim),
    }  # fmt: skip
    assert set(drill.alike) <= set(KINDS) - {drill.kind}
    assert drill.severities
    assert set(drill.severities) <= set(SEVERITIES)
    assert drill.signs
    assert 0 < drill.seconds_max <= 60
    titles = {title_of(drill, lang) for lang in LANGS}
    assert len(titles) == len(LANGS)
    assert not any("{" in title or "[" in title for title in titles)


def test_what_rouses_guards_is_played_last():
    """They bar for minutes: whoever is played after it would meet what was left behind."""
    lingering = [drill.lingers for drill in DRILLS.values()]
    assert lingering == sorted(lingering)
    assert all(
        drill.lingers
        for drill in DRILLS.values()
        if any(sign.rises == "guards_barred" for sign in drill.signs)
    )
    assert DRILLS["sec-unknown-terminal"].lingers


def test_the_severity_is_the_one_that_is_wanted_or_one_by_the_seed():
    loss = DRILLS["net-packet-loss"]
    assert severity_of(loss, "light", 1) == "light"
    assert {severity_of(loss, None, seed) for seed in range(3)} == {"light", "medium", "full"}
    with pytest.raises(PosswitchError, match="severity full, no light"):
        severity_of(DRILLS["net-issuer-link-down"], "light", 1)


def test_a_place_is_what_its_narrowest_names_say():
    assert narrow({"bank": "1", "link": "1/0"}) == {"link": "1/0"}
    assert narrow({"terminal": "7", "merchant": "M", "model": "X", "region": "R"}) == {"terminal": "7"}
    assert narrow({"merchant": "M", "kind": "void", "region": "R"}) == {"merchant": "M", "kind": "void"}
    assert narrow({"node": "1"}) == {}


@pytest.mark.parametrize(
    ("name", "said", "right"),
    [
        ("net-half-open", incident(link="90020000/1"), True),
        ("net-half-open", incident(bank="90020000", link="90020000/1"), True),
        ("net-half-open", incident("net-one-way", link="90020000/1"), True),
        ("net-half-open", incident("iss-slow", link="90020000/1"), False),
        ("net-half-open", incident(link="90020000/0"), False),
        ("net-half-open", incident(bank="90020000"), False),
        ("net-half-open", incident(), False),
        ("net-packet-loss", incident("net-packet-loss", link="90020000/1"), True),
        ("sec-card-testing", incident("sec-card-testing"), True),
        ("sec-card-testing", incident("sec-card-testing", bin="629002", kind="sale", entry="022"), True),
        ("sec-card-testing", incident("sec-card-testing", bin="629002", kind="sale"), True),
        ("sec-card-testing", incident("sec-card-testing", bin="629002", kind="void"), False),
        ("sec-card-testing", incident("sec-card-testing", bin="629003", kind="sale"), False),
        ("iss-says-91", incident("iss-says-91", bank="90020000", kind="sale"), False),
        ("ord-refund-over", incident("ord-refund-over", merchant="M1", kind="refund"), True),
        ("ord-refund-over", incident("ord-refund-over", merchant="M1", kind="void"), False),
        ("net-all-links-down", incident("net-all-links-down", bank="90020000"), False),
        ("iss-all-decline+57", incident("iss-all-decline", bank="90020000"), True),
    ],
)
def test_only_the_kind_at_the_place_is_right(name, said, right):
    assert is_right(DRILLS[name], Chosen(), said) is right


def test_of_several_incidents_the_one_at_the_place_is_looked_at_then_the_surest():
    places = right_places(DRILLS["net-half-open"], Chosen())
    here, there, unsure = (
        incident("iss-slow", 1, 0.4, link="90020000/1"),
        incident("iss-slow", 2, 0.99, bank="90010000"),
        incident("", 3, 0.0, bank="90030000"),
    )
    assert likeliest([unsure, there, here], places) is here
    assert likeliest([unsure, there], places) is there
    assert likeliest([], places) is None


@pytest.fixture
def said(tmp_path):
    """The vitals of a node that says: a bank refuses, a terminal is told 94, repeats, a link is down."""
    vitals, registry = Vitals(tmp_path), Registry(
        [Merchant("M", "SHOP", "ZHUHAI", "5411"), Terminal("10000007", "M", b"", "LD-N900", "3.2.1")]
    )  # fmt: skip
    gauges = {"link.90020000.0.up": 1.0, "bank.90020000.cap": 9.0, "guards_barred": 0.0}
    monitor = Monitor(tmp_path, registry)
    now_ns = 1_800_000_000 * 10**9
    for period in range(120):
        for number in range(10):
            code = "96" if period > 100 and number < 8 else "00"
            vitals.other("10000007" if number < 5 else "other", "M", "sale", code, How.BANK)
        if period > 100:
            vitals.other("10000007", "M", "settlement", "00", How.REPEAT)
            gauges |= {"link.90020000.0.up": 0.0, "guards_barred": 2.0}
        vitals.write(now_ns + period * 250_000_000, dict(gauges))
        if period == 100:
            monitor.look()
            monitor.mark()
    vitals.close()
    monitor.look()
    return monitor


def test_signs_are_read_from_what_the_node_says(said):
    here = {"terminal": "10000007"}
    assert said.holds(Sign("link-down"), {"link": "90020000/0"})
    assert said.holds(Sign("link-down"), {"bank": "90020000"})
    assert not said.holds(Sign("link-down"), {"link": "90020000/1"})
    assert said.holds(Sign(codes=("96",), share=0.6), {})
    assert said.holds(Sign(codes=("96",), share=0.7), here)
    assert said.holds(Sign(codes=("96",), share=0.7), {"region": "ZHUHAI", "model": "LD-N900 3.2.1"})
    assert not said.holds(Sign(codes=("96",), share=0.7), {"region": "BEIJING"})
    assert not said.holds(Sign(codes=("96",), share=0.95), here)
    assert said.holds(Sign("repeats"), {})
    assert said.holds(Sign(rises="guards_barred"), {})
    assert not said.holds(Sign(rises="guards_barred", by=3.0), {})
    assert said.holds(Sign(codes=("00",), share=0.05, kind="settlement"), {})
    assert not said.holds(Sign(fewer=2.0), {})


def test_the_list_names_every_drill_and_what_cannot_be_played():
    shown = CliRunner().invoke(app, ["drill", "--list"])
    assert shown.exit_code == 0
    assert all(name in shown.output for name in (*DRILLS, *NOT_HERE))
    told = json.loads(CliRunner().invoke(app, ["drill", "--list", "--json"]).output)
    assert [row["drill"] for row in told["drills"]] == list(DRILLS)
    assert {row["ground"] for row in told["drills"]} == {ground.value for ground in Ground}
    assert told["not_here"] == NOT_HERE


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["drill", "net-nothing"], "see posswitch drill --list"),
        (["drill", "ovl-hot-key"], "cannot be played here"),
        (["drill", "--data", "."], "which drill"),
    ],
)
def test_what_cannot_be_played_is_said_in_one_line(words, why):
    with pytest.raises(PosswitchError, match=why) as found:
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert "\n" not in str(found.value)


def test_every_drill_can_be_found_by_its_name():
    assert all(drill_named(name) is drill for name, drill in DRILLS.items())
