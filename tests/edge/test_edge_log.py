"""The node's log: what people read in it."""

import json
import time

import pytest
import structlog

from posswitch.edge.log import log_to


@pytest.fixture
def line(tmp_path, monkeypatch):
    """What is logged becomes this line."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000_123_456_789)
    log_to(tmp_path / "node.log")

    def line(event, **values):
        structlog.get_logger().info(event, **values)
        return json.loads((tmp_path / "node.log").read_text("utf-8"))

    yield line
    structlog.reset_defaults()


def test_a_line_carries_beijing_time_and_no_card_number(line):
    assert line("ready", text="card 4000000000000002") == {
        "event": "ready",
        "text": "card 400000******0002",
        "timestamp": "2026-09-21T22:13:20.123+08:00",
    }
