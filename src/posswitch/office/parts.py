"""Clear parts of a key: drawn, read from files or typed, kept in memory that is wiped as soon as it can be.

Python cannot promise more: what a cipher or an exclusive or makes of them are copies that are only let go.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from posswitch.base.errors import CryptoError, OfficeError
from posswitch.crypto.ciphers import check_value
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.office.places import TDES

PARTS_MIN, PARTS_MAX = 2, 9
TEXT_BYTES_MAX = 4096
_DIGITS = b"0123456789ABCDEF"
_VALUE_OF = {digit: value for value, digit in enumerate(_DIGITS)} | {
    digit: value + 10 for value, digit in enumerate(b"abcdef")
}
_BLANKS = frozenset(b" \t\r")
_LENGTHS, _DES_BYTES_MAX = (16, 24, 32), 24
KEY_BITS = {TDES: (128, 192), "aes": (128, 192, 256), "sm4": (128,)}
_CHECK_BYTES = 4
_HEAD, _CHECK = b"posswitch key part ", b"check value "


class Part:
    """One person's clear part of a key; shows only its check value, and is gone after `wipe`."""

    def __init__(self, holder: str, value: bytearray, algorithm: str) -> None:
        self.holder = holder
        self.value = value
        self._algorithm = algorithm

    def __repr__(self) -> str:
        return f"Part({self.holder} {self.check})"

    @property
    def check(self) -> str:
        """Its check value in hex."""
        method = "aes" if len(self.value) > _DES_BYTES_MAX else self._algorithm
        return check_value(method, bytes(self.value), _CHECK_BYTES).hex().upper()

    def wipe(self) -> None:
        """Overwrites it."""
        wipe(self.value)


def wipe(memory: bytearray) -> None:
    """Overwrites memory with zeros, in place."""
    memory[:] = bytes(len(memory))


def known_count(count: int) -> int:
    """How many parts a key may have; OfficeError for fewer or more."""
    if not PARTS_MIN <= count <= PARTS_MAX:
        raise OfficeError(f"--parts: must be {PARTS_MIN} to {PARTS_MAX}; one person alone may not know a key")
    return count


def known_algorithm(algorithm: str, size_bits: int) -> tuple[str, int]:
    """A cipher and the bytes of its key; OfficeError when they do not go together."""
    sizes = KEY_BITS.get(algorithm.lower(), ())
    if size_bits not in sizes:
        known = ", ".join(f"{name} {' '.join(map(str, sizes))}" for name, sizes in KEY_BITS.items())
        raise OfficeError(f"no key of {algorithm} has {size_bits} bits; there are {known}")
    return algorithm.lower(), size_bits // 8


def draw_parts(hsm: SoftHsm, usage: Usage, count: int, algorithm: str, size_bytes: int) -> list[Part]:
    """New parts of a key that does not exist yet."""
    odd = algorithm == TDES
    return [
        Part("", bytearray(hsm.new_component(usage, size_bytes, odd)), algorithm)
        for _ in range(known_count(count))
    ]


def form(hsm: SoftHsm, usage: Usage, parts: Sequence[Part], algorithm: str) -> bytes:
    """The wrapped key that parts make; OfficeError when they do not fit, or make a weak one."""
    try:
        return hsm.form_key(usage, [bytes(part.value) for part in parts], algorithm == TDES)
    except CryptoError as error:
        raise OfficeError(f"parts: {error}") from None


def hexed(value: bytearray) -> bytearray:
    """A value as hex digits, in memory that can be wiped."""
    text = bytearray()
    for byte in value:
        text += bytes((_DIGITS[byte >> 4], _DIGITS[byte & 15]))
    return text


def read_part(text: bytearray, what: str, usage: str = "") -> bytearray:
    """The value in a text: 32, 48 or 64 hex digits, alone or in a file as `write_parts` makes it.

    The text is wiped; OfficeError, which never shows it, when there is no such value in it, or when it says
    itself that it is of another usage.
    """
    lines = text.split(b"\n")
    try:
        for line in lines:
            value = _unhexed(line)
            if value is None:
                continue
            _compare(value, lines, what, usage)
            return value
    finally:
        wipe(text)
        for line in lines:
            wipe(line)
    raise OfficeError(f"{what}: must be 32, 48 or 64 hex digits; give it again")


def _unhexed(line: bytearray) -> bytearray | None:
    digits = [byte for byte in line if byte not in _BLANKS]
    if len(digits) // 2 not in _LENGTHS or len(digits) % 2 or not all(map(_VALUE_OF.__contains__, digits)):
        return None
    pairs = zip(digits[::2], digits[1::2], strict=True)
    return bytearray(_VALUE_OF[high] << 4 | _VALUE_OF[low] for high, low in pairs)


def _compare(value: bytearray, lines: list[bytearray], what: str, usage: str) -> None:
    """Holds a value against the usage and the check value that stand beside it, if any."""
    heads = [bytes(line).rpartition(b", ")[2].strip() for line in lines if line.startswith(_HEAD)]
    if usage and any(head != usage.encode() for head in heads):
        wipe(value)
        raise OfficeError(
            f"{what}: is a part of a {heads[0].decode('ascii', 'replace')[:4]}, not of a {usage}; "
            "bring the parts of this key"
        )
    said = [bytes(line[len(_CHECK) :].strip()).upper() for line in lines if line.startswith(_CHECK)]
    made = [_made(value, method) for method in KEY_BITS]
    if any(one not in made for one in said):
        wipe(value)
        raise OfficeError(f"{what}: its check value does not fit: it was changed or misread")


def _made(value: bytearray, method: str) -> bytes:
    """The check value of one method, nothing where the length is none of its."""
    if 8 * len(value) not in KEY_BITS[method]:
        return b""
    return check_value(method, bytes(value), _CHECK_BYTES).hex().upper().encode()


def load_part(path: Path, usage: str = "") -> bytearray:
    """The value in a file that only its owner may read; OfficeError otherwise, and for another usage."""
    text = bytearray(TEXT_BYTES_MAX)
    try:
        with path.open("rb", buffering=0) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise OfficeError(f"{path}: is not a file; name the file of a part")
            if stat.S_IMODE(mode) & 0o077:
                raise OfficeError(f"{path}: others may read it; its part is known: draw new ones")
            read = file.readinto(text) or 0
        del text[read:]
        return read_part(text, str(path), usage)
    except OSError as error:
        raise OfficeError(f"{path}: cannot be read ({error.strerror}); name the file of a part") from None
    finally:
        wipe(text)


def write_parts(paths: Sequence[Path], usage: Usage, parts: Sequence[Part]) -> None:
    """Each part into a new file of mode 600; all of them, or none. OfficeError when one cannot be made."""
    made: list[Path] = []
    try:
        for number, (path, part) in enumerate(zip(paths, parts, strict=True), 1):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            made.append(path)
            _write_part(fd, _HEAD + f"{number} of {len(parts)}, {usage}\n".encode(), part)
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        raise OfficeError(
            f"{error.filename or made[-1]}: cannot be made ({error.strerror}); no part was written: "
            "name new files"
        ) from None


def _write_part(fd: int, head: bytes, part: Part) -> None:
    text = bytearray(head)
    digits = hexed(part.value)
    text += digits
    text += b"\n" + _CHECK + part.check.encode() + b"\n"
    try:
        os.write(fd, text)
        os.fsync(fd)
    finally:
        os.close(fd)
        wipe(digits)
        wipe(text)
