"""Work and memory of the codec grow no faster than the bytes it is given, whatever they are."""

import contextlib
import random
import sys
import tracemalloc

import pytest

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.errors import CodecError
from posswitch.codec import BUILT_IN, Framer, Message, framed, load_dialect

CALLS_PER_FIELD = 10  # of Python or C functions
CALLS_BESIDE = 1_500  # the plan of a bitmap never seen before
PEAK_BYTES_PER_BYTE = 16
PEAK_BYTES_BESIDE = 20_000  # the same plan


def calls_of(action) -> int:
    """How many functions are called: a measure of work that no other load on the machine changes."""
    count = 0

    def counting(_frame, event, _arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def whatever(dialect, payload: bytes) -> None:
    with contextlib.suppress(CodecError):
        dialect.unpack(payload)


def hostile(dialect, entropy: random.Random, size: int) -> bytes:
    """Bytes that begin like a message and go on as they like."""
    start = dialect.pack(Message("0200", {3: "000000", 11: "000001"}, bytes(dialect.header_bytes)))
    body = bytes(entropy.choice(b"0123456789\x00\x10\x99\xffD ") for _ in range(size))
    cut = entropy.randrange(dialect.header_bytes, len(start))
    return (start[:cut] + body)[:size]


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_any_bytes_cost_work_by_the_field_and_memory_by_the_byte(name):
    dialect = load_dialect(name)
    entropy = random.Random(name)
    for number in range(150):
        payload = hostile(dialect, entropy, entropy.choice((64, 512, 2048, FRAME_BYTES_MAX)))
        work = calls_of(lambda payload=payload: whatever(dialect, payload))
        assert work <= CALLS_BESIDE + CALLS_PER_FIELD * 128, number
        tracemalloc.start()
        whatever(dialect, payload)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= PEAK_BYTES_BESIDE + PEAK_BYTES_PER_BYTE * len(payload), number


def test_twice_the_frames_are_twice_the_work():
    stream = framed("bin2", bytes(300)) * 200

    def fed(data: bytes, chunk: int) -> int:
        framer = Framer("bin2", FRAME_BYTES_MAX)
        return calls_of(lambda: [framer.feed(data[at : at + chunk]) for at in range(0, len(data), chunk)])

    for chunk in (1, 7, 1000):
        once, twice = fed(stream, chunk), fed(stream * 2, chunk)
        assert once * 1.8 <= twice <= once * 2.2


def test_an_endless_frame_is_not_collected():
    framer = Framer("bin2", FRAME_BYTES_MAX)
    framer.feed(FRAME_BYTES_MAX.to_bytes(2, "big"))
    for _ in range(FRAME_BYTES_MAX - 1):
        framer.feed(b"x")
        assert framer.pending_bytes <= FRAME_BYTES_MAX + 2
