"""Runs the program with something on standard input, or at a terminal of its own; seals a city's secret."""

import fcntl
import os
import pty
import subprocess
import sys
import termios
import time

from posswitch.crypto.keyfile import COST_MIN, sealed_by_passphrase
from posswitch.settings.asking import FD_VARIABLE, FILE_VARIABLE
from posswitch.settings.secret import read_secret, replace_secret, text_in

PATIENCE_S = 30.0
PROGRAM = (sys.executable, "-m", "posswitch")
WORDS = "geese over a grey harbour"


def environment(**more):
    clean = {name: value for name, value in os.environ.items() if name not in (FILE_VARIABLE, FD_VARIABLE)}
    return clean | more


def program(*words, typed="", fds=(), **more):
    """`posswitch WORDS` with lines on standard input, without a terminal."""
    return subprocess.run(
        [*PROGRAM, *map(str, words)], input=typed, capture_output=True, text=True, timeout=PATIENCE_S,
        check=False, env=environment(**more), pass_fds=fds,
    )  # fmt: skip


def at_a_terminal(*words, typed):
    """Exit code and everything that the terminal showed; each line is typed when its prompt has come."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *map(str, words)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment(),
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    for prompt, line in typed:
        shown += _until(ours, prompt.encode())
        os.write(ours, line.encode() + b"\n")
    shown += _until(ours, None)
    os.close(ours)
    return process.wait(PATIENCE_S), shown.decode().replace("\r\n", "\n")


def _until(terminal, words):
    """What is shown until some words have come, or (None) the program has gone."""
    shown, end = b"", time.monotonic() + PATIENCE_S
    while words is None or words not in shown:
        assert time.monotonic() < end, shown
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # nobody has it open any more
            piece = b""
        if not piece:
            assert words is None, shown
            break
        shown += piece
    return shown


def shares_of(*words, before=()):
    """Both shares as two people write them down at a terminal, and everything that it showed."""
    alone = ("its holder alone may look; press Enter", "")
    written = ("Enter when it is written down and compared: ", "")
    code, shown = at_a_terminal(*words, "--shares", typed=[*before, alone, written, alone, written])
    assert code == 0, shown
    one, two = (line for line in shown.splitlines() if line[:2] in ("1:", "2:"))
    return one, two, shown


def seal(folder):
    """A city's secret sealed with WORDS, cheaply, and its root."""
    path = folder / "secret.key"
    was, root = text_in(path), read_secret(path)
    replace_secret(path, cheaply_sealed(root), was)
    return root


def cheaply_sealed(root):
    """What a file says whose secret is sealed with WORDS, at the least cost that is read."""
    return sealed_by_passphrase(root, WORDS, os.urandom, COST_MIN)
