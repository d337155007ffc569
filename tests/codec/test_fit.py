"""Framing and dialect are found on recordings whose answer is known, and the file that is printed works."""

import json

import pytest

from posswitch.base.errors import CodecError
from posswitch.codec import cut as cutting
from posswitch.codec import framed, load_dialect
from posswitch.codec.cut import cut
from posswitch.codec.fit import dialect_file, fits

from .captures import Recording, recording
from .samples import Sample, samples

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


def _readable() -> list[Sample]:
    rows = [param.values[0] for param in samples()]
    return [row for row in rows if isinstance(row, Sample) and not row.expected.get("error")]


# mixes an encoding a field, or has a field of another length class than any table: no variant says that
BEYOND = ("rkbalgi-1100-mixed", "jpos-87b-64")


@pytest.mark.parametrize(
    "sample", [row for row in _readable() if row.name not in BEYOND], ids=lambda row: row.name
)
def test_a_real_message_alone_is_recognised(sample, tmp_path):
    prefix = json.loads(sample.profile).get("length_prefix_bytes", 0)
    chunk = framed("bin2", sample.payload) if prefix else sample.payload
    best = fits([chunk])[0]
    assert best.framing == ("bin2" if prefix else "none")
    known = sample.dialect(tmp_path)
    meant, found = known.unpack(sample.payload), best.dialect.unpack(sample.payload)
    assert (found.mti, found.header) == (meant.mti, meant.header)
    for number, value in meant.fields.items():  # text or bytes is a matter of taste, the bytes are not
        assert found.fields[number] == value or (
            best.dialect.columns[number].encoding.write(found.fields[number])
            == known.columns[number].encoding.write(value)
        )


@pytest.mark.parametrize("unit", [b"0", b"\x00\x40", b"0040", b"\x00", b"0200"])
def test_the_work_is_bounded(unit, monkeypatch):
    """Counted, not timed: lengths looked at while one MiB of a hostile pattern is cut and fitted."""
    looked = [0]
    whole = cutting._length

    def counted(data, at, row):
        looked[0] += 1
        return whole(data, at, row)

    monkeypatch.setattr(cutting, "_length", counted)
    fits([unit * ((1 << 20) // len(unit))])
    assert looked[0] < 3_000_000


def test_it_is_deterministic():
    made = recording(7)
    assert fits(made.chunks) == fits(list(made.chunks))


@pytest.mark.parametrize(
    "chunk", [b"", b"\x00", b"hello world, this is no message", bytes(range(256)) * 8, b"\xff" * 5000]
)
def test_what_is_no_message_fits_nothing(chunk):
    assert [fit for fit in fits([chunk]) if fit.score > 60] == []
