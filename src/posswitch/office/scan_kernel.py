"""The scan's look at the machine: kernel settings, swap, open files, the clock."""

import ctypes
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from posswitch.base.bounds import CONNECTIONS_MAX
from posswitch.edge.start import PID_FILE
from posswitch.office.scan_finding import PROC, Premises, Weakness, weak
from posswitch.settings.memory import swaps

_FILES_MIN = CONNECTIONS_MAX + 512  # connections, the journal, links, the log
_FILES_FIX = 2 * CONNECTIONS_MAX
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES = 512  # larger than struct timex of any machine


class Setting(NamedTuple):
    """A file of /proc/sys, what it may say, and what to write instead."""

    name: str
    file: str
    good: tuple[str, ...]  # how it may begin
    fix: str


SETTINGS = (
    Setting("syn-cookies", "sys/net/ipv4/tcp_syncookies", ("1", "2"), "net.ipv4.tcp_syncookies=1"),
    Setting("reverse-path", "sys/net/ipv4/conf/all/rp_filter", ("1", "2"), "net.ipv4.conf.all.rp_filter=1"),
    Setting("ptrace", "sys/kernel/yama/ptrace_scope", ("1", "2", "3"), "kernel.yama.ptrace_scope=2"),
    Setting("core-files", "sys/kernel/core_pattern", ("|/bin/false",), "'kernel.core_pattern=|/bin/false'"),
)


def settings(premises: Premises) -> Iterator[Weakness]:
    """Each setting against its row."""
    for one in SETTINGS:
        path = premises.proc / one.file
        try:
            said = path.read_text("utf-8", "replace").strip()
        except OSError:
            yield weak("setting-unseen", path, f"sysctl -w {one.fix}")
            continue
        if not said.startswith(one.good) and not (
            one.name == "reverse-path" and _each_interface(path, one.good)
        ):
            yield weak(one.name, path, f"sysctl -w {one.fix}")
    if swaps(premises.proc / "swaps"):
        yield weak("swap", premises.proc / "swaps", "swapoff -a")


def _each_interface(path: Path, good: tuple[str, ...]) -> bool:
    """The greater of `all` and an interface's own value counts."""
    own = [
        one for one in path.parents[1].glob("*/rp_filter") if one.parent.name not in ("all", "default", "lo")
    ]
    return bool(own) and all(one.read_text("ascii").startswith(good) for one in own)


def open_files(premises: Premises) -> Iterator[Weakness]:
    """How many files the node may open: itself while it runs, else what this process hands on."""
    try:
        pid = int((premises.files["data"] / PID_FILE).read_text("ascii"))
        may = _limit(premises.proc / str(pid) / "limits")
        where, fix = f"process {pid}", f"prlimit --pid {pid} --nofile={_FILES_FIX}:{_FILES_FIX}"
    except (OSError, ValueError):
        may = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        where, fix = "LimitNOFILE", f"ulimit -n {_FILES_FIX}"
    if may != resource.RLIM_INFINITY and may < _FILES_MIN:
        yield weak("open-files", where, fix, what=may)


def _limit(path: Path) -> int:
    (line,) = (one for one in path.read_text("ascii").splitlines() if one.startswith("Max open files"))
    soft = line.split()[3]
    return resource.RLIM_INFINITY if soft == "unlimited" else int(soft)


def clock(premises: Premises) -> Iterator[Weakness]:
    """Whether this machine's clock follows another; of the machine itself only."""
    if premises.proc == PROC and clock_state() == _UNSYNCHRONISED:
        yield weak("clock-unsynchronised", os.uname().nodename, "timedatectl set-ntp true")


def clock_state() -> int:
    """What adjtimex(2) returns when it is only asked; -1 where it is not allowed."""
    asked = ctypes.create_string_buffer(_TIMEX_BYTES)
    return int(ctypes.CDLL(None, use_errno=True).adjtimex(asked))
