"""Key blocks from a partner, and field 62 of a sign-on: text and bytes that carry keys."""

from posswitch.base.errors import CryptoError
from posswitch.crypto.keyblock import Expected, Header, unwrap, wrap
from posswitch.crypto.signon import LAYOUTS, WorkingKeys, field_bytes, open_working_keys, pack_working_keys

from .seeds import Seed

_KEY = bytes(range(32))
_USES = Expected(("P0", "B0", "M3"), ("T", "A"), ("E", "X", "G"))
_PROTECTION = {"A": _KEY[:16], "B": _KEY[:24], "C": _KEY[:24], "D": _KEY}


def unwrapped(data: bytes) -> bool:
    """Whatever opens is what was wrapped: it says the same when it is wrapped anew."""
    block = data.decode("utf-8", "replace")
    kbpk = _PROTECTION.get(block[:1], _KEY)
    try:
        header, key = unwrap(kbpk, block, _USES)
    except CryptoError as error:
        _refused(error)
        return False
    assert unwrap(kbpk, wrap(kbpk, header, key, bytes), _USES) == (header, key), "round trip"
    return True


def signed_on(data: bytes) -> bool:
    """Field 62 under a key that is known."""
    try:
        keys = open_working_keys(_KEY[:16], data)
    except CryptoError as error:
        _refused(error)
        return False
    asked = next(asked for asked in LAYOUTS if field_bytes(asked) == len(data))
    assert pack_working_keys(asked, _KEY[:16], keys) == data, "round trip"
    return True


def blocks() -> list[Seed]:
    """Each version, without and with optional blocks, short and long."""
    optional = ((), (("KS", "00604B120F9292800000"),), (("KC", "00AB"), ("TS", "2" * 300)))
    headers = [Header(version, "P0", "T", "E", "E", optional=some) for version in "ABCD" for some in optional]
    found = [wrap(_PROTECTION[header.version], header, _KEY[:16], bytes) for header in headers]
    return [Seed(block.encode(), (*range(1, 5), 12, 13, 18, 19, 20, 21, 42, 43)) for block in found]


def fields() -> list[Seed]:
    """Every layout, with a MAC key of either length."""
    found = []
    for asked in LAYOUTS:
        for mac_bytes in (8,) if asked == "001" else (8, 16):
            keys = WorkingKeys(
                _KEY[: 8 if asked == "001" else 16], _KEY[:mac_bytes], _KEY[:16] if asked == "004" else b""
            )
            found.append(Seed(pack_working_keys(asked, _KEY[:16], keys), (28, 35)))
    return found


def _refused(error: CryptoError) -> None:
    said = str(error)
    assert said and "\n" not in said and len(said) < 200, "a refusal that is not one line"
