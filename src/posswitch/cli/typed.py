"""What a person types that nobody may see: read without echo into memory that can be wiped."""

import contextlib
import os
import sys
import termios
from collections.abc import Iterator

from posswitch.base.errors import OfficeError

_STDIN = 0
_LINE_BYTES_MAX = 4096
_CLEARED = "\x1b[2J\x1b[3J\x1b[H"  # the screen, what was scrolled away, the cursor to the top


def at_terminal() -> bool:
    """Whether a person sits there."""
    return os.isatty(_STDIN) and sys.stdout.isatty()


def typed(prompt: str, *, hidden: bool) -> bytearray:
    """A line from the terminal, or from standard input where there is none; OfficeError beyond 4096 bytes."""
    with _silent() if hidden else contextlib.nullcontext():  # before anybody is asked to type
        if os.isatty(_STDIN):
            sys.stderr.write(prompt)
            sys.stderr.flush()
        return _line()


def typed_words(prompt: str) -> str:
    """The same as a text, for what is no secret."""
    return typed(prompt, hidden=False).decode("utf-8", "replace").strip()


def show_alone(text: bytearray, prompt: str) -> None:
    """Shows a text on an empty screen until a person has read it, then clears the screen again."""
    sys.stdout.write(_CLEARED)
    sys.stdout.flush()
    os.write(sys.stdout.fileno(), text)
    typed(prompt, hidden=True)
    sys.stdout.write(_CLEARED)
    sys.stdout.flush()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without echo, when it is a terminal; as it was before, whatever happens."""
    if not os.isatty(_STDIN):
        yield
        return
    before = termios.tcgetattr(_STDIN)
    quiet = [*before]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(_STDIN, termios.TCSAFLUSH, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)
        sys.stderr.write("\n")
        sys.stderr.flush()


def _line() -> bytearray:
    """Everything up to the end of the line, byte by byte: what follows is somebody else's."""
    line, one = bytearray(_LINE_BYTES_MAX), bytearray(1)
    length = 0
    while os.readv(_STDIN, [one]) and one != b"\n":
        if length == _LINE_BYTES_MAX:
            raise OfficeError("standard input: a line is too long; give one value a line")
        line[length] = one[0]
        length += 1
    one[0] = 0
    del line[length:]
    return line
