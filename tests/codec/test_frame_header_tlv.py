"""Frames, headers and TLV: worked bytes, limits, damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import CodecError, FrameError
from posswitch.codec import (
    CupsHeader,
    Framer,
    cups_header,
    framed,
    pack_tlv,
    read_cups_header,
    swap_tpdu,
    unpack_tlv,
    walk_tlv,
)


def test_prefixes_as_written() -> None:
    assert framed("bin2", b"abc") == b"\x00\x03abc"
    assert framed("ascii4", b"abc") == b"0003abc"
    assert framed("ascii4", b"") == b"0000"


@given(
    st.lists(st.binary(max_size=40)),
    st.lists(st.integers(1, 30), min_size=1),
    st.sampled_from(["bin2", "ascii4"]),
)
def test_frames_do_not_depend_on_how_the_stream_is_cut(
    payloads: list[bytes], cuts: list[int], prefix: str
) -> None:
    framer = Framer(prefix, 40)
    stream = b"".join(framed(prefix, payload) for payload in payloads)
    got: list[bytes] = []
    turn = 0
    while stream:
        size = cuts[turn % len(cuts)]
        got += framer.feed(stream[:size])
        stream = stream[size:]
        turn += 1
    assert got == payloads
    assert framer.pending_bytes == 0


def test_a_zero_length_is_a_keep_alive() -> None:
    assert Framer("bin2", 10).feed(b"\x00\x00\x00\x01x") == [b"", b"x"]


def test_pending_counts_the_prefix_too() -> None:
    framer = Framer("bin2", 10)
    assert framer.feed(b"\x00") == []
    assert framer.pending_bytes == 1
    assert framer.feed(b"\x05ab") == []
    assert framer.pending_bytes == 4


@pytest.mark.parametrize(
    ("prefix", "data"), [("bin2", b"\x00\x0b"), ("ascii4", b"0011"), ("ascii4", b"GET ")]
)
def test_a_fault_ends_the_framer(prefix: str, data: bytes) -> None:
    framer = Framer(prefix, 10)
    for _ in range(2):
        with pytest.raises(FrameError):
            framer.feed(data)
        data = framed(prefix, b"good")


def test_what_was_complete_before_a_fault_is_not_lost() -> None:
    framer = Framer("bin2", 10)
    assert framer.feed(b"\x00\x01x\xff\xff") == [b"x"]
    with pytest.raises(FrameError):
        framer.feed(b"")


def test_a_payload_too_long_for_its_prefix() -> None:
    with pytest.raises(FrameError):
        framed("ascii4", bytes(10_000))
    with pytest.raises(FrameError):
        framed("bin2", bytes(65_536))


def test_tpdu_addresses_change_places() -> None:
    header = bytes.fromhex("6000030021603100311004")
    assert swap_tpdu(header).hex() == "6000210003603100311004"
    assert swap_tpdu(swap_tpdu(header)) == header
    with pytest.raises(CodecError):
        swap_tpdu(b"\x60")


def test_cups_header_as_written() -> None:
    header = cups_header("01020000", "00010000", 436)
    assert header == b"\x2e\x02048201020000   00010000   000000000000000000"
    assert read_cups_header(header + b"0200") == CupsHeader("01020000", "00010000", 482, "00000")


@pytest.mark.parametrize(("at", "byte"), [(0, 0x2D), (3, 0x41), (6, 0x20), (8, 0x41), (17, 0x00), (45, 0x20)])
def test_a_bad_header_says_where(at: int, byte: int) -> None:
    header = bytearray(cups_header("01020000", "00010000", 10))
    header[at] = byte
    with pytest.raises(CodecError) as caught:
        read_cups_header(bytes(header))
    assert (caught.value.field, caught.value.offset) == (None, at)


def test_a_header_that_cannot_be_written_or_read() -> None:
    for destination, body_bytes in (("", 1), ("1" * 12, 1), ("12x", 1), ("1", 9954), ("1", -1)):
        with pytest.raises(CodecError):
            cups_header(destination, "1", body_bytes)
    with pytest.raises(CodecError) as caught:
        read_cups_header(b"\x2e" * 45)
    assert caught.value.offset == 45


def test_tlv_as_written() -> None:
    data = bytes.fromhex("8202390095050000000000DF8129020102")
    objects = [("82", b"\x39\x00"), ("95", bytes(5)), ("DF8129", b"\x01\x02")]
    assert unpack_tlv(data) == objects
    assert pack_tlv(objects) == data
    assert unpack_tlv(b"\x00" + data + b"\x00\x00") == objects


def test_long_lengths_as_short_as_possible() -> None:
    for size, length in ((0x7F, "7f"), (0x80, "8180"), (0x100, "820100"), (0x10000, "83010000")):
        data = pack_tlv([("9F10", bytes(size))])
        assert data[2:].startswith(bytes.fromhex(length))
        assert unpack_tlv(data) == [("9F10", bytes(size))]


def test_a_walk_goes_outer_before_inner() -> None:
    inner = pack_tlv([("84", b"\x01"), ("A5", pack_tlv([("50", b"x")]))])
    walked = [(depth, tag) for depth, tag, _ in walk_tlv(pack_tlv([("6F", inner), ("9A", b"\x26")]))]
    assert walked == [(0, "6F"), (1, "84"), (1, "A5"), (2, "50"), (0, "9A")]


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        ("82", 1),
        ("9F", 0),
        ("8202", 2),
        ("820239", 2),
        ("8280", 1),
        ("828401000000", 1),
        ("8282", 1),
        ("9F8180800101", 0),
    ],
)
def test_bad_tlv_says_where(data: str, offset: int) -> None:
    with pytest.raises(CodecError) as caught:
        unpack_tlv(bytes.fromhex(data))
    assert caught.value.offset == offset


def test_depth_and_count_are_bounded() -> None:
    deep = b"\x82\x00"
    for _ in range(9):
        deep = pack_tlv([("E1", deep)])
    for data in (deep, b"\x82\x00" * 513, pack_tlv([("E1", b"\x82\x00" * 400), ("E1", b"\x82\x00" * 400)])):
        with pytest.raises(CodecError):
            list(walk_tlv(data))


@given(st.binary(max_size=120))
def test_any_bytes_are_tlv_or_a_codec_error(data: bytes) -> None:
    try:
        objects = unpack_tlv(data)
        assert unpack_tlv(pack_tlv(objects)) == objects
        list(walk_tlv(data))
    except CodecError:
        pass


def test_what_is_no_tag_is_not_packed() -> None:
    for tag in ("", "0", "00", "9F", "82FF", "ZZ"):
        with pytest.raises(CodecError):
            pack_tlv([(tag, b"")])
