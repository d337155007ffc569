"""Every sample decodes to what it means, packs to the same bytes, and fails well when it is damaged."""

from pathlib import Path

import pytest

from posswitch.base.errors import CodecError
from posswitch.codec import Framer, decode_json, framed

from .samples import Sample, samples

_ALL = pytest.mark.parametrize("sample", samples())


@_ALL
def test_a_sample_decodes_and_packs_back_or_names_field_and_offset(sample: Sample, tmp_path: Path) -> None:
    dialect = sample.dialect(tmp_path)
    if sample.expected.get("error"):
        with pytest.raises(CodecError) as caught:
            dialect.unpack(sample.payload)
        assert (caught.value.field, caught.value.offset) == (
            sample.expected["field"],
            sample.expected["offset"],
        )
        return
    decoded = decode_json(dialect, sample.payload.hex(), reveal=True)
    assert decoded == {"mti": sample.expected["mti"], "fields": sample.expected["fields"]}
    message = dialect.unpack(sample.payload)
    assert message.header.hex().upper() == sample.expected.get("header_hex", "")
    assert dialect.pack(message) == sample.payload


@_ALL
def test_every_cut_is_a_codec_error_with_an_offset_inside(sample: Sample, tmp_path: Path) -> None:
    dialect = sample.dialect(tmp_path)
    for length in range(len(sample.payload)):
        with pytest.raises(CodecError) as caught:
            dialect.unpack(sample.payload[:length])
        assert caught.value.offset is not None
        assert 0 <= caught.value.offset <= length


@_ALL
def test_a_byte_too_many_is_an_error_at_that_byte(sample: Sample, tmp_path: Path) -> None:
    if sample.expected.get("error"):
        return
    with pytest.raises(CodecError) as caught:
        sample.dialect(tmp_path).unpack(sample.payload + b"0")
    assert (caught.value.field, caught.value.offset) == (None, len(sample.payload))


@_ALL
@pytest.mark.parametrize("prefix", ["bin2", "ascii4"])
def test_a_sample_comes_whole_out_of_single_bytes(sample: Sample, prefix: str) -> None:
    framer = Framer(prefix, 4096)
    stream = framed(prefix, sample.payload) * 2
    got = [frame for byte in stream for frame in framer.feed(bytes((byte,)))]
    assert got == [sample.payload, sample.payload]
    assert framer.pending_bytes == 0
