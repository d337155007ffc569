"""Counts by slice: the same as a naive count, caps; what a terminal counts; slices given on."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from posswitch.diagnose import cube as room
from posswitch.diagnose.cube import AGAIN, SLICES_MAX, SLOW, Cube, Marks
from posswitch.diagnose.signals import Dim, Sort

from .streams import AT_NS, TICK_NS

SINGLE = [dims for dims in room._CAPS if len(dims) == 1]
PAIRS = [dims for dims in room._CAPS if len(dims) == 2]


def outcomes(chance, count, values):
    columns = chance.integers(0, values, (len(Dim), count)).astype(np.int32)
    columns[Dim.TERMINAL] = chance.permutation(100_000)[:count] + 1  # each fails once only
    sorts = chance.integers(0, len(Sort), count).astype(np.int32)
    asked, again = chance.random(count) < 0.6, chance.random(count) < 0.2
    stale = (sorts > Sort.GOOD) & (chance.random(count) < 0.2)
    return columns, sorts, Marks(asked & (chance.random(count) < 0.3), asked, again, stale)


def none(count):
    return Marks(*[np.zeros(count, bool)] * 4)


def naive(columns, sorts, marks):
    """Slice and stream → count; slice → answers."""
    bad, answered = Counter(), Counter()
    for row, sort in enumerate(sorts):
        if sort == Sort.NOTHING and not marks.again[row]:
            continue
        places = [()]
        for dims in room._CAPS:
            values = tuple(int(columns[dim][row]) for dim in dims)
            if all(values):
                places.append(tuple(zip(dims, values, strict=True)))
        for place in places:
            bad[place, AGAIN] += int(marks.again[row])
            if sort == Sort.NOTHING or marks.stale[row]:
                continue
            bad[place, int(sort)] += 1
            bad[place, SLOW] += int(marks.slow[row])
            answered[place] += int(marks.asked[row])
    return bad, answered


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 120), st.integers(2, 9))
def test_counts_are_those_of_a_naive_count(seed, count, values):
    chance, cube = np.random.default_rng(seed), Cube()
    for number in range(3):
        one = outcomes(chance, count, values)
        counts = cube.count(AT_NS + number * TICK_NS, *one)
        bad, answered = naive(*one)
        for place, where in enumerate(cube.slices):
            if where and where[0][0] in (Dim.TERMINAL, Dim.MERCHANT):
                continue  # from their first trouble on only
            assert [bad[where, stream] for stream in range(room.STREAMS)] == counts.bad[place].tolist(), where
            assert counts.answered[place] == answered[where]
            assert counts.total[place] == sum(bad[where, sort] for sort in range(Sort.NOTHING))
        known = {where for where, _ in bad if not where or where[0][0] not in (Dim.TERMINAL, Dim.MERCHANT)}
        assert known <= set(cube.slices)
        assert all(cube.find(where) == place for place, where in enumerate(cube.slices))


def test_a_merchant_counts_from_its_first_trouble_on_with_all_it_does():
    chance, cube = np.random.default_rng(3), Cube()
    columns, sorts, _ = outcomes(chance, 200, 4)
    sorts[:] = Sort.GOOD
    cube.count(AT_NS, columns, sorts, none(200))
    assert cube.values(Dim.MERCHANT) == {}
    sorts[np.flatnonzero(columns[Dim.MERCHANT] == 2)[0]] = Sort.FAIL
    counts = cube.count(AT_NS + 1, columns, sorts, none(200))
    assert list(cube.values(Dim.MERCHANT)) == [2]
    assert counts.total[cube.find(((Dim.MERCHANT, 2),))] == (columns[Dim.MERCHANT] == 2).sum()


def test_every_cap_holds_and_what_has_no_slice_is_counted_in_the_whole():
    chance, cube = np.random.default_rng(4), Cube()
    for number in range(0, 60, 10):
        columns = chance.integers(1, 6000, (len(Dim), 3000)).astype(np.int32)
        columns[Dim.TERMINAL] = chance.permutation(6000)[:3000] + 1
        sorts = chance.integers(0, 2, 3000).astype(np.int32)
        counts = cube.count(AT_NS + number * 10**9, columns, sorts, none(3000))
        for dims, cap in room._CAPS.items():
            assert len(cube._slot[dims]) <= cap
        assert len(cube.slices) <= SLICES_MAX
        assert counts.total[0] == 3000
    full = {dims: cap for dims, cap in room._CAPS.items() if len(dims) == 1}
    assert all(len(cube._slot[dims]) == cap for dims, cap in full.items())
    assert all(len(cube._last_ill[dims]) == room._CAPS[dims] for dims in room._TROUBLED_ONLY)


def tries(cube, at_ns, terminal, times, sort=Sort.FAIL):
    columns = np.ones((len(Dim), times), np.int32)
    columns[Dim.TERMINAL] = terminal
    return cube.count(at_ns, columns, np.full(times, sort, np.int32), none(times))


def test_a_terminal_that_fails_again_and_again_counts_twice_in_ten_seconds_elsewhere():
    cube = Cube()
    bank, own = ((Dim.BANK, 1),), ((Dim.TERMINAL, 7),)
    seen = [tries(cube, AT_NS + number * 10**9, 7, 3) for number in range(10)]
    assert sum(counts.bad[cube.find(bank), Sort.FAIL] for counts in seen) == 2
    assert sum(counts.bad[0, Sort.FAIL] for counts in seen) == 2
    assert sum(counts.bad[cube.find(own), Sort.FAIL] for counts in seen) == 30
    assert all(counts.came[cube.find(bank)] == 3 for counts in seen)  # volume is volume
    later = tries(cube, AT_NS + 10 * 10**9, 7, 3)
    assert later.bad[0, Sort.FAIL] == 2
    assert tries(cube, AT_NS + 11 * 10**9, 7, 5, Sort.GOOD).bad[0, Sort.GOOD] == 5
    assert tries(cube, AT_NS + 11 * 10**9, 8, 5).bad[0, Sort.FAIL] == 2
    assert tries(cube, AT_NS + 11 * 10**9, 0, 5).bad[0, Sort.FAIL] == 5  # nobody knows whose


def test_a_clock_that_goes_back_does_not_silence_a_terminal():
    cube = Cube()
    tries(cube, AT_NS, 7, 5)
    assert tries(cube, AT_NS - 3600 * 10**9, 7, 1).bad[0, Sort.FAIL] == 1


def test_the_terminal_that_was_well_for_longest_gives_its_slice_to_another_that_begins_anew(monkeypatch):
    monkeypatch.setitem(room._CAPS, (Dim.TERMINAL,), 3)
    cube = Cube()
    for number, terminal in enumerate((11, 12, 13, 11)):
        tries(cube, AT_NS + number, terminal, 1)
    old = cube.find(((Dim.TERMINAL, 12),))
    counts = tries(cube, AT_NS + 9, 14, 2)
    assert cube.find(((Dim.TERMINAL, 12),)) == -1
    assert cube.find(((Dim.TERMINAL, 14),)) == old
    assert cube.slices[old] == ((Dim.TERMINAL, 14),)
    assert cube.reborn == [old]
    assert counts.bad[old, Sort.FAIL] == 2
    assert cube.find(((Dim.TERMINAL, 11),)) >= 0
    tries(cube, AT_NS + 10, 14, 1)
    assert cube.reborn == []


def test_no_traffic_counts_nothing():
    nothing = np.zeros(0, np.int32)
    counts = Cube().count(AT_NS, np.zeros((len(Dim), 0), np.int32), nothing, none(0))
    assert counts.total.tolist() == [0.0]
    assert not counts.bad.any()
