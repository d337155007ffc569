"""A switch's machine for scans: what is planted, scanned, and mended by the very fix that was printed."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from posswitch.office.acts import Ledger
from posswitch.office.desk import Desk
from posswitch.office.scan import scan
from posswitch.office.scan_finding import PROC, Weakness
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.sim.authority import Authority
from posswitch.sim.city import build_city

PROGRAM = (sys.executable, "-m", "posswitch")
PASSPHRASE = "seven words that nobody else has ever thought"
# Programs that would change this machine: each does to the planted one what it would do to a real one.
_STAND_INS = {
    "posswitch": f'exec {" ".join(PROGRAM)} "$@"',
    "sysctl": 'test "$1" = -w && set -- "$(echo "$2" | sed "s/=.*//" | tr . /)" "${2#*=}" && '
    'mkdir -p "$(dirname "$SITE/proc/sys/$1")" && echo "$2" > "$SITE/proc/sys/$1"',
    "swapoff": 'test "$1" = -a && echo Filename > "$SITE/proc/swaps"',
    "timedatectl": 'test "$*" = "set-ntp true" && touch "$SITE/synchronised"',
    "apt-get": 'test "$1 $2" = "install --only-upgrade" && touch "$SITE/upgraded-$3"',
    "git": 'test "$*" = "pull --ff-only" && touch "$SITE/pulled"',
    "make": 'test "$*" = setup && test -e "$SITE/pulled" && touch "$SITE/upgraded-posswitch"',
    "python3": 'test "$1 $2 $3 $4" = "-m pip install --upgrade" && touch "$SITE/upgraded-$5"',
}


class ShiftedClock(SystemClock):
    """The machine's clock, so many days on."""

    def __init__(self, days: int) -> None:
        super().__init__()
        self._days = days

    def wall_ns(self) -> int:
        return super().wall_ns() + self._days * 86_400 * 10**9


class Site:
    """A city's configuration in a folder, and what of the machine is its own."""

    def __init__(self, folder: Path, authority: Authority | None = None) -> None:
        self.folder, self.authority = folder, authority
        folder.chmod(0o755)
        self.city = build_city(folder, 1, 4, tls=authority)
        self.config = self.city.config
        self.proc = PROC
        self.days = 0
        self.only = ""  # only findings whose place ends like this
        self.running = contextlib.ExitStack()
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name, does in _STAND_INS.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{does}\n")
            (self.bin / name).chmod(0o755)

    def fake_proc(self) -> None:
        """Another /proc, in which every setting is as it should be."""
        self.proc = self.folder / "proc"
        for name, value in (
            ("sys/net/ipv4/tcp_syncookies", "1"),
            ("sys/net/ipv4/conf/all/rp_filter", "1"),
            ("sys/kernel/yama/ptrace_scope", "2"),
            ("sys/kernel/core_pattern", "|/bin/false"),
            ("swaps", "Filename"),
        ):
            (self.proc / name).parent.mkdir(parents=True, exist_ok=True)
            (self.proc / name).write_text(f"{value}\n")

    def edit(self, *pairs: tuple[str, str]) -> None:
        """Other words in the configuration."""
        text = self.config.read_text("utf-8")
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        self.config.write_text(text, "utf-8")

    def found(self, name: str) -> list[Weakness]:
        result = scan(self.config, ShiftedClock(self.days), self.proc)
        return [one for one in result.findings if one.name == name and one.where.endswith(self.only)]

    def apply(self, one: Weakness) -> None:
        """The fix as it is printed: a line of the configuration, or a command."""
        if one.into:
            self.config.write_text(_with_line(self.config.read_text("utf-8"), one), "utf-8")
        elif one.fix.startswith("posswitch run"):
            self.runs(one.fix)
        else:
            said = self.sh(one.fix.replace("NAME", "Chen").replace("DATE", "2060-12-31"))
            assert said.returncode == 0, (one.fix, said.stdout, said.stderr)
            self.confirmed()

    def confirmed(self) -> None:
        """Another person confirms what was proposed about keys."""
        ledger = self.ledger()
        for number in ledger.open(SystemClock().wall_ns()) if ledger is not None else ():
            said = self.sh(f"posswitch keys confirm {number} --by Wang -c {self.config}")
            assert said.returncode == 0, said.stderr

    def ledger(self) -> Ledger | None:
        with contextlib.suppress(Exception):
            return Desk(load_config(self.config, serve=False), SystemClock()).ledger
        return None

    def sh(self, line: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["sh", "-c", line], input=f"{PASSPHRASE}\n{PASSPHRASE}\n", capture_output=True, text=True,
            env=self._environment(), check=False, timeout=60,
        )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "SITE": str(self.folder), "PATH": f"{self.bin}:{os.environ['PATH']}"}

    def runs(self, line: str) -> None:
        """The switch, until the end of the test."""
        self.starts("sh", "-c", f"exec {line}", says="posswitch: listening")

    def starts(self, *words: str, says: str = "") -> subprocess.Popen:
        """A program that goes on, once it has said so."""
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=self._environment()
        )
        self.running.callback(_ended, process)
        assert process.stdout.readline().startswith(says)
        return process


def _ended(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(30)
    process.stdout.close()


def gone(process: subprocess.Popen) -> None:
    """Waits for the end of a program."""
    end = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    assert process.poll() is not None


def _with_line(text: str, one: Weakness) -> str:
    """A line put into its table, in place of the line of that key."""
    key = one.fix.partition(" = ")[0]
    heading = f"[[{one.into}]]" if one.into == "bank" else f"[{one.into}]"
    tables = re.split(r"(?m)^(?=\[)", text)
    name = one.where.rpartition(" ")[2]
    for at, table in enumerate(tables):
        if table.startswith(heading) and (one.into != "bank" or f'id = "{name}"' in table):
            tables[at] = f"{heading}\n{one.fix}\n" + re.sub(
                rf"(?m)^{key} = .*\n", "", table.removeprefix(heading + "\n")
            )
            return "".join(tables)
    return f"{text}\n{heading}\n{one.fix}\n"
