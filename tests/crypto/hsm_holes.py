"""Copies of both HSMs, each with one wall removed."""

from functools import partial

from hsm_rooms import BoxRoom, SoftRoom

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import TDES, kcv, tdes_decrypt, tdes_encrypt
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.pinblock import PinFormat, decipher, decode, encipher, encode, may_translate, translate
from posswitch.crypto.signon import layout_of
from posswitch.crypto.vault import opened, sealed
from posswitch.sim.peers.hsm_box import HsmBox, _Fields


class Soft(SoftHsm):
    """What the copies share: a translation in three steps, each of which one of them spoils."""

    def translate_pin(self, tpk, zpk, pan, block, from_=PinFormat.ISO_0, to=PinFormat.ISO_0):
        clear = self.decipher(from_, tpk, block, pan)
        moved = self.move(from_, to, clear, pan)
        return encipher(to, self._zpk[to, zpk], moved, pan)

    def decipher(self, from_, tpk, block, pan):
        return decipher(from_, self._tpk[from_, tpk], block, pan)

    def move(self, from_, to, clear, pan):
        return translate(from_, to, clear, pan, self._entropy)


class ForgetsUsage(Soft):
    """Keys are wrapped, but not bound to what they are for."""

    def wrap(self, usage, key):
        return sealed(self._lmk, key, b"", self._entropy)

    def _unwrap(self, usage, wrapped):
        return opened(self._lmk, wrapped, b"", "damaged")


class SharesOpenKeys(Soft):
    """One memory for opened keys of both sides: who has been a terminal's key passes as a bank's."""

    def __init__(self, root, entropy):
        super().__init__(root, entropy)
        self._zpk._contexts = self._tpk._contexts


class NeverReads(Soft):
    """The block goes from key to key, whatever is in it."""

    def move(self, from_, to, clear, pan):
        return clear if from_ is to else super().move(from_, to, clear, pan)


class AnyFormat(Soft):
    """A PIN may go into every block."""

    def move(self, from_, to, clear, pan):
        return encode(to, decode(from_, clear, pan), pan, self._entropy)


class AnyCard(Soft):
    """A block that does not fit the PAN is tried with those before: whose PIN it is, nobody asks."""

    def __init__(self, root, entropy):
        super().__init__(root, entropy)
        self.pans = {}

    def move(self, from_, to, clear, pan):
        self.pans[pan] = None
        for known in self.pans if may_translate(from_, to) else ():
            try:
                return encode(to, decode(from_, clear, known), pan, self._entropy)
            except CryptoError:
                continue
        return super().move(from_, to, clear, pan)


class Talks(Soft):
    """Says which check of a block failed."""

    def move(self, from_, to, clear, pan):
        try:
            return super().move(from_, to, clear, pan)
        except CryptoError:
            if clear[:1].hex() in ("04", "06"):
                raise CryptoError("PIN block: format and length are right") from None
            raise


class SaysTheBlock(Soft):
    """The error shows what was wrong."""

    def decipher(self, from_, tpk, block, pan):
        clear = super().decipher(from_, tpk, block, pan)
        try:
            decode(from_, clear, pan)
        except CryptoError as error:
            raise CryptoError(f"{error}: {clear.hex()}") from None
        return clear


class KeepsHalves(Soft):
    """Part of a block stays in the open key, and comes out with the next one."""

    def decipher(self, from_, tpk, block, pan):
        if from_ is not PinFormat.ISO_4:
            return self._tpk[from_, tpk](block)
        return super().decipher(from_, tpk, block, pan)


class ClearMacKey(Soft):
    """The MAC key reaches the terminal in clear."""

    def sign_on_keys(self, layout, tmk, tpk, tak, tdk=b""):
        super().sign_on_keys(layout, tmk, tpk, tak, tdk)
        field, master = b"", self._unwrap(Usage.TMK, tmk)
        for slot, usage, key in zip(
            layout_of(layout), (Usage.TPK, Usage.TAK, Usage.TDK), (tpk, tak, tdk), strict=False
        ):
            clear = self._unwrap(usage, key)
            moved = clear if usage is Usage.TAK else tdes_encrypt(master, clear)
            field += moved.ljust(slot.room_bytes, b"\0") + kcv(clear, 4)
        return field


