"""An HSM in software: the only room that sees clear keys."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from posswitch.base.bounds import KEY_CONTEXTS_MAX
from posswitch.base.errors import CryptoError, PosswitchError
from posswitch.crypto.ciphers import (
    AES,
    BLOCK_BYTES,
    TDES,
    BlockCipher,
    Blocks,
    check_value,
    combine,
    kcv,
    odd_parity,
    tdes_decrypt,
    tdes_encrypt,
    xor,
)
from posswitch.crypto.commands import (
    KEY_BYTES,
    CheckKey,
    Command,
    ExportKey,
    Mac,
    MacFits,
    NewKey,
    OpenTrack,
    Result,
    SignOnKeys,
    TranslatePin,
    Usage,
    Uses,
    Work,
)
from posswitch.crypto.exchange import block_of, key_of_block, key_of_cryptogram
from posswitch.crypto.keyblock import Header
from posswitch.crypto.mac import named_mac, same
from posswitch.crypto.pinblock import PinFormat, decipher, encipher, translate
from posswitch.crypto.signon import WorkingKeys, pack_working_keys
from posswitch.crypto.vault import expand, opened, sealed

_AES_ALONE = 32  # bytes that no key of DES has


class _Context:
    """An open cipher or MAC."""

    __slots__ = ("blocks", "uses")

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.uses = 0


class _Opened:
    """Wrapped keys of one usage, and how they are used: open contexts, and how often each was asked for.

    The oldest makes room for others.
    """

    __slots__ = ("_contexts", "_left", "_open", "_unwrap", "_usage")

    def __init__(
        self, usage: Usage, unwrap: Callable[[Usage, bytes], bytes], open_: Callable[[str, bytes], Blocks]
    ) -> None:
        self._usage, self._unwrap, self._open = usage, unwrap, open_
        self._contexts: dict[tuple[str, bytes], _Context] = {}
        self._left: Counter[bytes] = Counter()  # uses of contexts that made room

    def __getitem__(self, how: tuple[str, bytes]) -> Blocks:
        found = self._contexts.get(how)
        if found is None:
            found = _Context(self._open(how[0], self._unwrap(self._usage, how[1])))
            if len(self._contexts) >= KEY_CONTEXTS_MAX:
                oldest = next(iter(self._contexts))
                self._left[oldest[1]] += self._contexts.pop(oldest).uses
            self._contexts[how] = found
        found.uses += 1
        return found.blocks

    def taken(self) -> Counter[bytes]:
        """How often each wrapped key was used since the last call."""
        uses, self._left = self._left, Counter()
        for (_, key), context in self._contexts.items():
            if context.uses:
                uses[key] += context.uses
                context.uses = 0
        return uses


def _pin_cipher(format_: str) -> BlockCipher:
    return AES if format_ == PinFormat.ISO_4 else TDES


class SoftHsm:
    """An Hsm in software for tests and trials, not certified: clear keys live in this process's memory.

    `root` (32 bytes) is the one secret, `entropy(n)` gives n unpredictable bytes. For one thread: its MAC
    contexts are stateful. A wrapped key is a box (see `vault`) bound to its usage.
    """

    __slots__ = ("_entropy", "_lmk", "_macs", "_tpk", "_uses", "_zpk")

    def __init__(self, root: bytes, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._uses = Uses(self._used)
        self._lmk = AESGCM(expand(root, "inside/lmk"))
        self._macs = {usage: _Opened(usage, self._unwrap, named_mac) for usage in (Usage.TAK, Usage.ZAK)}
        self._tpk = _Opened(Usage.TPK, self._unwrap, lambda how, key: _pin_cipher(how).decryptor(key))
        self._zpk = _Opened(Usage.ZPK, self._unwrap, lambda how, key: _pin_cipher(how).encryptor(key))

    def __repr__(self) -> str:
        return "SoftHsm(test only)"

    def run(
        self, work: Work[Result], then: Callable[[Result], object], failed: Callable[[PosswitchError], None]
    ) -> None:
        """See Hsm; all of it happens at once."""
        note = self._uses.note
        try:
            answer = None
            while True:
                command = work.send(answer)
                answer = self.do(command)
                if type(command) not in _COUNTED:
                    note(command)
        except StopIteration as end:
            result: Result = end.value
        except PosswitchError as error:
            failed(error)
            return
        then(result)

    @property
    def ready(self) -> bool:
        """See Hsm."""
        return True

    @property
    def under_way(self) -> int:
        """See Hsm; nothing ever waits."""
        return 0

    @property
    def counts(self) -> Counter[str]:
        """See Hsm; nothing goes wrong by itself."""
        return Counter()

    @property
    def uses(self) -> Uses:
        """See Hsm."""
        return self._uses

    def _used(self) -> Counter[bytes]:
        """The uses of keys that are kept open."""
        uses: Counter[bytes] = Counter()
        for opened_keys in (*self._macs.values(), self._tpk, self._zpk):
            uses.update(opened_keys.taken())
        return uses

    def start(self) -> None:
        """See Hsm."""

    def stop(self) -> None:
        """See Hsm."""

    def do(self, command: Command) -> object:
        """Carries out one command; CryptoError when it is refused."""
        return _DO[type(command)](self, command)

    # What the payment path asks

    def new_key(self, usage: Usage, size_bytes: int = 0, odd: bool = True) -> bytes:
        """See NewKey."""
        key = self._entropy(size_bytes or KEY_BYTES[usage][0])
        return self.wrap(usage, odd_parity(key) if odd else key)

    def sign_on_keys(self, layout: str, tmk: bytes, tpk: bytes, tak: bytes, tdk: bytes = b"") -> bytes:
        """See SignOnKeys."""
        track = self._unwrap(Usage.TDK, tdk) if tdk else b""
        keys = WorkingKeys(self._unwrap(Usage.TPK, tpk), self._unwrap(Usage.TAK, tak), track)
        return pack_working_keys(layout, self._unwrap(Usage.TMK, tmk), keys)

    def export_key(self, zmk: bytes, usage: Usage, key: bytes) -> tuple[bytes, bytes]:
        """See ExportKey; CryptoError for any key but those of zones."""
        if usage not in (Usage.ZPK, Usage.ZAK):
            raise CryptoError(f"{usage} key: only keys of a zone leave under its master key")
        clear = self._unwrap(usage, key)
        return tdes_encrypt(self._unwrap(Usage.ZMK, zmk), clear), kcv(clear, 3)

    def mac(self, usage: Usage, key: bytes, how: str, data: bytes) -> bytes:
        """See Mac; CryptoError when the key is for anything else."""
        opened_keys = self._macs.get(usage)
        if opened_keys is None:
            raise CryptoError(f"{usage} key: makes no MACs")
        return opened_keys[how, key](data)

    def mac_fits(self, usage: Usage, key: bytes, how: str, data: bytes, mac: bytes) -> bool:
        """See MacFits."""
        return same(self.mac(usage, key, how, data), mac)

    def translate_pin(
        self,
        tpk: bytes,
        zpk: bytes,
        pan: str,
        block: bytes,
        from_: PinFormat = PinFormat.ISO_0,
        to: PinFormat = PinFormat.ISO_0,
    ) -> bytes:
        """See TranslatePin."""
        clear = decipher(from_, self._tpk[from_, tpk], block, pan)
        return encipher(to, self._zpk[to, zpk], translate(from_, to, clear, pan, self._entropy), pan)

    def open_track(self, tdk: bytes, block: bytes) -> bytes:
        """See OpenTrack."""
        if len(block) != BLOCK_BYTES:
            raise CryptoError("track: must be one block of 8 bytes")
        return tdes_decrypt(self._unwrap(Usage.TDK, tdk), block)

    # What the office asks

    def wrap(self, usage: Usage, key: bytes) -> bytes:
        """A clear key, bound to its usage; parity is taken as it comes, banks bring keys without."""
        if len(key) not in KEY_BYTES[usage]:
            raise CryptoError(f"{usage} key: wrong length")
        return sealed(self._lmk, key, usage.encode(), self._entropy)

    def new_component(self, usage: Usage, size_bytes: int = 0, odd: bool = True) -> bytes:
        """A clear part of a key for one person to carry, odd parity if so; alone it tells nothing."""
        part = self._entropy(size_bytes or KEY_BYTES[usage][0])
        return odd_parity(part) if odd else part

    def form_key(self, usage: Usage, components: Sequence[bytes], odd: bool = True) -> bytes:
        """The wrapped exclusive or of two or more clear components, with odd parity where DES wants it.

        Parity bits carry no key of DES, so the check value is that of the exclusive or itself.
        """
        if len(components) < 2:
            raise CryptoError(f"{usage} key: needs two components or more")
        key = reduce(xor, components)
        if not odd:
            return self.wrap(usage, key)
        key = odd_parity(key)
        blocks = [key[at : at + BLOCK_BYTES] for at in range(0, len(key), BLOCK_BYTES)]
        if any(left == right for left, right in pairwise(blocks)):  # equal or complementary components, too
            raise CryptoError(f"{usage} key: these components make a weak key; draw new ones")
        return self.wrap(usage, key)

    def export_block(self, zmk: bytes, usage: Usage, wrapped: bytes, mac: str) -> str:
        """A wrapped key as a key block under a wrapped zone master key; `mac` is what a ZAK is for."""
        return block_of(self._unwrap(Usage.ZMK, zmk), usage, self._unwrap(usage, wrapped), mac, self._entropy)

    def import_block(self, zmk: bytes, usage: Usage, algorithm: str, block: str) -> tuple[Header, bytes]:
        """The header and the wrapped key of a block under a wrapped zone master key."""
        header, key = key_of_block(self._unwrap(Usage.ZMK, zmk), usage, algorithm, block)
        return header, self.wrap(usage, key)

    def import_under_parts(
        self, parts: Sequence[bytes], usage: Usage, algorithm: str, block: str
    ) -> tuple[Header, bytes]:
        """The same under the exclusive or of clear components, which is not kept."""
        header, key = key_of_block(combine(parts), usage, algorithm, block)
        return header, self.wrap(usage, key)

    def import_cryptogram(self, zmk: bytes, usage: Usage, cryptogram: bytes) -> bytes:
        """The wrapped key that was encrypted under a zone master key; compare its check value."""
        return self.wrap(usage, key_of_cryptogram(self._unwrap(Usage.ZMK, zmk), usage, cryptogram))

    def check_value(self, usage: Usage, wrapped: bytes, length: int = 4, method: str = "") -> bytes:
        """The key's check value, `length` bytes; `method` is a row of CHECK_VALUES, empty = by its length."""
        key = self._unwrap(usage, wrapped)
        return check_value(method or ("aes" if len(key) == _AES_ALONE else "tdes"), key, length)

    def _unwrap(self, usage: Usage, wrapped: bytes) -> bytes:
        refusal = f"{usage} key: damaged, wrapped for another usage, or by another HSM"
        return opened(self._lmk, wrapped, usage.encode(), refusal)


_COUNTED = frozenset({Mac, MacFits, TranslatePin})  # with the contexts that they use
_DO: dict[type, Callable[[SoftHsm, Any], Any]] = {
    NewKey: lambda hsm, it: hsm.new_key(it.usage, it.size_bytes, it.odd),
    SignOnKeys: lambda hsm, it: hsm.sign_on_keys(it.layout, it.tmk, it.tpk, it.tak, it.tdk),
    CheckKey: lambda hsm, it: hsm.check_value(it.usage, it.key),
    ExportKey: lambda hsm, it: hsm.export_key(it.zmk, it.usage, it.key),
    Mac: lambda hsm, it: hsm.mac(it.usage, it.key, it.how, it.data),
    MacFits: lambda hsm, it: hsm.mac_fits(it.usage, it.key, it.how, it.data, it.mac),
    OpenTrack: lambda hsm, it: hsm.open_track(it.tdk, it.block),
    TranslatePin: lambda hsm, it: hsm.translate_pin(it.tpk, it.zpk, it.pan, it.block, it.from_, it.to),
}
