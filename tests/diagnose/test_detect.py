"""Detectors on counts of their own: what is healthy raises hardly anything, what is not is seen in time."""

import numpy as np
import pytest

from posswitch.diagnose.baseline import Baseline
from posswitch.diagnose.cube import SLICES_MAX, SLOW, STREAMS, Counts
from posswitch.diagnose.detect import ALARM, SUSPECT, Change, Detectors
from posswitch.diagnose.signals import Sort

from .streams import AT_NS, TICK_NS, TICK_S

WARM_S = 600


class Bench:
    """Slices that live by chance: `tps` outcomes a second each, a share of them bad."""

    def __init__(self, slices=1, tps=10.0, share=0.02, seed=1, parents=None):
        self.chance = np.random.default_rng(seed)
        self.tps = np.broadcast_to(float(tps), slices).copy()
        self.share = np.broadcast_to(float(share), slices).copy()
        self.noise = 0.0  # of the share, from tick to tick
        self.usual = Baseline(np.zeros(SLICES_MAX, np.int32))
        self.detectors = Detectors(self.usual)
        self.now_ns, self.stream = AT_NS, Sort.FAIL

    def counts(self, seconds):
        total = self.chance.poisson(self.tps * seconds).astype(float)
        share = self.share
        if self.noise:
            share = np.clip(share * np.exp(self.noise * self.chance.standard_normal(len(share))), 0, 1)
        failed = self.chance.binomial(total.astype(int), share)
        bad = np.zeros((len(total), STREAMS))
        bad[:, self.stream] = failed
        bad[:, Sort.GOOD] = total - (failed if self.stream != SLOW else 0)
        return Counts(bad, total, total, total)

    def tick(self, seconds=TICK_S):
        self.now_ns += int(seconds * 1e9)
        return self.detectors.look(self.now_ns, seconds, self.counts(seconds))

    def learn(self, seconds):
        """As after a start, when nobody knows what is usual."""
        for _ in range(int(seconds)):
            self.now_ns += 10**9
            self.detectors.learn(1.0, self.counts(1.0))

    def run(self, seconds, step=TICK_S):
        """The alarms that were raised newly."""
        raised, before = [], set()
        for _ in range(int(seconds / step)):
            alarms = self.tick(step)
            raised += [one for one in alarms if (one.place, one.stream, one.change) not in before]
            before = {(one.place, one.stream, one.change) for one in alarms}
        return raised

    def until(self, change, seconds=60, stream=None):
        """How long until the first slice is seen, in seconds."""
        for number in range(1, int(seconds / TICK_S) + 1):
            if any(one.change is change and stream in (None, one.stream) for one in self.tick()):
                return number * TICK_S
        return np.inf


def test_a_healthy_day_of_a_hundred_slices_raises_hardly_anything():
    bench = Bench(slices=100, tps=8.0, share=0.02)
    bench.run(WARM_S, 1.0)
    raised = bench.run(86_400, 4.0)
    assert len([one for one in raised if one.change is not Change.MUCH]) <= 1, raised
    assert len(raised) <= 2


@pytest.mark.parametrize(("share", "seconds"), [(1.0, 2), (0.3, 5), (0.1, 15)])
def test_a_failing_slice_of_ten_a_second_is_seen_in_time(share, seconds):
    delays = []
    for seed in range(12):
        bench = Bench(tps=10.0, share=0.005, seed=seed)
        bench.run(WARM_S, 1.0)
        bench.share[:] = share
        delays.append(bench.until(Change.BAD, stream=Sort.FAIL))
    assert np.median(delays) <= seconds, delays
    assert max(delays) <= 2.5 * seconds


def test_slow_answers_are_a_stream_of_their_own():
    bench = Bench(share=0.01)
    bench.stream = SLOW
    bench.run(WARM_S, 1.0)
    bench.share[:] = 0.9
    assert bench.until(Change.BAD, stream=SLOW) <= 2.5


def test_a_stall_of_a_moment_holds_many_answers_back_and_raises_nothing():
    bench = Bench(tps=300.0, share=0.002)
    bench.stream = SLOW
    bench.run(WARM_S, 1.0)
    for _ in range(20):
        bench.share[:] = 0.2
        assert not bench.tick()
        bench.share[:] = 0.002
        assert not bench.run(5.0)
    bench.share[:] = 0.2
    assert bench.until(Change.BAD, stream=SLOW) <= 1.0  # one that lasts


def test_where_it_is_bad_more_often_than_not_and_always_was_nothing_rings():
    bench = Bench(slices=2, tps=20.0, share=0.7)
    bench.learn(WARM_S)
    assert not bench.run(600.0)
    bench.share[:] = 0.3
    bench.run(7200.0, 1.0)
    bench.share[:] = 0.9
    assert bench.until(Change.BAD) <= 5.0  # where less is usual, it does


