"""Runs sim-bank, a node and sim-terminal as processes of their own, over TCP; everything has an end."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from posswitch.sim.city import HOST, build_city

PATIENCE_S = 40.0
PROGRAM = (sys.executable, "-m", "posswitch")
TMK = "00112233445566778899AABBCCDDEEFF"


class SimBank:
    """`sim-bank --json` and what it has said so far."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [*PROGRAM, "sim-bank", "--json", *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.said = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._more:
                self.said.append(json.loads(line))
                self._more.notify_all()

    def wait_for(self, **wanted):
        """The first thing it says that has all of `wanted`."""
        with self._more:
            assert self._more.wait_for(lambda: self._find(wanted), PATIENCE_S), (wanted, self.said)
            return self._find(wanted)[0]

    def find(self, **wanted):
        """Everything it said that has all of `wanted`: known only when it has ended."""
        assert not self._reader.is_alive(), "it may still say something: wait_for, or end it first"
        return self._find(wanted)

    def _find(self, wanted):
        return [said for said in self.said if wanted.items() <= said.items()]

    @property
    def address(self):
        host, _, port = self.wait_for(event="listening")["address"].rpartition(":")
        return host, int(port)

    def end(self):
        """Ctrl-C; its exit code, and standard error."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code, self.process.stderr.read()


@contextlib.contextmanager
def sim_bank(*words):
    bank = SimBank(*words)
    try:
        yield bank
    finally:
        if bank.process.poll() is None:
            bank.process.kill()
            bank.process.wait(PATIENCE_S)
        bank._reader.join(PATIENCE_S)
        bank.process.stdout.close()
        bank.process.stderr.close()


class Ran(NamedTuple):
    """How `sim-terminal` ended and what it said, objects and all."""

    code: int
    said: list
    err: str

    def find(self, **wanted):
        return [said for said in self.said if wanted.items() <= said.items()]

    def steps(self):
        return {said["step"]: said["good"] for said in self.find(event="step")}


def sim_terminal(*words):
    """`sim-terminal --json`."""
    ended = subprocess.run(
        [*PROGRAM, "sim-terminal", "--json", *map(str, words)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return Ran(ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr)


def side_by_side(walk, *cases):
    """What `walk` gives for each case, all at the same time: programs that mostly wait."""
    with ThreadPoolExecutor(len(cases)) as pool:
        return list(pool.map(walk, cases))


@contextlib.contextmanager
def town(folder, *words, dialect="cups", zak="", tls=None):
    """A node whose first bank is `sim-bank WORDS`; gives the bank and the folder for `--data`."""
    city = build_city(folder, 1, 2, dialects=(dialect,) * 4, tls=tls)
    plan = city.banks[0]
    text = city.config.read_text()
    both = ", ".join(f'"{city.node.scheme}://{HOST}:{port}"' for port in plan.line_ports)
    assert both in text
    listen = f"{city.node.scheme}://{HOST}:{plan.line_ports[0]}"
    city.config.write_text(text.replace(both, f'"{listen}"'))  # one link is enough
    if tls is not None:
        paper = city.papers / plan.id
        words += ("--certificate", f"{paper}.pem", "--certificate-key", f"{paper}.key")
        words += ("--authorities", city.papers / "authority.pem")
    zone = ("--zpk", plan.zpk.hex(), "--zak", zak or plan.zak.hex())
    with sim_bank("--listen", listen, "--dialect", dialect, "--centre-waits", "2", *zone, *words) as bank:
        bank.wait_for(event="listening")
        bank.city = city
        node = subprocess.Popen(
            [*PROGRAM, "run", "-c", str(city.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert node.stdout.readline().startswith("posswitch: listening on ")
            bank.wait_for(kind="sign-on", way="out")
            yield bank
        finally:
            node.terminate()
            node.wait(PATIENCE_S)
            node.stdout.close()
            node.stderr.close()


@contextlib.contextmanager
def centre(answer):
    """A listener that says `answer(data)` to whatever arrives; None says nothing. Gives HOST:PORT."""
    server = socket.create_server((HOST, 0))
    server.settimeout(PATIENCE_S)
    ending = threading.Event()

    def serve(line):
        line.settimeout(PATIENCE_S)
        with line, contextlib.suppress(OSError):
            while not ending.is_set() and (data := line.recv(65_536)):
                said = answer(data)
                if said is not None:
                    line.sendall(said)

    def accept():
        with contextlib.suppress(OSError):
            while not ending.is_set():
                line, _ = server.accept()
                threading.Thread(target=serve, args=(line,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"{HOST}:{server.getsockname()[1]}"
    finally:
        ending.set()
        server.close()
