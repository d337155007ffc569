"""Recorded bytes are cut into frames under every framing, also when they begin or end inside one."""

import random

import pytest

from posswitch.codec import PREFIXES, framed
from posswitch.codec.cut import cut

FRAMES = [random.Random(n).randbytes(60 + 7 * n) for n in range(8)]


@pytest.mark.parametrize("framing", PREFIXES)
def test_whole_frames(framing):
    stream = b"".join(framed(framing, frame) for frame in FRAMES)
    assert cut([stream], framing) == (framing, FRAMES, 0, 0, 0)


@pytest.mark.parametrize("framing", PREFIXES)
@pytest.mark.parametrize("front", [1, 9, 40])
@pytest.mark.parametrize("back", [0, 1, 30])
def test_a_part_of_a_frame_at_either_end(framing, front, back):
    stream = b"".join(framed(framing, frame) for frame in FRAMES)
    found = cut([stream[front : len(stream) - back]], framing)
    assert found.frames == FRAMES[1 : -1 if back else None]
    assert found.lost + found.open > 0


def test_keep_alives_are_counted_and_left_out():
    stream = b"0000" + framed("ascii4", FRAMES[0]) + b"0000"
    assert cut([stream], "ascii4") == ("ascii4", FRAMES[:1], 0, 0, 2)


def test_without_framing_a_chunk_is_a_frame():
    assert cut([*FRAMES, b""], "none").frames == FRAMES
