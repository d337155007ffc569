"""The bench of diagnosis deals its cases by seed, plays them, and tells figures that are not made up."""

import json

import pytest
from typer.testing import CliRunner

from posswitch.cli import bench as cli_bench
from posswitch.cli.main import app
from posswitch.diagnose.incident import Incident, Phase
from posswitch.sim import bench_diagnose
from posswitch.sim.unrest.bench_deck import FAMILY, HELD, LADDER, TUNED, Dealt, deal
from posswitch.sim.unrest.cases import KINDS_FAMILY, KINDS_HELD, KINDS_TUNED, Case, Fault, town_of
from posswitch.sim.unrest.places import Spot
from posswitch.sim.unrest.town import Plan

PLAN = Plan(1, 30.0, 34.0)
BANK = Spot((("bank", 0),))
AFTER_S = 3.0


class Blind:
    """Sees nothing."""

    def __init__(self, atlas):
        pass

    def look(self, tick):
        return []


class Clairvoyant:
    """Says what is wrong two seconds after the first bank has said 96 three times in a row."""

    def __init__(self, atlas):
        self._atlas = atlas
        self._codes = []
        self._said = 0

    def look(self, tick):
        bank, failed = self._atlas.names.index(town_of(1).banks[0].id), self._atlas.names.index("96")
        self._codes += [row[6] == failed for row in tick.outcomes.tolist() if row[0] == bank]
        if self._said or self._codes[-8:].count(True) < 6:
            return []
        self._said = tick.at_ns
        place = {"bank": town_of(1).banks[0].id}
        return [Incident(1, Phase.CONFIRMED, "sys-issuer-96-remote", "bank", place, 0, tick.at_ns, tick.at_ns,
                         probability=0.8, answer_ms=3.0)]  # fmt: skip


def two_cases(quick, seed):
    fault = Fault("sys-issuer-96-remote", BANK, 1.0, after_s=AFTER_S, seconds=20.0)
    return [
        Dealt(part, Case(number, PLAN, (fault,), after_s=3.0))
        for number, part in ((1, HELD), (2, TUNED), (3, LADDER))
    ]


@pytest.fixture(scope="module")
def short():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_diagnose, "deal", two_cases)
        for name, value in (("_QUICK_HOURS", 1.5), ("_BUSY_TPS", 100.0), ("_LOOKED_INTO_QUICK", 0)):
            patch.setattr(bench_diagnose, name, value)
        yield


@pytest.fixture(scope="module")
def blind(short):
    return bench_diagnose.run(True, 1, Blind)


def test_figures_of_one_who_sees_nothing(blind):
    figures = blind
    assert (figures["place_top1"], figures["cause_top1"], figures["detect_total_s"]) == (0.0, 0.0, -1.0)
    assert figures["parts"]["unseen"]["seen"] == 0.0
    assert figures["causes"] == {"bank": {"not seen": 3}}
    assert figures["harmful_actions"] == figures["false_incidents_per_week"] == 0
    assert 0 <= figures["cpu_share_10k"] < 0.01
    assert figures["rivals"]["static-20"]["seen"] == 1.0


def test_figures_of_one_who_knows(short):
    figures = bench_diagnose.run(True, 1, Clairvoyant)
    assert (figures["place_top1"], figures["cause_top1"], figures["kind_top1"]) == (1.0, 1.0, 1.0)
    assert 0 < figures["detect_total_s"] < 8
    assert figures["incidents_per_fault"] == 1.0
    assert figures["calibration_error"] == pytest.approx(0.2)
    assert figures["answer_ms"]["max"] == 3.0
    assert figures["kinds"] == {
        "sys-issuer-96-remote": {"cases": 1, "seen": 1, "place": 1, "cause": 1, "kind": 1}
    }
    again = bench_diagnose.run(True, 1, Clairvoyant)
    told = {name for name in figures if not name.startswith(("cpu", "took", "look"))}
    assert {name: figures[name] for name in told} == {name: again[name] for name in told}


def test_a_deck_is_its_seed_and_has_every_kind():
    assert deal(True, 3) == deal(True, 3) != deal(True, 4)
    whole = deal(False, 1)
    parts = {part: [one.case for one in whole if one.part == part] for part in (TUNED, HELD, FAMILY)}
    kinds = {part: {fault.kind for case in cases for fault in case.faults} for part, cases in parts.items()}
    assert kinds == {TUNED: set(KINDS_TUNED), HELD: set(KINDS_HELD), FAMILY: set(KINDS_FAMILY)}
    severities = {fault.severity for one in whole for fault in one.case.faults}
    assert severities >= {0.05, 0.2, 0.5, 1.0}
    assert len({one.case.number for one in whole}) == len(whole)
    quick = deal(True, 1)
    assert len(quick) < len(whole) / 8
    assert {one.part for one in quick} >= {TUNED, HELD, FAMILY, LADDER}
    assert all(one.case.seconds < 100 for one in quick)


def test_nothing_is_told_of_single_kinds_that_are_held_out(blind):
    told = json.dumps(blind)
    assert not any(kind.id in told for kind in KINDS_HELD.values())


def test_the_command_tells_tables_and_json(monkeypatch, blind):
    monkeypatch.setattr(bench_diagnose, "run", lambda quick, seed: blind | {"seed": seed})
    ran = CliRunner().invoke(app, ["bench", "diagnose", "--quick", "--seed", "5", "--json"])
    assert json.loads(ran.stdout)["seed"] == 5
    table = CliRunner().invoke(app, ["bench", "diagnose", "--quick"]).stdout
    assert "place_top1" in table
    assert any(line.startswith("rivals") for line in table.splitlines())
    assert "not seen" in table


def test_without_numpy_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cli_bench, "find_spec", lambda name: None)
    ran = CliRunner().invoke(app, ["bench", "diagnose"])
    assert ran.exit_code != 0
    assert "posswitch[diagnosis]" in str(ran.exception)
