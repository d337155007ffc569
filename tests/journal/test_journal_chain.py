"""The chain and the head file: what a key signs, and what is left after a torn or foreign write."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import JournalError
from posswitch.journal.chain import GENESIS, HEAD_BYTES, Chain, Head, HeadFile, read_head
from posswitch.journal.disk import MACHINE

KEY = b"k" * 32
LINK = b"l" * 32
SLOT_BYTES = 72


@given(st.binary(max_size=64), st.binary(max_size=200))
def test_a_signature_is_hmac_sha256(key, data):
    assert Chain(key).sign(data) == hmac.digest(key, data, hashlib.sha256)


def test_a_link_covers_everything_before_it():
    chain = Chain(KEY)
    links = {
        chain.link(GENESIS, 1, b"body"),
        chain.link(LINK, 1, b"body"),
        chain.link(GENESIS, 2, b"body"),
        chain.link(GENESIS, 1, b"bodY"),
        Chain(b"other").link(GENESIS, 1, b"body"),
    }
    assert len(links) == 5
    assert chain.link(GENESIS, 1, b"body") == chain.link(GENESIS, 1, b"body")


def head_file(path, *seqs) -> Chain:
    """A head file into which these heads were written in turn."""
    chain = Chain(KEY)
    file = HeadFile(MACHINE.slots(path, HEAD_BYTES), chain)
    for seq in seqs:
        file.write(Head(seq, LINK))
    file.close()
    return chain


def test_a_new_head_file_says_nothing(tmp_path):
    chain = head_file(tmp_path / "head")
    with pytest.raises(JournalError, match="no signature fits"):
        read_head((tmp_path / "head").read_bytes(), chain)


@pytest.mark.parametrize("seqs", [(1,), (1, 2), (2, 3), (7, 8, 9), (1, 2, 2)])
def test_the_last_head_is_read(tmp_path, seqs):
    chain = head_file(tmp_path / "head", *seqs)
    assert read_head((tmp_path / "head").read_bytes(), chain) == Head(seqs[-1], LINK)
    file = HeadFile(MACHINE.slots(tmp_path / "head", HEAD_BYTES), chain)
    assert file.read() == Head(seqs[-1], LINK)
    file.close()


@pytest.mark.parametrize("offset", [0, 7, 8, 39, 40, 71])
def test_a_torn_slot_leaves_the_head_before_it(tmp_path, offset):
    path = tmp_path / "head"
    chain = head_file(path, 8, 9)
    data = bytearray(path.read_bytes())
    slot = data.index((9).to_bytes(8, "big"))
    data[slot + offset] ^= 1
    path.write_bytes(data)
    assert read_head(path.read_bytes(), chain) == Head(8, LINK)


@given(st.lists(st.booleans(), max_size=30))
def test_the_last_durable_head_is_never_written_over(acts):
    """Whatever is torn since the last sync: a power cut leaves at least what was durable then."""
    chain, slots = Chain(KEY), Page()
    file = HeadFile(slots, chain)
    file.write(Head(1, LINK))
    file.sync()
    for seq, syncs in enumerate(acts, 2):
        file.write(Head(seq, LINK))
        if syncs:
            file.sync()
        assert slots.written <= {0, 1, 2}
        for torn in slots.written:
            left = bytearray(slots.data)
            for slot in slots.written | {torn}:
                left[slot * SLOT_BYTES + 9] ^= 1
            assert read_head(bytes(left), chain).seq == slots.durable_seq
        again = HeadFile(slots.opened(), chain)
        assert again.read() == Head(seq, LINK)


class Page:
    """Slots in memory that know what no sync has written."""

    def __init__(self):
        self.found, self.data, self.written, self.durable_seq = b"", bytearray(HEAD_BYTES), set(), 0
        self._seq = 0

    def write(self, at, data):
        self.data[at : at + len(data)] = data
        self.written.add(at // SLOT_BYTES)
        self._seq = int.from_bytes(data[:8], "big")

    def sync(self):
        self.written.clear()
        self.durable_seq = self._seq

    def opened(self):
        other = Page()
        other.found, other.data = bytes(self.data), bytearray(self.data)
        return other


def test_a_head_file_of_another_key_is_refused(tmp_path):
    head_file(tmp_path / "head", 8, 9)
    with pytest.raises(JournalError, match="signature"):
        read_head((tmp_path / "head").read_bytes(), Chain(b"another key"))


def test_two_spoiled_slots_are_refused(tmp_path):
    path = tmp_path / "head"
    chain = head_file(path, 8, 9)
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    with pytest.raises(JournalError):
        read_head(path.read_bytes(), chain)


def test_the_head_file_is_its_owners(tmp_path):
    head_file(tmp_path / "head", 1)
    assert (tmp_path / "head").stat().st_mode & 0o077 == 0
