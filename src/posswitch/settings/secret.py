"""The node's root secret: a file that only its owner may read."""

import stat
from pathlib import Path

from posswitch.base.errors import ConfigError

SECRET_BYTES = 32
_FILE_BYTES_MAX = 1024


def read_secret(path: Path) -> bytes:
    """The 32 bytes of a secret file (64 hex digits, mode 0600); raises ConfigError, never showing content."""
    try:
        mode = path.stat().st_mode
        text = _start_of(path) if stat.S_ISREG(mode) else ""
    except (OSError, ValueError):
        raise ConfigError(f"{path}: the secret cannot be read; it must be 64 hex digits") from None
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path}: the secret cannot be read, it is not a file; it must be 64 hex digits")
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: others may read the secret; run: chmod 600 {path}")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise ConfigError(f"{path}: the secret must be 64 hex digits")
    return secret


def _start_of(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_FILE_BYTES_MAX).decode("ascii").strip()


def write_secret(path: Path, secret: bytes) -> None:
    """Writes a new secret file; never overwrites one."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(secret.hex() + "\n", "ascii")
