"""The keyed chain over the records, and the head file that says how far it had come."""

import hashlib
import hmac
from typing import NamedTuple

from posswitch.base.errors import JournalError
from posswitch.journal.disk import Slots

GENESIS = b"\0" * 32
_SLOT_BYTES = 8 + 32 + 32
_SLOTS = 3
HEAD_BYTES = _SLOTS * _SLOT_BYTES


class Chain:
    """HMAC-SHA256 (RFC 2104) with the key's two blocks hashed once: a third of the price of `hmac.digest`."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        assert len(block) == 64, "longer keys would have to be hashed first"
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def sign(self, data: bytes) -> bytes:
        """The 32-byte MAC of `data`."""
        inner = self._inner.copy()
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def link(self, previous: bytes, seq: int, body: bytes) -> bytes:
        """The MAC over the previous link, the record's number and its bytes."""
        return self.sign(previous + seq.to_bytes(8, "big") + body)


class Head(NamedTuple):
    """The last record that was committed, and its link."""

    seq: int
    link: bytes


class HeadFile:
    """Three signed slots: the last durable head stays where it is, the newer ones take turns beside it.

    So no torn write, and no power cut that tears several, loses all of them.
    """

    def __init__(self, slots: Slots, chain: Chain) -> None:
        self._chain = chain
        self._slots = slots
        self.blank = not any(slots.found)  # new, or of a start that ended before its first head
        self._newest = self._durable = 0

    def write(self, head: Head) -> None:
        """Notes a committed head: safe from a killed process at once, from a power cut after `sync`."""
        data = head.seq.to_bytes(8, "big") + head.link
        self._newest = next(slot for slot in range(_SLOTS) if slot not in (self._newest, self._durable))
        self._slots.write(self._newest * _SLOT_BYTES, data + self._chain.sign(data))

    def read(self) -> Head:
        """The newest head that was in the file when it was opened; raises JournalError without one."""
        heads = _signed(self._slots.found, self._chain)
        (self._durable, _), *_, (self._newest, head) = [heads[0], *heads]  # the oldest was there the longest
        return head

    def sync(self) -> None:
        """Makes the last written head durable."""
        self._slots.sync()
        self._durable = self._newest

    def close(self) -> None:
        """Syncs and closes."""
        self.sync()
        self._slots.close()


def read_head(data: bytes, chain: Chain) -> Head:
    """The newest head in the bytes of a head file; raises JournalError when no slot fits."""
    return _signed(data, chain)[-1][1]


def _signed(data: bytes, chain: Chain) -> list[tuple[int, Head]]:
    """Every slot whose signature fits and its head, the oldest head first."""
    found: list[tuple[int, Head]] = []
    for index in range(_SLOTS):
        slot = data[index * _SLOT_BYTES : (index + 1) * _SLOT_BYTES]
        if len(slot) == _SLOT_BYTES and hmac.compare_digest(chain.sign(slot[:40]), slot[40:]):
            found.append((index, Head(int.from_bytes(slot[:8], "big"), slot[8:40])))
    if not found:
        raise JournalError(
            "head file: missing, or no signature fits: the file was changed, or the secret is another one; "
            "restore it together with its journal"
        )
    return sorted(found, key=lambda one: one[1].seq)
