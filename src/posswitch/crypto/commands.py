"""What the centre asks of an HSM: commands, as values; and who carries them out."""

from collections import Counter
from collections.abc import Callable, Generator
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import msgspec

from posswitch.base.errors import PosswitchError
from posswitch.crypto.pinblock import PinFormat
from posswitch.crypto.vault import box_bytes

Result = TypeVar("Result")
Keys = tuple[bytes, ...]  # wrapped
KEYS_MAX = 100_000


class Usage(StrEnum):
    """What a key is for; a key has one purpose."""

    TMK = "TMK"  # terminal master key, protects the three below at sign-on
    TPK = "TPK"  # terminal PIN key
    TAK = "TAK"  # terminal MAC key
    TDK = "TDK"  # terminal track key
    ZPK = "ZPK"  # zone PIN key, shared with a bank
    ZAK = "ZAK"  # zone MAC key, shared with a bank
    ZMK = "ZMK"  # zone master key, protects the two above on their way to the bank

    __hash__ = str.__hash__  # an enum's own is Python, and keys are looked up for each message


# Accepted lengths in bytes; a new key has the first.
KEY_BYTES = {
    Usage.TMK: (16, 24),
    Usage.TPK: (16, 8, 24),
    Usage.TAK: (8, 16, 24),
    Usage.TDK: (16,),
    Usage.ZPK: (16, 24, 32),
    Usage.ZAK: (16, 8, 24, 32),
    Usage.ZMK: (16, 24),
}


def wrapped_bytes(usage: Usage) -> tuple[int, ...]:
    """The lengths that a wrapped key of this usage may have."""
    return tuple(box_bytes(length) for length in KEY_BYTES[usage])


def wrapped_key_bytes(wrapped: bytes) -> int:
    """How many bytes the key in a box has."""
    return len(wrapped) - box_bytes(0)


class Command(msgspec.Struct, frozen=True):
    """One thing asked of an HSM; its keys are wrapped."""

    @property
    def keys(self) -> Keys:
        """Those that it uses; an empty one is none."""
        return ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class NewKey(Command, frozen=True):
    """Asks for a fresh wrapped key of `size_bytes` (0 = usual), with odd parity where DES wants it."""

    usage: Usage
    size_bytes: int = 0
    odd: bool = True


class SignOnKeys(Command, frozen=True):
    """Asks for field 62 of a sign-on answer in the layout of field 60.3; `tdk` where that has one."""

    layout: str
    tmk: bytes
    tpk: bytes
    tak: bytes
    tdk: bytes = b""

    @property
    def keys(self) -> Keys:
        """See Command."""
        return self.tmk, self.tpk, self.tak, self.tdk


class ExportKey(Command, frozen=True):
    """Asks for a zone key as its bank gets it: under the zone master key, and 3 bytes of check value."""

    zmk: bytes
    usage: Usage
    key: bytes

    @property
    def keys(self) -> Keys:
        """See Command."""
        return self.zmk, self.key


class Mac(Command, frozen=True):
    """Asks for field 64 (a TAK's) or 128 (a ZAK's) over `data`, 8 bytes; `how` as `mac_in_words` reads it."""

    usage: Usage
    key: bytes
    how: str
    data: bytes

    @property
    def keys(self) -> Keys:
        """See Command."""
        return (self.key,)


class MacFits(Command, frozen=True):
    """Asks whether `mac` is what `Mac` makes."""

    usage: Usage
    key: bytes
    how: str
    data: bytes
    mac: bytes

    @property
    def keys(self) -> Keys:
        """See Command."""
        return (self.key,)


class TranslatePin(Command, frozen=True):
    """Asks for a terminal's PIN block as its bank gets it: the formats TRANSLATIONS allow, the same PAN."""

    tpk: bytes
    zpk: bytes
    pan: str
    block: bytes
    from_: PinFormat = PinFormat.ISO_0
    to: PinFormat = PinFormat.ISO_0

    @property
    def keys(self) -> Keys:
        """See Command."""
        return self.tpk, self.zpk


class CheckKey(Command, frozen=True):
    """Asks for what names a key: the first 4 bytes of its check value (3 where an HSM tells no more)."""

    usage: Usage
    key: bytes


class OpenTrack(Command, frozen=True):
    """Asks for what a terminal has encrypted of a track: one block of 8 bytes in clear."""

    tdk: bytes
    block: bytes

    @property
    def keys(self) -> Keys:
        """See Command."""
        return (self.tdk,)


class Uses:
    """How often each wrapped key was used since that was last asked; beyond KEYS_MAX none is added."""

    __slots__ = ("_counts", "_more")

    def __init__(self, more: Callable[[], Counter[bytes]] = Counter) -> None:
        """`more` counts uses that are not noted here."""
        self._counts: Counter[Keys] = Counter()
        self._more = more

    def __repr__(self) -> str:
        return f"<uses of {len(self._counts)} keys>"

    def note(self, command: Command) -> None:
        """One command was carried out."""
        self._counts[command.keys] += 1

    def taken(self) -> dict[bytes, int]:
        """What was counted since the last call, by wrapped key."""
        counts, self._counts = self._counts, Counter()
        uses = self._more()
        for keys, count in counts.items():
            for key in keys:
                if key and (key in uses or len(uses) < KEYS_MAX):
                    uses[key] += count
        return dict(uses)


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

    @property
    def uses(self) -> Uses:
        """How often each key was used."""

    def start(self) -> None:
        """Begins to serve."""

    def stop(self) -> None:
        """Ends it: what is under way fails."""
