"""No bytes escape: what once did is replayed, and every target is hunted for a while; more under `slow`."""

import random
import statistics
import sys
from pathlib import Path

import pytest

from .hunt import Bag, Escape, Watch, block, smaller, tried
from .mutations import mutated
from .plain import hunted
from .targets import TARGETS, seeds_of

CRASHERS = sorted((Path(__file__).parent / "crashers").glob("*.bin"))
# A file each, or a search in each, or a node's edge that is built for each.
SLOW_TO_READ = ("dialect-file", "config-file", "explain", "cut", "fit", "hsm-link", "tls-door", "tls-link")
QUICK = [name for name in TARGETS if name != "fit"]  # which takes half a second an input
SHORT_RUNS, SHORT_RUNS_WHERE_SLOW = 1_000, 12
SHORT_RUNS_OF = {"hsm-link": 200, "tls-door": 120, "tls-link": 120}  # 10 ms each
LONG_RUNS, LONG_RUNS_WHERE_SLOW, LONG_RUNS_OF_FIT = 100_000, 1_000, 50
CALLS_BESIDE, CALLS_PER_BYTE = 8_000, 40  # of functions: the plan of a new bitmap, dressing for three banks
CALLS_BESIDE_WHERE_SLOW, CALLS_PER_BYTE_WHERE_SLOW = 400_000, 3_000  # every way to read, at every byte
MUCH_DEARER = 4  # than its weight says: it would eat the others' time, or get none of it
SAMPLE, SAMPLE_WHERE_SLOW = 40, 3


def target_of(crasher: Path) -> str:
    """`admission--0a1b2c3d.bin` is for the target before the dashes."""
    return crasher.name.partition("--")[0]


def long_runs(name: str) -> int:
    """Inputs of a long hunt: a minute or less of each target."""
    if name in QUICK:
        return LONG_RUNS_WHERE_SLOW if name in SLOW_TO_READ else LONG_RUNS
    return LONG_RUNS_OF_FIT


def calls_of(name: str, data: bytes) -> int:
    """How many functions one input costs: a measure that no other load on the machine changes."""
    count = 0

    def counting(_frame, event, _arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        assert tried(name, data) is None
    finally:
        sys.setprofile(None)
    return count


def calls_of_an_input(name: str) -> float:
    """On average, of a few."""
    bits = random.Random(name).getrandbits
    few = max(SAMPLE_WHERE_SLOW, min(SAMPLE, 10 * SAMPLE // TARGETS[name].cost))
    inputs = [mutated(bits, seeds_of(name), TARGETS[name].words) for _ in range(few)]
    return statistics.mean(calls_of(name, data) for data in inputs)


def test_the_cost_of_a_target_is_about_what_its_inputs_take():
    calls = {name: calls_of_an_input(name) for name in QUICK}
    usual = statistics.median(count for name, count in calls.items() if TARGETS[name].cost == 1)
    times = {name: calls[name] / usual / TARGETS[name].cost for name in QUICK}
    assert {name: round(found, 1) for name, found in times.items() if found > MUCH_DEARER} == {}
    dear = [name for name in QUICK if TARGETS[name].cost > 1]
    assert {name: round(times[name], 1) for name in dear if times[name] < 1 / MUCH_DEARER} == {}


@pytest.mark.parametrize("crasher", CRASHERS, ids=lambda path: path.stem)
def test_what_once_escaped_does_not(crasher):
    assert tried(target_of(crasher), crasher.read_bytes()) is None


@pytest.mark.parametrize("name", QUICK)
def test_seeds_are_read(name):
    seeds = seeds_of(name)[:4] if name in SLOW_TO_READ and name not in SHORT_RUNS_OF else seeds_of(name)
    assert [escape for seed in seeds if (escape := tried(name, seed.data))] == []
    read = sum(TARGETS[name].read(seed.data) for seed in seeds)
    assert read * 2 >= len(seeds) * 0.9  # a bank's management and its returned messages end before an event


@pytest.mark.parametrize("name", QUICK)
def test_a_short_hunt_finds_nothing(name):
    runs = SHORT_RUNS_OF.get(name) or (SHORT_RUNS_WHERE_SLOW if name in SLOW_TO_READ else SHORT_RUNS)
    report = hunted(name, seed=1, runs=runs)
    assert report["escapes"] == []
    assert report["runs"] == runs
    assert report["read"] <= runs
    assert report["read"] or name == "config-file"  # hardly a change leaves a file that a switch starts from


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_long_hunt_finds_nothing(name):
    report = hunted(name, seed=2, runs=long_runs(name))
    assert report["escapes"] == []


@pytest.mark.parametrize("name", QUICK)
def test_work_grows_with_the_bytes(name):
    bits = random.Random(3).getrandbits
    sample, beside, by_byte = SAMPLE, CALLS_BESIDE, CALLS_PER_BYTE
    if name in SLOW_TO_READ:
        sample, beside, by_byte = SAMPLE_WHERE_SLOW, CALLS_BESIDE_WHERE_SLOW, CALLS_PER_BYTE_WHERE_SLOW
    for _ in range(sample):
        data = mutated(bits, seeds_of(name), TARGETS[name].words)
        assert calls_of(name, data) <= beside + by_byte * len(data), data.hex()


# The hunt itself bites.


def test_the_same_seed_gives_the_same_inputs():
    def inputs(seed: int) -> list[bytes]:
        bits = random.Random(seed).getrandbits
        return [mutated(bits, seeds_of("unpack-pos"), ()) for _ in range(300)]

    assert inputs(1) == inputs(1) != inputs(2)


@pytest.fixture
def planted(monkeypatch):
    """A target that fails on what the mutator needs a few tries for."""

    def read(data: bytes) -> bool:
        if data.count(b"\xff") > 0:
            raise IndexError("planted")
        return True

    seeds_of("tlv")
    monkeypatch.setitem(TARGETS, "tlv", TARGETS["tlv"]._replace(read=read))


def test_an_escape_is_found_named_and_made_small(planted, tmp_path):
    report = hunted("tlv", seed=1, runs=2_000, keep=tmp_path)
    (escape,) = report["escapes"]
    assert escape["what"] == "IndexError: planted"
    assert escape["hex"] == "ff"
    assert escape["times"] > 10
    assert Path(escape["file"]).read_bytes() == b"\xff"
    assert target_of(Path(escape["file"])) == "tlv"


def test_an_endless_input_is_ended(monkeypatch):
    def read(data: bytes) -> bool:
        while True:
            pass

    monkeypatch.setitem(TARGETS, "tlv", TARGETS["tlv"]._replace(read=read))
    with Watch(0.02).on() as watch:
        _, found = block("tlv", 1, 0, 1, watch)
    assert [escape.what.partition(":")[0] for escape in found.values()] == ["TooMuchWork"]


def test_the_smaller_input_is_the_same_finding():
    def again(name: str, data: bytes) -> Escape | None:
        return Escape(name, "KeyError: x", "here:f", data) if b"ab" in data else None

    assert smaller(Escape("tlv", "KeyError: y", "here:f", b"xxxxabyyyyy"), again).data == b"ab"
    bag = Bag()
    assert bag.take(Escape("tlv", "KeyError: x", "here:f", b"1"))
    assert not bag.take(Escape("tlv", "KeyError: y", "here:f", b"2", times=3))
    assert bag["tlv", "KeyError", "here:f"].times == 4
