"""Measures cryptography: MACs, PIN blocks, keys and card numbers, in CPU microseconds a call."""

import random
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from time import process_time_ns
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from posswitch.crypto import dukpt, keyblock, pinblock, signon, vault
from posswitch.crypto.ciphers import AES, TDES, odd_parity
from posswitch.crypto.mac import MACS, field_mac
from posswitch.crypto.pinblock import PinFormat
from posswitch.settings.clock import SystemClock
from posswitch.sim.bench_codec import yardstick_us

_TEXT_BYTES = 200  # what a MAC covers of a usual sale
_WINDOWS, _WINDOW_NS = 9, 60_000_000
_QUICK_WINDOWS, _QUICK_WINDOW_NS = 5, 2_000_000
_PAN, _PIN = "6222021234567894", "123456"
_MONTH = 677  # whose key seals it
_COUNTERS = 64  # a key costs what its counter has of ones
_REFUSAL = "benchmark: the key is not the one that was wrapped"
_PIN_WAYS = (PinFormat.ISO_0, PinFormat.ISO_3, PinFormat.ISO_4)  # from iso-0
_CIPHER = {PinFormat.ISO_0: TDES, PinFormat.ISO_3: TDES, PinFormat.ISO_4: AES}
_BLOCKS = {  # version of a key block: the one that protects, and what it protects
    "B": (16, keyblock.Header("B", "P0", "T", "E", "E")),
    "D": (32, keyblock.Header("D", "P0", "A", "E", "E")),
}
Action = Callable[[], object]


def run(quick: bool = False, seed: int = 1) -> dict[str, Any]:
    """Medians of windows of one length, all actions in turn; the yardstick of bench_codec beside them."""
    actions = dict(_actions(random.Random(seed)))  # noqa: S311 - test keys; nonces come from the kernel
    windows, window_ns = (_QUICK_WINDOWS, _QUICK_WINDOW_NS) if quick else (_WINDOWS, _WINDOW_NS)
    times = {name: _times(action, window_ns) for name, action in actions.items()}
    rows: dict[str, list[float]] = {name: [] for name in actions}
    yardsticks = []
    for _ in range(windows):
        yardsticks.append(yardstick_us())
        for name, action in actions.items():
            rows[name].append(_window_ns(action, times[name]) / times[name] / 1000)
    measured = [value for value in yardsticks if value is not None]
    return {
        **{name: round(statistics.median(values), 3) for name, values in rows.items()},
        "windows": windows,
        "mac_text_bytes": _TEXT_BYTES,
        "pyiso8583_us": round(statistics.median(measured), 1) if measured else None,
        "units": {"…_us": "CPU µs a call", "…_anew_us": "the same with the key opened for this one call"},
    }


def _actions(chance: random.Random) -> Iterator[tuple[str, Action]]:
    """What is measured, by name; keys and counters come of `chance`."""
    entropy = SystemClock().entropy
    yield from _macs(chance)
    yield from _pins(chance, entropy)
    yield from _keys(chance, entropy)
    yield from _transaction_keys(chance)


def _macs(chance: random.Random) -> Iterator[tuple[str, Action]]:
    text = chance.randbytes(_TEXT_BYTES)
    for name, kind in MACS.items():
        key = chance.randbytes(kind.key_bytes[0])
        yield f"mac_{name}_us", partial(field_mac(name, key), text)
        yield f"mac_{name}_anew_us", partial(_opened_anew, name, key, text)


def _opened_anew(name: str, key: bytes, text: bytes) -> bytes:
    return field_mac(name, key)(text)


def _pins(chance: random.Random, entropy: Callable[[int], bytes]) -> Iterator[tuple[str, Action]]:
    """A PIN from the terminal's key to the bank's, with both keys open."""
    tpk, zpk = chance.randbytes(16), chance.randbytes(16)
    block = TDES.encrypt(tpk, pinblock.encode_iso0(_PIN, _PAN))
    decrypt = TDES.decryptor(tpk)

    def moved(to: PinFormat, encrypt: Callable[[bytes], bytes]) -> bytes:
        clear = pinblock.decipher(PinFormat.ISO_0, decrypt, block, _PAN)
        return pinblock.encipher(
            to, encrypt, pinblock.translate(PinFormat.ISO_0, to, clear, _PAN, entropy), _PAN
        )

    for to in _PIN_WAYS:
        yield f"pin_iso-0_to_{to}_us", partial(moved, to, _CIPHER[to].encryptor(zpk))


def _keys(chance: random.Random, entropy: Callable[[int], bytes]) -> Iterator[tuple[str, Action]]:
    """Card numbers and keys at rest, key blocks, and field 62 of a sign-on."""
    safe = vault.Vault(chance.randbytes(vault.ROOT_BYTES), entropy)
    yield "seal_pan_us", partial(safe.seal_pan, _PAN, _MONTH)
    yield "fingerprint_us", partial(safe.fingerprint, _PAN)
    cipher, key = AESGCM(chance.randbytes(32)), odd_parity(chance.randbytes(16))
    box = vault.sealed(cipher, key, b"ZPK", entropy)
    yield "wrap_key_us", lambda: vault.sealed(cipher, key, b"ZPK", entropy)
    yield "unwrap_key_us", lambda: vault.opened(cipher, box, b"ZPK", _REFUSAL)
    for version, (length, header) in _BLOCKS.items():
        kbpk = chance.randbytes(length)
        block = keyblock.wrap(kbpk, header, key, entropy)
        expected = keyblock.Expected((header.usage,), (header.algorithm,), (header.mode,))
        yield f"key_block_{version}_wrap_us", partial(keyblock.wrap, kbpk, header, key, entropy)
        yield f"key_block_{version}_unwrap_us", partial(keyblock.unwrap, kbpk, block, expected)
    working = signon.WorkingKeys(key, key[:8])
    yield "sign_on_field_62_us", partial(signon.pack_working_keys, signon.DOUBLE, key, working)


def _transaction_keys(chance: random.Random) -> Iterator[tuple[str, Action]]:
    """A DUKPT PIN key from the terminal's initial key; counters in turn, any that terminals use."""
    tdes = cycle(_serial_numbers(dukpt.TDES_DUKPT, chance))
    aes = cycle(_serial_numbers(dukpt.AES_DUKPT, chance))
    initial = chance.randbytes(16)

    def tdes_key() -> bytes:
        return dukpt.tdes_working_key(dukpt.tdes_transaction_key(initial, next(tdes)), dukpt.Purpose.PIN)

    def aes_key() -> bytes:
        ksn = next(aes)
        return dukpt.aes_working_key(dukpt.aes_derivation_key(initial, ksn), ksn, dukpt.KeyUse.PIN)

    yield "dukpt_tdes_us", tdes_key
    yield "dukpt_aes_us", aes_key


def _serial_numbers(scheme: dukpt.Scheme, chance: random.Random) -> list[bytes]:
    device = chance.getrandbits(8 * scheme.ksn_bytes) & ~scheme.counter_max
    counters = [scheme.next_counter(chance.randrange(scheme.counter_max // 2)) for _ in range(_COUNTERS)]
    return [(device | counter).to_bytes(scheme.ksn_bytes, "big") for counter in counters]


def _times(action: Action, window_ns: int) -> int:
    """How often it fits into a window; tried a few times, since first calls are slow."""
    times = 8
    _window_ns(action, times)
    return max(times, window_ns * times // max(_window_ns(action, times), 1))


def _window_ns(action: Action, times: int) -> int:
    start_ns = process_time_ns()
    for _ in range(times):
        action()
    return process_time_ns() - start_ns
