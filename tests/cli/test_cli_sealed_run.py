"""posswitch run with a sealed secret: opened once, handed to nodes and companions, seen nowhere."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_runs import one_line
from secret_runs import PATIENCE_S, PROGRAM, WORDS, environment, program, seal

from leak_search import leaks_in
from posswitch.settings.asking import FILE_VARIABLE
from posswitch.sim.city import build_city


@pytest.fixture
def city(tmp_path):
    return build_city(tmp_path / "city", 1, 4)


@contextlib.contextmanager
def started(city, typed=None, **more):
    """`posswitch run`, ready, after it was told what opens the secret."""
    process = subprocess.Popen(
        [*PROGRAM, "run", "-c", str(city.config)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=environment(**more),
    )  # fmt: skip
    try:
        if typed is not None:
            process.stdin.write(typed)
        process.stdin.close()
        assert process.stdout.readline().startswith(f"posswitch: listening on {city.node}")
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        process.stdout.close()
        process.stderr.close()


def until(what):
    """What is true at last."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise TimeoutError


def children(pid):
    """The processes that a process has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def shown(pid):
    """What anybody (arguments) or a privileged look (environment) finds of a process."""
    folder = Path("/proc") / str(pid)
    with contextlib.suppress(PermissionError):  # of a process that may not be looked into
        return (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
    return (folder / "cmdline").read_bytes()


def role(pid):
    """What a process that the switch has started is."""
    words = shown(pid).split(b"\0")
    return next((name for name in ("backup", "incidents") if name.encode() in words), "node")


def roles(process):
    """Of everything that the switch has started, in order."""
    return sorted(map(role, children(process.pid)))


def test_a_node_that_dies_at_night_is_started_without_a_person_and_without_the_file(city):
    root = seal(city.folder)
    text = (city.folder / "secret.key").read_text()
    city.config.write_text(city.config.read_text() + '\n[backup]\nto = "copy"\nevery = 1\n')
    secrets = {"root": root, "passphrase": WORDS}
    with started(city, f"{WORDS}\n") as process:
        (city.folder / "secret.key").unlink()  # the key is locked away again
        until(lambda: roles(process) == ["backup", "incidents", "node"])
        first = int((city.data / "node.pid").read_text())
        for pid in (process.pid, *children(process.pid)):
            assert leaks_in(shown(pid), secrets) == []
        os.kill(first, signal.SIGKILL)
        pid_file = city.data / "node.pid"
        second = until(lambda: pid_file.exists() and pid_file.read_text().strip() not in ("", str(first)))
        assert second
        for pid in (process.pid, *children(process.pid)):
            assert leaks_in(shown(pid), secrets) == []
        until(lambda: list((city.folder / "copy").glob("*")))
        os.kill(int(pid_file.read_text()), signal.SIGTERM)  # it ends in order, and the switch with it
        assert process.wait(PATIENCE_S) == 0
        said = process.stdout.read() + process.stderr.read()
        assert "start 2" in said
        assert "the backup ended" not in said
        assert leaks_in(said.encode(), secrets) == []
    (city.folder / "secret.key").touch(0o600)
    (city.folder / "secret.key").write_text(text)
    assert program("verify", "-c", city.config, typed=f"{WORDS}\n").stdout == "ok\n"
    archived = program("verify", "--archive", city.folder / "copy", "-c", city.config, typed=f"{WORDS}\n")
    assert archived.stdout.startswith("ok: ")


def test_a_service_manager_opens_it_with_a_credential(city, tmp_path):
    seal(city.folder)
    credential = tmp_path / "credential"
    credential.touch(0o600)
    credential.write_text(f"{WORDS}\n")
    with started(city, **{FILE_VARIABLE: str(credential)}) as process:
        assert until(lambda: roles(process) == ["incidents", "node"])


@pytest.mark.parametrize(
    ("typed", "said"), [("not the right one\n", "another passphrase"), ("", "standard input gives no line")]
)
def test_a_secret_that_stays_shut_is_exit_2_and_no_node_is_started(city, typed, said):
    seal(city.folder)
    ended = program("run", "-c", city.config, typed=typed)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert one_line(ended.stderr)
    assert said in ended.stderr
    assert not city.data.exists()


def test_for_real_cards_a_plain_secret_and_keys_in_software_stop_the_start(city):
    text = city.config.read_text().replace('secret = "', 'production = true\nsecret = "')
    city.config.write_text(text)
    ended = program("run", "-c", city.config)
    assert (ended.returncode, one_line(ended.stderr), city.data.exists()) == (2, True, False)
    checked = program("check", "-c", city.config)
    assert checked.returncode == 1
    errors = [line.split(": error: ")[1] for line in checked.stdout.splitlines() if ": error: " in line]
    assert [line.split(": ")[0] for line in errors] == ["node.production", "node.secret"]
    assert errors[0] in ended.stderr
    seal(city.folder)
    city.config.write_text(text + '\n[hsm]\nsoftware = "keys in this machine\'s memory are accepted"\n')
    with started(city, f"{WORDS}\n"):
        assert (city.data / "node.pid").exists()
    spied = program("sim-terminal", "--data", city.folder, "echo", typed=f"{WORDS}\n")
    assert spied.returncode == 2
    assert "is for real cards; take the folder of a test switch" in spied.stderr