def test_silence_is_found_and_since_when():
    bench = Bench(tps=10.0)
    bench.run(WARM_S, 1.0)
    bench.tps[:] = 0.0
    began_ns = bench.now_ns
    assert bench.until(Change.LITTLE) <= 6
    (alarm,) = [one for one in bench.tick() if one.change is Change.LITTLE]
    assert abs(alarm.since_ns - began_ns) <= 4 * 10**9
    assert alarm.score >= ALARM


def test_five_times_the_usual_is_much_and_becomes_usual_in_a_while():
    bench = Bench(tps=10.0)
    bench.run(WARM_S, 1.0)
    bench.tps[:] = 50.0
    assert bench.until(Change.MUCH) <= 5
    assert bench.usual.rate(1)[0] < 20
    bench.run(540, 1.0)
    assert bench.usual.rate(1)[0] < 20  # it is still suspected
    bench.run(1800, 1.0)
    assert bench.usual.rate(1)[0] == pytest.approx(50, rel=0.2)
    assert bench.tick() == []


def test_what_is_suspected_is_not_learned():
    bench = Bench(tps=10.0, share=0.01)
    bench.run(WARM_S, 1.0)
    before = bench.usual.share(1)[0, Sort.FAIL]
    bench.share[:] = 0.6
    bench.run(300, 1.0)
    assert bench.detectors.suspected(1)[0]
    assert bench.usual.share(1)[0, Sort.FAIL] < before + 0.03
    bench.share[:] = 0.01
    bench.run(240, 1.0)
    assert not bench.detectors.suspected(1)[0]
    assert bench.tick() == []


def test_a_young_slice_raises_nothing_about_what_banks_differ_in():
    bench = Bench(slices=2, tps=5.0, share=0.05)
    bench.stream = Sort.DECLINE
    bench.share[1] = 0.35
    raised = bench.run(40)
    assert [one for one in raised if one.place == 1 and one.change is Change.BAD] == []
    assert bench.run(WARM_S, 1.0) == []
    assert bench.usual.share(2)[1, Sort.DECLINE] > 0.2


def test_a_young_slice_says_nothing_of_volume():
    bench = Bench(tps=10.0)
    bench.run(50)
    bench.tps[:] = 0.0
    assert bench.run(5) == []


def test_what_varies_more_than_chance_raises_the_line():
    calm, lively = Bench(tps=100.0, share=0.08), Bench(tps=100.0, share=0.08)
    lively.noise = 0.4
    for bench in (calm, lively):
        bench.learn(60)
        bench.run(3600, 1.0)
    assert calm.usual.spread(1)[0, Sort.FAIL] < 1.5
    assert lively.usual.spread(1)[0, Sort.FAIL] > 1.8
    for bench in (calm, lively):
        bench.noise, bench.share[:] = 0.0, 0.2
    assert calm.until(Change.BAD) < lively.until(Change.BAD)


def test_what_was_given_to_another_begins_anew():
    bench = Bench(slices=2, share=0.01)
    bench.run(WARM_S, 1.0)
    bench.share[1] = 1.0
    bench.run(10)
    assert bench.detectors.suspected(2)[1]
    bench.detectors.forget([1])
    bench.usual.begin([1])
    assert not bench.detectors.suspected(2).any()
    assert bench.usual.rate(2)[1] == 0.0
    assert bench.usual.share(2)[1, Sort.FAIL] == pytest.approx(bench.usual.share(2)[0, Sort.FAIL])


def test_a_month_without_traffic_leaves_figures_and_what_was_known():
    bench = Bench(tps=10.0, share=0.02)
    bench.run(WARM_S, 1.0)
    before = bench.usual.share(1)[0, Sort.FAIL]
    bench.tps[:] = 0.0
    nothing = Counts(np.zeros((1, STREAMS)), np.zeros(1), np.zeros(1), np.zeros(1))
    for _ in range(3000):
        bench.usual.learn(1000.0, nothing, np.zeros(1, bool))
    after = bench.usual.share(1)
    assert np.isfinite(after).all()
    assert after[0, Sort.FAIL] == pytest.approx(before, rel=0.2)
    with np.errstate(all="raise"):
        bench.tick()


def test_sums_are_bounded_and_the_way_back_is_short():
    bench = Bench(tps=200.0, share=0.005)
    bench.run(WARM_S, 1.0)
    bench.share[:] = 1.0
    bench.run(120)
    assert bench.detectors._bad.max() <= 2 * ALARM
    bench.share[:] = 0.005
    bench.run(8)
    assert bench.detectors._bad.max() < SUSPECT


def test_ticks_of_any_length_count_the_same():
    assert int(TICK_S * 1e9) == TICK_NS
    fine, coarse = Bench(tps=10.0, seed=5), Bench(tps=10.0, seed=5)
    fine.run(WARM_S)
    coarse.run(WARM_S, 1.0)
    assert fine.usual.rate(1)[0] == pytest.approx(coarse.usual.rate(1)[0], rel=0.15)
