"""A short demonstration with faults and a kill: every payment accounted for, nothing lost."""

import asyncio

import pytest
from demo_short import counted

from posswitch.base.errors import ConfigError
from posswitch.scheme.kinds import PAYMENT_KINDS
from posswitch.sim.demo import DemoOptions, run_demo


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return counted(tmp_path_factory.mktemp("demo"), seconds=8, kills=1)


def test_nothing_is_lost_doubled_or_unknown_and_the_journal_is_whole(report):
    assert {name: report[name] for name in ("lost", "duplicated", "unknown", "verify")} == {
        "lost": 0, "duplicated": 0, "unknown": 0, "verify": "ok",
    }  # fmt: skip


def test_purchases_are_the_sum_of_what_became_of_them(report):
    outcomes = ("approved", "declined", "reversed", "lost", "duplicated", "unknown")
    assert report["purchases"] == sum(report[name] for name in outcomes)
    paid = sum(report["kinds"].values())
    assert report["purchases"] == paid - report["kinds"]["balance"]  # an inquiry moves no money
    assert report["dialects"]["pos"] == paid


def test_kinds_came_in_all_dialects_and_every_batch_was_explained(report):
    kinds = set(report["kinds"])
    assert kinds <= set(PAYMENT_KINDS)
    assert len(kinds) >= 7, "a busy machine has not come to the rarest"
    assert set(report["dialects"]) == {"pos", "cups", "iso87a", "iso87b"}
    batches = report["batches"]
    assert batches["settled"] == batches["balanced"] + batches["uploaded"] > 0
    assert batches["unexplained"] == 0


def test_it_was_no_walk_in_the_park(report):
    assert report["purchases"] > 60  # a free machine comes to many more
    assert report["approved"] > report["purchases"] / 5
    assert min(report["declined"], report["reversed"]) > 0
    assert report["kills"] == 1
    assert report["in_flight_at_kill"][0] > 0
    assert len(report["manners"]) >= 5
    assert sum(report["line_faults"].values()) > 0


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="not empty"):
        asyncio.run(run_demo(DemoOptions(data=tmp_path, seconds=1)))
