"""Framing and dialect are found on recordings whose answer is known, and the file that is printed works."""

import pytest

from posswitch.base.errors import CodecError
from posswitch.codec import load_dialect
from posswitch.codec.cut import cut
from posswitch.codec.fit import dialect_file, fits

from .captures import Recording, recording

RECORDINGS = 200


def right(made: Recording) -> bool:
    """Whether the first place has the framing, and reads every message as it was meant."""
    found = fits(made.chunks)
    if not found or found[0].framing != made.framing:
        return False
    dialect = found[0].dialect
    for frame in cut(made.chunks, made.framing).frames:
        try:
            meant = made.dialect.unpack(frame)
        except CodecError:
            continue
        try:
            if dialect.unpack(frame) != meant:
                return False
        except CodecError:
            return False
    return True


def test_the_first_place_is_right_on_nearly_every_recording():
    wrong = [seed for seed in range(RECORDINGS) if not right(recording(seed))]
    assert len(wrong) <= RECORDINGS * 0.05, wrong


@pytest.mark.parametrize("seed", range(6))
def test_the_printed_file_is_the_dialect(seed, tmp_path):
    made = recording(seed)
    best = fits(made.chunks)[0]
    file = tmp_path / "found.toml"
    file.write_text(dialect_file(best), "utf-8")
    loaded = load_dialect(str(file))
    for frame in cut(made.chunks, best.framing).frames:
        try:
            message = best.dialect.unpack(frame)
        except CodecError:
            continue
        assert loaded.unpack(frame) == message
        assert loaded.pack(message) == frame


def test_it_is_deterministic():
    made = recording(7)
    assert fits(made.chunks) == fits(list(made.chunks))


@pytest.mark.parametrize(
    "chunk", [b"", b"\x00", b"hello world, this is no message", bytes(range(256)) * 8, b"\xff" * 5000]
)
def test_what_is_no_message_fits_nothing(chunk):
    assert [fit for fit in fits([chunk]) if fit.score > 60] == []
