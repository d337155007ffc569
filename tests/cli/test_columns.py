"""Columns stand under each other, in Chinese too."""

from types import SimpleNamespace

import pytest

from posswitch.cli import ping
from posswitch.cli.columns import padded, places
from posswitch.edge.path_verdict import Step


def test_a_chinese_letter_takes_two_places():
    assert [places(text) for text in ("", "ping", "网卡", "（1）")] == [0, 4, 4, 5]
    assert [places(padded(text, 10)) for text in ("ping", "网卡", "")] == [10, 10, 10]
    assert padded("longer than that", 4) == "longer than that"


@pytest.mark.parametrize("side", [0, 1])
def test_the_steps_of_ping_stand_under_each_other(side, monkeypatch):
    monkeypatch.setattr(ping, "_measured", lambda facts, step: "lo")
    steps = [
        Step("interface", "ok", "", 932.1),
        Step("icmp", "slow", "", 0.2),
        Step("tcp", "failed", "", 12.0),
    ]
    lines = [ping._step_line(SimpleNamespace(facts=None), step, side) for step in steps]
    assert {places(line.partition(" ms")[0]) for line in lines} == {31}
