"""The node's root secret: a file that only its owner may read, plain (for trials) or sealed."""

import fcntl
import os
import stat
import tempfile
from pathlib import Path

from posswitch.base.errors import ConfigError, CryptoError, SecretRefused
from posswitch.crypto.keyfile import PASSPHRASE, Seal, Share, is_sealed, read_seal, read_share
from posswitch.settings.asking import Asker
from posswitch.settings.memory import keep_private
from posswitch.settings.token import Held, is_held, read_held

SECRET_BYTES = 32
_FILE_BYTES_MAX = 1024
_FORM = "it must be 64 hex digits or a sealed secret"


class Opened:
    """The secrets that this process has opened or was handed: asked for once, kept to its end."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self._roots: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<{len(self._roots)} secrets kept>"

    def keep(self, path: Path, root: bytes) -> None:
        """The root of a file is known from elsewhere: the file is not read again."""
        self._roots[_place(path)] = root

    def needs_asking(self, path: Path) -> bool:
        """Whether the root cannot be had without a passphrase or shares; ConfigError as of `sealed_in`."""
        return _place(path) not in self._roots and isinstance(sealed_in(path), Seal)

    def root(self, path: Path) -> bytes:
        """The 32 bytes of a secret file; asks for what opens a sealed one, people or a token.

        Raises ConfigError, never showing content; SecretRefused for a wrong passphrase or share.
        """
        keep_private()
        known = self._roots.get(_place(path))
        if known is not None:
            return known
        text = text_in(path)
        if is_held(text):
            root = _held(path, text).opened()
        elif is_sealed(text):
            root = opened_by(path, _seal(path, text), self.asker)
        else:
            return _plain(path, text)
        self.keep(path, root)
        return root


KEPT = Opened(Asker())


def read_secret(path: Path) -> bytes:
    """The root of a secret file, opened at most once in this process."""
    return KEPT.root(path)


def keep_secret(path: Path) -> None:
    """From now on this process needs the file no more, not even to start others."""
    KEPT.keep(path, read_secret(path))


def opened_by(path: Path, seal: Seal, asker: Asker) -> bytes:
    """The root, with what people say; SecretRefused in words that are always the same."""
    try:
        if seal.by == PASSPHRASE:
            return seal.opened_by_passphrase(asker.line(f"passphrase of {path}"))
        one, other = (_share(asker.line(f"share {number} of {path}"), number) for number in (1, 2))
        return seal.opened_by_shares(one, other)
    except CryptoError as error:
        raise SecretRefused(f"{path}: {error}") from None


def _share(text: str, number: int) -> Share:
    try:
        return read_share(text)
    except CryptoError as error:
        raise SecretRefused(f"share {number}: {error}") from None


def sealed_in(path: Path) -> Seal | Held | None:
    """How a secret file is sealed, without opening it; None when it is plain. Raises ConfigError."""
    text = text_in(path)
    if is_held(text):
        return _held(path, text)
    return _seal(path, text) if is_sealed(text) else None


def _held(path: Path, text: str) -> Held:
    try:
        return read_held(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: the secret that a token opens {error}") from None


def _seal(path: Path, text: str) -> Seal:
    try:
        return read_seal(text)
    except CryptoError as error:
        what, _, remedy = str(error).partition("; ")
        raise ConfigError(f"{path}: the sealed secret {what}; {remedy}") from None


def _plain(path: Path, text: str) -> bytes:
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise ConfigError(f"{path}: the secret must be 64 hex digits, or sealed; see posswitch secret")
    return secret


def text_in(path: Path) -> str:
    """The start of a secret file; ConfigError when it is none, or not its owner's alone."""
    try:
        mode = path.stat().st_mode
        text = _start_of(path) if stat.S_ISREG(mode) else ""
    except (OSError, ValueError):
        raise ConfigError(f"{path}: the secret cannot be read; {_FORM}") from None
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path}: the secret cannot be read, it is not a file; {_FORM}")
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: others may read the secret; run: chmod 600 {path}")
    return text


def _start_of(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_FILE_BYTES_MAX).decode("ascii").strip()


def _place(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - a name is enough, whatever stands there


def write_secret(path: Path, secret: bytes) -> None:
    """Writes a new plain secret file; never overwrites one."""
    write_new(path, secret.hex() + "\n")


def write_new(path: Path, text: str) -> None:
    """Writes a new secret file, to the disk; never overwrites one."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    _filled(path, fd, text)
    _sync(path.parent)


def replace_secret(path: Path, text: str, was: str) -> None:
    """Puts another form of a secret in the place of what was read, whole or not at all, for the same owner.

    SecretRefused when something else stands there meanwhile, or another program is replacing it.
    """
    path = path.resolve()
    with path.open("rb") as old:
        try:
            fcntl.flock(old, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unchanged = text_in(path) == was
        except BlockingIOError:
            unchanged = False
        if not unchanged:
            raise SecretRefused(
                f"{path}: was changed meanwhile; nothing was written: look at it, then repeat"
            )
        owner = path.stat()
        fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        new = Path(name)
        _filled(new, fd, text, (owner.st_uid, owner.st_gid))
        try:
            new.replace(path)
        except OSError:
            new.unlink()
            raise
        _sync(path.parent)


def _filled(path: Path, fd: int, text: str, owner: tuple[int, int] = (-1, -1)) -> None:
    """Writes to the disk what a new file holds; none is left when that fails."""
    try:
        with os.fdopen(fd, "w", encoding="ascii") as file:
            os.fchown(fd, *owner)
            file.write(text)
            file.flush()
            os.fsync(fd)
    except BaseException:
        path.unlink()
        raise


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
