"""One direction of a connection comes out in order, whatever the network did to its segments."""

import random

import pytest

from posswitch.codec.reassembly import reassemble

DATA = bytes(range(256)) * 8


def segments(start: int, size: int = 100) -> list[tuple[int, bytes]]:
    return [((start + at) % (1 << 32), DATA[at : at + size]) for at in range(0, len(DATA), size)]


@pytest.mark.parametrize("start", [0, 1, 1 << 31, (1 << 32) - 500])
@pytest.mark.parametrize("seed", range(5))
def test_disorder_repeats_and_overlaps_are_put_right(start, seed):
    rng = random.Random(seed)
    sent = segments(start)
    sent += rng.sample(sent, 8)
    sent += [((start + 150) % (1 << 32), DATA[150:470])]
    rng.shuffle(sent)
    assert reassemble(sent) == [DATA]


def test_a_gap_begins_a_new_run():
    sent = segments(1000)
    assert reassemble(sent[:3] + sent[4:]) == [DATA[:300], DATA[400:]]


def test_nothing_is_nothing():
    assert reassemble([]) == []
    assert reassemble([(5, b"")]) == []