class ExportsAll(Soft):
    """Any key leaves under a zone master key."""

    def export_key(self, zmk, usage, key):
        clear = self._unwrap(usage, key)
        return tdes_encrypt(self._unwrap(Usage.ZMK, zmk), clear), kcv(clear, 3)


class ImportsAll(Soft):
    """A zone key that was exported comes back as whatever it is called, a key for tracks too."""

    def import_cryptogram(self, zmk, usage, cryptogram):
        return self.wrap(usage, tdes_decrypt(self._unwrap(Usage.ZMK, zmk), cryptogram))


class OpensAll(Soft):
    """Opens a block with any key, as if it were of a track."""

    def open_track(self, tdk, block):
        for usage in Usage:
            try:
                return tdes_decrypt(self._unwrap(usage, tdk), block)
            except CryptoError:
                continue
        return super().open_track(tdk, block)


class LongCheckValue(Soft):
    """Names a key by more than a few bytes of it."""

    def check_value(self, usage, wrapped, length=4):
        return super().check_value(usage, wrapped, length) + self._unwrap(usage, wrapped)


class RefusesAll(Soft):
    """Moves no PIN at all."""

    def move(self, from_, to, clear, pan):
        raise CryptoError("PIN block: no")


class OneMaster(HsmBox):
    """The same master key for every type."""

    def _open(self, kind, key):
        return super()._open("001", key)

    def wrap(self, usage, key):
        return super().wrap(Usage.ZPK, key)


class BadBlocks(HsmBox):
    """A command about a block that is refused, once more with what the HSM knows of it."""

    def answer(self, request):
        answer = super().answer(request)
        if answer != b"CB20":
            return answer
        fields = _Fields(request[2:])
        tpk, zpk = self._open("002", fields.key()), self._open("001", fields.key())
        fields.take(2)
        return self.told(zpk, TDES.decrypt(tpk, bytes.fromhex(fields.take(16).decode())), fields.rest())


class NeverReadsBox(BadBlocks):
    """Whatever the block holds, it is enciphered anew."""

    def told(self, zpk, clear, rest):
        return b"CB0006" + TDES.encrypt(zpk, clear).hex().upper().encode() + rest[2:4]


class TellsWhy(BadBlocks):
    """Another error code for another mistake inside a block."""

    def told(self, zpk, clear, rest):
        return b"CB24" if 4 <= clear[0] & 15 <= 12 else b"CB20"


class SaysTheKey(HsmBox):
    """A new key comes with its clear text."""

    def answer(self, request):
        answer = super().answer(request)
        if request[:2] == b"A0" and request.endswith(b"U"):
            answer += self._open(request[3:6].decode(), answer[4:37])
        return answer


def soft(make):
    return partial(SoftRoom, make=make)


def box(make):
    return partial(BoxRoom, make=make)


HOLES = {
    "usage is forgotten": soft(ForgetsUsage),
    "open keys are shared": soft(SharesOpenKeys),
    "blocks are not read": soft(NeverReads),
    "any format": soft(AnyFormat),
    "any card": soft(AnyCard),
    "an oracle": soft(Talks),
    "blocks in errors": soft(SaysTheBlock),
    "halves are kept": soft(KeepsHalves),
    "a MAC key in clear": soft(ClearMacKey),
    "every key is exported": soft(ExportsAll),
    "every key is imported": soft(ImportsAll),
    "every key opens tracks": soft(OpensAll),
    "check values show keys": soft(LongCheckValue),
    "nothing works": soft(RefusesAll),
    "box: one master key": box(OneMaster),
    "box: blocks are not read": box(NeverReadsBox),
    "box: an oracle": box(TellsWhy),
    "box: keys in clear": box(SaysTheKey),
}
