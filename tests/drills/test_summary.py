"""The figures of many drills count what they say."""

import pytest

from posswitch.sim.drills.play import Naming, Played
from posswitch.sim.drills.table import DRILLS

from . import run
from .summary import anomalies, figures, report


def played(name, kind="", place=None, *, right=False, seconds=None, beside=(), **more):
    drill = DRILLS[name]
    expected = Naming(drill.kind, drill.cause, {"bank": "90020000"})
    told = Naming(kind, "bank", place or {}, 0.9) if kind is not None else None
    return Played(name, expected, told, right, seconds, kind_correct=right or kind == drill.kind,
                  place_correct=right, beside=beside, **more)  # fmt: skip


SOME = [
    played("iss-says-91", "iss-says-91", {"bank": "90020000"}, right=True, seconds=1.0),
    played("iss-all-decline", "iss-all-decline", {"bank": "90020000"}, right=True, seconds=4.0),
    played("iss-all-decline+57", "iss-all-decline", {"bank": "90020000"}, right=True, seconds=3.0),
    played("iss-slow", "iss-slow", seconds=2.0, seconds_to_resolve=7.5),
    played("iss-silent", None),
]


def test_variants_are_one_anomaly_and_what_is_named_elsewhere_is_none():
    assert anomalies(SOME) == ["iss-says-91", "iss-all-decline"]
    assert figures(SOME) == (
        "5 drills: 4 seen, 4 named right, 3 at the right place, 3 both; 2 anomalies; median 3.0 s to be named"
    )


def test_of_no_drill_there_is_nothing_to_say():
    assert figures([]).startswith("0 drills: 0 seen, 0 named right")


def test_a_line_says_what_else_was_said():
    other = Naming("ovl-cpu-taken", "overload", {})
    lines = list(report([*SOME[3:], SOME[0].__class__(**{**fields(SOME[0]), "beside": (other,)})]))
    assert lines[0] == "-- iss-slow@90020000: iss-slow@centre after 2.0 s, over in 7.5 s"
    assert lines[1] == "-- iss-silent@90020000: nothing, never over"
    assert lines[2].endswith("; beside it ovl-cpu-taken@centre")
    assert lines[3].startswith("3 drills")


def fields(one):
    return {name: getattr(one, name) for name in one.__struct_fields__}


@pytest.mark.parametrize(
    ("words", "complaints", "code"),
    [
        (["--diagnosis"], [], 1),
        (["--diagnosis", "--least", "2"], [], 0),
        (["--diagnosis", "--least", "3"], [], 1),
        (["--diagnosis", "--least", "2"], ["plain: {'lost': 1}"], 1),
        (["--diagnosis", "iss-says-91"], [], 0),
        (["--diagnosis", "iss-says-91", "iss-slow"], [], 1),
    ],
)
def test_too_few_or_lost_money_end_with_one(monkeypatch, capsys, words, complaints, code):
    def on_ground(ground, drills, seed, severity, judge):
        judge.played.extend(one for one in SOME if DRILLS[one.drill] in drills)
        yield from complaints if ground == "plain" else ()

    monkeypatch.setattr(run, "on_ground", on_ground)
    monkeypatch.setattr("sys.argv", ["run", *words])
    assert run.main() == code
    shown = capsys.readouterr()
    assert "named right" in shown.out.splitlines()[-1]
    assert all(one in shown.err for one in complaints)
