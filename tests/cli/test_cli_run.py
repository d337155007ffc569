"""posswitch run and demo as programs of their own: start, stop, restart, refuse."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from cli_runs import one_line, posswitch

from posswitch.cli import switch as switch_commands
from posswitch.sim.city import HOST, build_city

PATIENCE_S = 20.0
PROGRAM = (sys.executable, "-m", "posswitch")


def until(happened):
    """Waits; False when it takes too long."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if happened():
            return True
        time.sleep(0.01)
    return False


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def running(city):
    """`posswitch run`, ready, its banks on the line and silent."""
    with contextlib.ExitStack() as stack:
        ports = [port for bank in city.banks for port in bank.line_ports]
        servers = [stack.enter_context(socket.create_server((HOST, port))) for port in ports]
        process = stack.enter_context(started(city))
        for server in servers:
            server.settimeout(PATIENCE_S)
            link = stack.enter_context(server.accept()[0])
            assert link.recv(4).isdigit(), "a link begins with its sign-on"
        yield process


@contextlib.contextmanager
def started(city):
    """`posswitch run`, ready."""
    process = subprocess.Popen(
        [*PROGRAM, "run", "-c", str(city.config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline().startswith(f"posswitch: listening on {city.node}")
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_S)
        process.stdout.close()
        process.stderr.close()


def node_pid(city):
    file = city.data / "node.pid"
    text = file.read_text() if file.exists() else ""
    return int(text) if text.strip() else None


def answers(city):
    with contextlib.suppress(OSError), socket.create_connection(city.node[:2], 1):
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_starts_a_node_and_a_signal_stops_both_in_order(tmp_path, number, capsys):
    city = build_city(tmp_path, 1, 4)
    with running(city) as process:
        pid = node_pid(city)
        assert pid not in (None, process.pid)
        assert alive(pid)
        assert answers(city)
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == ""
    assert not alive(pid)
    assert node_pid(city) is None
    assert not answers(city)
    assert posswitch(capsys, "verify", "-c", city.config) == (0, "ok\n", "")


def test_verify_beside_a_running_switch(tmp_path, capsys):
    city = build_city(tmp_path, 1, 4)
    with running(city):
        assert posswitch(capsys, "verify", "-c", city.config) == (0, "ok\n", "")


def test_a_killed_node_is_started_again(tmp_path):
    city = build_city(tmp_path, 1, 4)
    with running(city) as process:
        first = node_pid(city)
        os.kill(first, signal.SIGKILL)
        assert until(lambda: node_pid(city) not in (None, first) and answers(city))
        assert process.poll() is None


def test_a_second_run_on_the_same_port_ends_with_exit_2_and_leaves_the_first_alone(tmp_path):
    first = build_city(tmp_path / "first", 1, 4)
    second = build_city(tmp_path / "second", 1, 4, node_port=first.node.port)
    with running(first):
        ended = subprocess.run(
            [*PROGRAM, "run", "-c", str(second.config)], capture_output=True, text=True, timeout=PATIENCE_S,
            check=False,
        )  # fmt: skip
        assert ended.returncode == 2
        assert "the node ended (exit code 2) and is not started again" in ended.stderr
        assert "start 2" not in ended.stderr
        assert answers(first)


def _no_file(city):
    city.config.unlink()


def _wrong_word(city):
    city.config.write_text(city.config.read_text().replace("[limits]", "[limitz]"))


def _open_secret(city):
    (city.folder / "secret.key").chmod(0o644)


@pytest.mark.parametrize("spoil", [_no_file, _wrong_word, _open_secret])
def test_a_configuration_that_cannot_be_used_is_exit_2(tmp_path, spoil):
    city = build_city(tmp_path, 1, 4)
    spoil(city)
    ended = subprocess.run(
        [*PROGRAM, "run", "-c", str(city.config)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith("posswitch: ")
    assert node_pid(city) is None


def test_a_demo_refuses_a_folder_in_use(capsys, tmp_path):
    (tmp_path / "something").write_text("mine")
    ended = posswitch(capsys, "demo", "--seconds", "1", "--data", tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
    assert [path.name for path in tmp_path.iterdir()] == ["something"]


@pytest.mark.parametrize(
    "wrong", [("--tps", "0"), ("--seconds", "0"), ("--kills", "-1"), ("--port", "70000")]
)
def test_a_demo_refuses_figures_that_make_no_sense(capsys, tmp_path, wrong):
    assert posswitch(capsys, "demo", "--data", tmp_path / "new", *wrong).code == 2
    assert not (tmp_path / "new").exists()


FINE = {"purchases": 9, "drained": True, "lost": 0, "duplicated": 0, "unknown": 0, "verify": "ok"}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ({}, 0),
        ({"lost": 1}, 1),
        ({"duplicated": 1}, 1),
        ({"unknown": 1}, 1),
        ({"drained": False}, 1),
        ({"verify": ["…"]}, 1),
    ],
)
def test_a_demo_ends_with_exit_1_when_money_or_journal_are_wrong(capsys, tmp_path, monkeypatch, found, code):
    asked = []

    async def counted(options, **_):
        asked.append(options)
        return FINE | found

    monkeypatch.setattr(switch_commands, "run_demo", counted)
    report = tmp_path / "report.json"
    words = ("--seconds", "3", "--tps", "50", "--kills", "2", "--seed", "9", "--port", "0", "--no-console")
    ended = posswitch(capsys, "demo", *words, "--data", tmp_path / "new", "--report", report)
    assert ended.code == code
    assert json.loads(ended.out) == json.loads(report.read_text()) == FINE | found
    (options,) = asked
    assert (options.seconds, options.tps, options.kills, options.seed, options.live) == (3, 50, 2, 9, False)
