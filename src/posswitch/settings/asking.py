"""Passphrases and shares, asked of whoever is there: a terminal without echo, else lines of standard input.

Unattended they come from the file that POSSWITCH_PASSPHRASE_FILE names (a service manager's credential), or
from the descriptor in POSSWITCH_PASSPHRASE_FD. They are never an argument.
"""

import getpass
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posswitch.base.errors import ConfigError, SecretRefused, SecretShut

FILE_VARIABLE, FD_VARIABLE = "POSSWITCH_PASSPHRASE_FILE", "POSSWITCH_PASSPHRASE_FD"
_CREDENTIALS = "CREDENTIALS_DIRECTORY"  # of systemd: its access lists show as a right of the group
_LINE_CHARS_MAX, _BYTES_MAX = 1024, 8192
_STDIN = 0


class Asker:
    """One answer a question, each asked once."""

    def __init__(self) -> None:
        self._lines: list[str] | None = None  # of an unattended source, once it was read
        self._silent = False

    def __repr__(self) -> str:
        return f"<asker: {'unattended' if _unattended() else 'people'}>"

    def line(self, prompt: str) -> str:
        """What is answered; SecretShut when nobody is there."""
        if self._silent:
            raise SecretShut("the secret is sealed, and nobody was asked")
        if _unattended():
            return self._line_of_source()
        if at_a_terminal():
            try:
                return _bounded(getpass.getpass(f"{prompt}: "))
            except EOFError:
                raise SecretShut("no passphrase or share was given; start again") from None
        return _bounded(self._line_of_input())

    def new(self, prompt: str) -> str:
        """A new passphrase, typed twice, or once through a pipe that ends there; SecretRefused otherwise."""
        first = self.line(prompt)
        if not _unattended() and self._again() not in (first, None):
            raise SecretRefused("the two passphrases differ; nothing was changed")
        return first

    def _again(self) -> str | None:
        """The same once more, None when standard input has no further line."""
        try:
            return self.line("again")
        except SecretShut:
            if at_a_terminal():
                raise
            return None

    @contextmanager
    def sparing_input(self) -> Iterator[None]:
        """Within it standard input is not read for a secret, unless a person sits there."""
        self._silent = not (_unattended() or at_a_terminal())
        try:
            yield
        finally:
            self._silent = False

    def _line_of_source(self) -> str:
        if self._lines is None:
            self._lines = _source().splitlines()
        if not self._lines:
            name = FILE_VARIABLE if FILE_VARIABLE in os.environ else FD_VARIABLE
            raise SecretShut(f"no passphrase or share: {name} gives no further line; write one a question")
        return _bounded(self._lines.pop(0))

    @staticmethod
    def _line_of_input() -> str:
        """Byte by byte: what follows is another question's."""
        line = bytearray()
        while (one := os.read(_STDIN, 1)) not in (b"", b"\n") and len(line) < _BYTES_MAX:
            line += one
        if not line and not one:
            raise SecretShut(
                f"no passphrase or share: standard input gives no line; use a terminal or set {FILE_VARIABLE}"
            )
        try:
            return line.decode().rstrip("\r")
        except UnicodeDecodeError:
            raise SecretRefused("standard input: is no text in UTF-8; type it again") from None


def at_a_terminal() -> bool:
    """Whether a person may be asked."""
    return os.isatty(_STDIN)


def _unattended() -> bool:
    return FILE_VARIABLE in os.environ or FD_VARIABLE in os.environ


def _bounded(text: str) -> str:
    if len(text) > _LINE_CHARS_MAX:
        raise SecretRefused(f"a passphrase or share has at most {_LINE_CHARS_MAX} characters")
    return text


def _source() -> str:
    """The text of the unattended source; ConfigError when it cannot be read or others may read it."""
    name = os.environ.get(FILE_VARIABLE)
    try:
        fd = int(os.environ[FD_VARIABLE]) if name is None else os.open(name, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            if name is not None:
                _only_ours(Path(name), os.fstat(file.fileno()))
            return file.read(_BYTES_MAX).decode("utf-8")
    except (OSError, ValueError):
        place = f"{FD_VARIABLE}: is" if name is None else f"{FILE_VARIABLE}: {name} is"
        raise ConfigError(f"{place} not readable as text; name what holds one line a question") from None


def _only_ours(path: Path, seen: os.stat_result) -> None:
    """A file of ours or of root that nobody else may read; a credential shows its rights as a group's."""
    credential = os.environ.get(_CREDENTIALS)
    forbidden = 0o037 if credential and path.is_relative_to(credential) else 0o077
    if not stat.S_ISREG(seen.st_mode):
        raise ConfigError(f"{FILE_VARIABLE}: {path} is not a file; name a file of mode 0600")
    if seen.st_mode & forbidden or seen.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{FILE_VARIABLE}: others may read {path}; run: chmod 600 {path}")
