"""What the centre asks of an HSM, and one in software: the only room that sees clear keys."""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from enum import StrEnum
from functools import reduce
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from posswitch.base.bounds import KEY_CONTEXTS_MAX
from posswitch.base.errors import CryptoError, PosswitchError
from posswitch.crypto.ciphers import BLOCK_BYTES, ecb_decryptor, ecb_encryptor, kcv, odd_parity, xor
from posswitch.crypto.mac import CupMac, RetailMac, same
from posswitch.crypto.pinblock import decode_iso0
from posswitch.crypto.signon import pack_f62
from posswitch.crypto.vault import box_bytes, expand, opened, sealed

Context = TypeVar("Context")
Result = TypeVar("Result")


class Usage(StrEnum):
    """What a key is for; a key has one purpose."""

    TMK = "TMK"  # terminal master key, protects the two below at sign-on
    TPK = "TPK"  # terminal PIN key
    TAK = "TAK"  # terminal MAC key
    ZPK = "ZPK"  # zone PIN key, shared with a bank
    ZAK = "ZAK"  # zone MAC key, shared with a bank
    ZMK = "ZMK"  # zone master key, protects the two above on their way to the bank


# Accepted lengths in bytes; a new key has the first.
_KEY_BYTES = {
    Usage.TMK: (16, 24),
    Usage.TPK: (16,),
    Usage.TAK: (8, 16),
    Usage.ZPK: (16, 24),
    Usage.ZAK: (16,),
    Usage.ZMK: (16, 24),
}


def wrapped_bytes(usage: Usage) -> tuple[int, ...]:
    """The lengths that a wrapped key of this usage may have."""
    return tuple(box_bytes(length) for length in _KEY_BYTES[usage])


class Command(msgspec.Struct, frozen=True):
    """One thing asked of an HSM; its keys are wrapped."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class NewKey(Command, frozen=True):
    """Asks for a fresh wrapped key with odd parity, 16 bytes (TAK 8)."""

    usage: Usage


class SignOnKeys(Command, frozen=True):
    """Asks for field 62 of a sign-on answer, 40 bytes."""

    tmk: bytes
    tpk: bytes
    tak: bytes


class PosMac(Command, frozen=True):
    """Asks for field 64 over `data`: the POS ECB-MAC, 8 ASCII hex characters."""

    tak: bytes
    data: bytes


class PosMacFits(Command, frozen=True):
    """Asks whether `mac` is field 64 over `data`."""

    tak: bytes
    data: bytes
    mac: bytes


class ZoneMac(Command, frozen=True):
    """Asks for field 128 over `text`: the left half of X9.19, 8 ASCII hex characters."""

    zak: bytes
    text: bytes


class ZoneMacFits(Command, frozen=True):
    """Asks whether `mac` is field 128 over `text`."""

    zak: bytes
    text: bytes
    mac: bytes


class TranslatePin(Command, frozen=True):
    """Asks for a format 0 PIN block under the bank's key; format and PAN cannot change."""

    tpk: bytes
    zpk: bytes
    pan: str
    block: bytes


Work = Generator[Command, Any, Result]  # yields what it asks, is sent the answers, returns what came of it


class Hsm(Protocol):
    """Whoever carries out commands, at once or while others go on."""

    def run(
        self, work: Work[Result], then: Callable[[Result], object], failed: Callable[[PosswitchError], None]
    ) -> None:
        """Carries out what `work` asks; then calls `then` with its result, or `failed` with what it raised.

        A refusal is a CryptoError without content, HsmDown when the HSM itself is the reason.
        """

    @property
    def ready(self) -> bool:
        """Whether it can be asked now."""

    @property
    def under_way(self) -> int:
        """How much work has not ended yet."""

    @property
    def counts(self) -> Counter[str]:
        """What went wrong with it, how often."""

    def start(self) -> None:
        """Begins to serve."""

    def stop(self) -> None:
        """Ends it: what is under way fails."""


class _Opened(Generic[Context]):
    """Wrapped keys of one usage and what they open to; the oldest makes room beyond KEY_CONTEXTS_MAX."""

    __slots__ = ("_contexts", "_open", "_unwrap", "_usage")

    def __init__(
        self, usage: Usage, unwrap: Callable[[Usage, bytes], bytes], open_: Callable[[bytes], Context]
    ) -> None:
        self._usage, self._unwrap, self._open = usage, unwrap, open_
        self._contexts: dict[bytes, Context] = {}

    def __getitem__(self, wrapped: bytes) -> Context:
        found = self._contexts.get(wrapped)
        if found is None:
            found = self._open(self._unwrap(self._usage, wrapped))
            if len(self._contexts) >= KEY_CONTEXTS_MAX:
                del self._contexts[next(iter(self._contexts))]
            self._contexts[wrapped] = found
        return found


