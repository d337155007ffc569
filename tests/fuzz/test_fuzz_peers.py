"""Hostile HSMs and TLS peers: the targets about them see an edge that forgets, leaks or falls over."""

import pytest

from posswitch.edge.connector import Links
from posswitch.edge.doorstep import Doorstep
from posswitch.edge.gate import Gate
from posswitch.edge.hsm_link import NetworkHsm
from posswitch.edge.wire import Wire

from . import tls_flights
from .hsm_answers import lied_to, lies
from .hunt import tried
from .targets import TARGETS, seeds_of


def first_escape(name):
    """What the seeds of a target bring to light."""
    return next((escape.what for seed in seeds_of(name) if (escape := tried(name, seed.data))), None)


def nothing(*_):
    """What a forgetful switch does."""


@pytest.fixture
def anew(monkeypatch):
    """Ground of its own, on which things may break, and little patience."""
    monkeypatch.setattr(tls_flights, "_PATIENCE_S", 0.5)
    tls_flights.leave()
    yield
    tls_flights.leave()


def trusts(pool, wire, payload):
    """Every answer belongs to a question."""
    if payload[:4] != b"NCNC":
        pool._waiting[int(payload[:4], 16)]
    ANSWERED(pool, wire, payload)


HSM_HOLES = {
    "lost connections are kept": ("lost", nothing, "connections pile up"),
    "deadlines are not looked at": ("_sweep", nothing, "work does not end"),
    "a stranger's tag is an error": ("answered", trusts, "in a callback"),
}
ANSWERED = NetworkHsm.answered


@pytest.mark.parametrize(("part", "how", "complaint"), HSM_HOLES.values(), ids=HSM_HOLES)
def test_an_hsm_link_with_a_hole_is_seen(monkeypatch, part, how, complaint):
    monkeypatch.setattr(NetworkHsm, part, how)
    assert complaint in first_escape("hsm-link")


def test_work_that_ends_twice_is_seen(monkeypatch):
    def twice(pool, job, error):
        job.failed(error)
        failed(pool, job, error)

    failed = NetworkHsm._fail
    monkeypatch.setattr(NetworkHsm, "_fail", twice)
    assert "work ends twice" in first_escape("hsm-link")


TLS_HOLES = {
    "the gate keeps who has gone": ("tls-door", Gate, "leave", nothing, "a connection stays behind"),
    "a handshake is never over": ("tls-door", Doorstep, "_ended", nothing, "a connection stays behind"),
    "a frame is not looked at": ("tls-door", Wire, "_take", lambda wire: wire._in.popleft()[9], "cut off"),
    "a bank's frame is not looked at": (
        "tls-link",
        Wire,
        "_take",
        lambda wire: wire._in.popleft()[9],
        "(AssertionError)",
    ),
}


@pytest.mark.parametrize(("name", "kind", "part", "how", "complaint"), TLS_HOLES.values(), ids=TLS_HOLES)
def test_an_edge_with_a_hole_is_seen(anew, monkeypatch, name, kind, part, how, complaint):
    monkeypatch.setattr(kind, part, how)
    assert complaint in first_escape(name)


def test_links_that_are_not_closed_are_seen(anew, monkeypatch):
    async def stop(links):
        for task in links._tasks:
            task.cancel()

    monkeypatch.setattr(Links, "stop", stop)
    assert "a connection stays behind" in first_escape("tls-link")


def test_the_same_lies_come_to_the_same():
    results = [[lied_to(seed.data) for seed in lies()[:30]] for _ in range(2)]
    assert results[0] == results[1]
    assert {"hsm-link", "tls-door", "tls-link"} <= TARGETS.keys()
