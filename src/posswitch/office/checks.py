"""Check values of wrapped keys: opened here, or as the HSM says that holds them."""

from collections.abc import Mapping

from posswitch.base.errors import CryptoError
from posswitch.crypto.commands import Usage
from posswitch.crypto.hostcommands import is_host_key
from posswitch.crypto.hsm import SoftHsm

NOT_VERIFIED = "not verified: no HSM answers"
REFUSED = "refused by the HSM"
SHUT = "none"  # it does not open: damaged, for another usage, or of another secret
_WHOLE_BLOCK = 8  # bytes of a check value that are the same for the same key only
Asked = Mapping[tuple[Usage, bytes], str]  # what an HSM has said of its keys
_NOTHING: Asked = {}


class Checks:
    """What names each key in lists; `asked` are the answers of a network HSM."""

    def __init__(self, hsm: SoftHsm, asked: Asked = _NOTHING) -> None:
        self._hsm = hsm
        self._asked = asked

    def __repr__(self) -> str:
        return f"<checks, {len(self._asked)} of an HSM>"

    def of(self, usage: Usage, wrapped: bytes, algorithm: str = "") -> str:
        """A key's check value in hex, or why there is none; `algorithm` is a row of CHECK_VALUES."""
        if is_host_key(wrapped):
            return self._asked.get((usage, wrapped), NOT_VERIFIED)
        try:
            return self._hsm.check_value(usage, wrapped, method=algorithm).hex().upper()
        except CryptoError:
            return SHUT

    def whole(self, usage: Usage, wrapped: bytes) -> bytes:
        """What is the same for the same key whatever it is for; of an HSM's key only as it is written."""
        if is_host_key(wrapped):
            return wrapped
        try:
            return self._hsm.check_value(usage, wrapped, _WHOLE_BLOCK)
        except CryptoError:
            return b""


def is_check(text: str) -> bool:
    """Whether it is a check value, and not why there is none."""
    return text not in (NOT_VERIFIED, REFUSED, SHUT)
