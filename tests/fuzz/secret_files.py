"""The sealed secret and the shares that open it: text that a disk or a person may have changed."""

from posswitch.base.errors import CryptoError
from posswitch.crypto.keyfile import (
    COST_MAX,
    COST_MIN,
    read_seal,
    read_share,
    sealed_by_passphrase,
    sealed_by_shares,
)

from .seeds import Seed

_ROOT = bytes(range(32))
_TEXT, _ONE, _TWO = sealed_by_shares(_ROOT, bytes)


def sealed(data: bytes) -> bool:
    """What is read costs no more than it may; what opens is the root."""
    try:
        seal = read_seal(data.decode("utf-8", "replace"))
        if seal.cost is not None:
            assert COST_MIN <= seal.cost <= COST_MAX and seal.cost.mib <= 256, "a cost beyond its bounds"
            return True
        assert seal.opened_by_shares(_ONE, _TWO) == _ROOT, "another root"
    except CryptoError as error:
        _refused(error)
        return False
    return True


def share(data: bytes) -> bool:
    """A share is what it says when it is written again."""
    try:
        read = read_share(data.decode("utf-8", "replace"))
    except CryptoError as error:
        _refused(error)
        return False
    assert read_share(str(read)) == read, "round trip"
    return True


def texts() -> list[Seed]:
    """Both forms."""
    both = (_TEXT, sealed_by_passphrase(_ROOT, "a passphrase of some length", bytes, COST_MIN))
    return [Seed(text.encode(), (17, 19, 37, 39, 41, 43, 49)) for text in both]


def shares() -> list[Seed]:
    """Both of them."""
    return [Seed(str(one).encode(), (0, 1, 2, 82, 84, 86)) for one in (_ONE, _TWO)]


def _refused(error: CryptoError) -> None:
    said = str(error)
    assert said and "\n" not in said and len(said) < 200, "a refusal that is not one line"