class SoftHsm:
    """An Hsm in software for tests and trials, not certified: clear keys live in this process's memory.

    `root` (32 bytes) is the one secret, `entropy(n)` gives n unpredictable bytes. For one thread: its MAC
    contexts are stateful. A wrapped key is a box (see `vault`) bound to its usage.
    """

    __slots__ = ("_entropy", "_lmk", "_tak", "_tpk", "_zak", "_zpk")

    def __init__(self, root: bytes, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._lmk = AESGCM(expand(root, "inside/lmk"))
        self._tpk = _Opened(Usage.TPK, self._unwrap, ecb_decryptor)
        self._zpk = _Opened(Usage.ZPK, self._unwrap, ecb_encryptor)
        self._tak = _Opened(Usage.TAK, self._unwrap, CupMac)
        self._zak = _Opened(Usage.ZAK, self._unwrap, RetailMac)

    def __repr__(self) -> str:
        return "SoftHsm(test only)"

    def run(
        self, work: Work[Result], then: Callable[[Result], object], failed: Callable[[PosswitchError], None]
    ) -> None:
        """See Hsm; all of it happens at once."""
        try:
            answer = None
            while True:
                answer = self.do(work.send(answer))
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

    def start(self) -> None:
        """See Hsm."""

    def stop(self) -> None:
        """See Hsm."""

    def do(self, command: Command) -> object:
        """Carries out one command; CryptoError when it is refused."""
        return _DO[type(command)](self, command)

    # What the payment path asks

    def new_key(self, usage: Usage) -> bytes:
        """See NewKey."""
        return self.wrap(usage, odd_parity(self._entropy(_KEY_BYTES[usage][0])))

    def sign_on_keys(self, tmk: bytes, tpk: bytes, tak: bytes) -> bytes:
        """See SignOnKeys."""
        clear = (self._unwrap(Usage.TMK, tmk), self._unwrap(Usage.TPK, tpk), self._unwrap(Usage.TAK, tak))
        return pack_f62(*clear)

    def pos_mac(self, tak: bytes, data: bytes) -> bytes:
        """See PosMac."""
        return self._tak[tak].mac(data)

    def pos_mac_fits(self, tak: bytes, data: bytes, mac: bytes) -> bool:
        """See PosMacFits."""
        return same(self._tak[tak].mac(data), mac)

    def zone_mac(self, zak: bytes, text: bytes) -> bytes:
        """See ZoneMac."""
        return self._zak[zak].mac(text)[:4].hex().upper().encode()

    def zone_mac_fits(self, zak: bytes, text: bytes, mac: bytes) -> bool:
        """See ZoneMacFits."""
        return same(self.zone_mac(zak, text), mac)

    def translate_pin(self, tpk: bytes, zpk: bytes, pan: str, block: bytes) -> bytes:
        """See TranslatePin."""
        if len(block) != 8:  # a partial block would stay in the open context
            raise CryptoError("PIN block: must be 8 bytes")
        clear = self._tpk[tpk](block)
        decode_iso0(clear, pan)  # only for its checks: format and PAN stay, so does the clear block
        return self._zpk[zpk](clear)

    # What the office asks

    def wrap(self, usage: Usage, key: bytes) -> bytes:
        """A clear key, bound to its usage; parity is taken as it comes, banks bring keys without."""
        if len(key) not in _KEY_BYTES[usage]:
            raise CryptoError(f"{usage} key: wrong length")
        return sealed(self._lmk, key, usage.encode(), self._entropy)

    def new_component(self, usage: Usage) -> bytes:
        """A clear part of a key for one person to carry, odd parity; alone it tells nothing."""
        return odd_parity(self._entropy(_KEY_BYTES[usage][0]))

    def form_key(self, usage: Usage, components: Sequence[bytes]) -> bytes:
        """The wrapped exclusive or of two or more clear components, with odd parity.

        Parity bits carry no key, so the check value is that of the exclusive or itself.
        """
        if len(components) < 2:
            raise CryptoError(f"{usage} key: needs two components or more")
        key = odd_parity(reduce(xor, components))
        blocks = [key[at : at + BLOCK_BYTES] for at in range(0, len(key), BLOCK_BYTES)]
        if any(left == right for left, right in pairwise(blocks)):  # equal or complementary components, too
            raise CryptoError(f"{usage} key: these components make a weak key; draw new ones")
        return self.wrap(usage, key)

    def check_value(self, usage: Usage, wrapped: bytes, length: int = 4) -> bytes:
        """The key's check value, `length` bytes."""
        return kcv(self._unwrap(usage, wrapped), length)

    def _unwrap(self, usage: Usage, wrapped: bytes) -> bytes:
        refusal = f"{usage} key: damaged, wrapped for another usage, or by another HSM"
        return opened(self._lmk, wrapped, usage.encode(), refusal)


_DO: dict[type, Callable[[SoftHsm, Any], Any]] = {
    NewKey: lambda hsm, it: hsm.new_key(it.usage),
    SignOnKeys: lambda hsm, it: hsm.sign_on_keys(it.tmk, it.tpk, it.tak),
    PosMac: lambda hsm, it: hsm.pos_mac(it.tak, it.data),
    PosMacFits: lambda hsm, it: hsm.pos_mac_fits(it.tak, it.data, it.mac),
    ZoneMac: lambda hsm, it: hsm.zone_mac(it.zak, it.text),
    ZoneMacFits: lambda hsm, it: hsm.zone_mac_fits(it.zak, it.text, it.mac),
    TranslatePin: lambda hsm, it: hsm.translate_pin(it.tpk, it.zpk, it.pan, it.block),
}
