"""What a node and its supervisor hold in memory stays there: no core file, no look from outside, no swap."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from posswitch.sim.city import build_city

PATIENCE_S = 30.0
CORES = Path("/proc/sys/kernel/core_pattern").read_text().strip()
ROOT = os.geteuid() == 0
CARELESS = "import sys; print('ready', flush=True); sys.stdin.read()"
KEEP = "from posswitch.settings.memory import keep_private\n"
KEPT = f"{KEEP}keep_private()\n"
LIFTED = "import resource as r; r.setrlimit(r.RLIMIT_CORE, (r.getrlimit(r.RLIMIT_CORE)[1],) * 2)\n"
DUMPABLE = "import ctypes; ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)\n"  # as every program of a user begins
PLAIN_USER = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
LOOK = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for name in ("mem", "environ", "maps"):
    try:
        open(f"/proc/{sys.argv[1]}/{name}", "rb").read(1)
        print(name)
    except OSError:
        pass
"""


def allowed(folder):
    """In a child before its program: it works in `folder`, where it may write a core file of any size."""
    os.chdir(folder)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def cores(folder):
    return [path for path in folder.rglob("core*") if path.is_file()]


def cores_of(folder, program):
    """The core files that a program leaves which says that it is ready and is killed with SIGABRT."""
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        preexec_fn=lambda: allowed(folder),  # noqa: PLW1509
    ) as careless:  # fmt: skip
        assert careless.stdout.readline() == b"ready\n"
        careless.send_signal(signal.SIGABRT)
        careless.wait(PATIENCE_S)
    return cores(folder)


def gone(pid):
    end = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def dumping(tmp_path):
    """The control: this machine writes a core file of a process that does nothing against it."""
    if not cores_of(tmp_path / "control", CARELESS):
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        pytest.skip(f"no core file of anybody is seen here: core_pattern {CORES!r}, hard limit {hard}")


@pytest.fixture
def city(tmp_path):
    return build_city(tmp_path / "city", 1, 4)


@contextlib.contextmanager
def running(city, folder):
    """`posswitch run` in a folder for cores, ready; its own process and its node's id."""
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "posswitch", "run", "-c", str(city.config)], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, preexec_fn=lambda: allowed(folder),  # noqa: PLW1509
    )  # fmt: skip
    try:
        assert process.stdout.readline()
        yield process, int((city.data / "node.pid").read_text())
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE_S)
        process.stdout.close()


def limit_of_cores(pid):
    (line,) = [one for one in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in one]
    return line.split()[4:6]


def locked_kib(pid):
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmLck")]
    return int(line.split()[1])


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_a_node_that_crashes_leaves_no_core_where_others_do(dumping, city, tmp_path, number):
    with running(city, tmp_path / "cores") as (process, node):
        os.kill(node, number)
        gone(node)
        assert cores(tmp_path / "cores") == cores(city.folder) == []
        process.send_signal(number)
        process.wait(PATIENCE_S)
    assert cores(tmp_path / "cores") == cores(city.folder) == []


def test_it_is_not_the_limit_alone_that_keeps_cores_away(dumping, tmp_path):
    """Core files that go to a pipe have no limit: what holds then is that the process may not be dumped."""
    assert cores_of(tmp_path / "limit lifted", KEPT + LIFTED + CARELESS) == []
    assert cores_of(tmp_path / "dumpable again", KEPT + LIFTED + DUMPABLE + CARELESS)


def test_node_and_supervisor_say_that_they_are_not_dumped(city, tmp_path):
    with running(city, tmp_path / "cores") as (process, node):
        for pid in (process.pid, node):
            assert limit_of_cores(pid) == ["0", "0"]
            assert Path(f"/proc/{pid}").stat().st_uid == Path(f"/proc/{pid}/mem").stat().st_uid == 0
        rows = [json.loads(line) for line in (city.data / "node.log").read_text().splitlines()]
        (said,) = [row for row in rows if row["event"] == "memory"]
        assert said["dumpable"] is False
        assert said["locked"] is (locked_kib(node) > 0)
        assert (locked_kib(process.pid) > 0) is said["locked"]
        if ROOT:
            assert said["locked"]


def test_nobody_else_looks_into_their_memory(city, tmp_path):
    """Another process of the same user: it would find the keys there, and is turned away by the kernel."""
    if not ROOT:
        with running(city, tmp_path / "cores") as (_, node), pytest.raises(PermissionError):
            Path(f"/proc/{node}/mem").read_bytes()
        return
    user = f"{KEEP}{PLAIN_USER}{DUMPABLE}"  # what is imported later is not for this user
    open_to_all, kept = (
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for program in (user + CARELESS, f"{user}keep_private()\n{CARELESS}")
    )
    for one, seen in ((open_to_all, ["environ", "maps"]), (kept, [])):
        with one:
            assert one.stdout.readline() == b"ready\n"
            looked = subprocess.run(
                [sys.executable, "-c", LOOK, str(one.pid)], capture_output=True, text=True, check=True
            )
            assert [name for name in looked.stdout.split() if name != "mem"] == seen
            one.stdin.close()
