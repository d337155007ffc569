"""Banks that are well or not, and `ping --json` at them as a process of its own."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from typing import NamedTuple

from peer_runs import PATIENCE_S, PROGRAM, sim_bank

from posswitch.sim.city import HOST, build_city

BANK = "90010000"


class Pinged(NamedTuple):
    """Exit code, the document, the only link's part of it, and how long it took."""

    code: int
    told: dict
    err: str
    seconds: float

    @property
    def link(self):
        return self.told["links"][0]

    @property
    def found(self):
        return self.link["place"], self.link["cause"]

    def step(self, name):
        return next(step for step in self.link["steps"] if step["name"] == name)


def ping(city, *words, inside=()):
    began = time.monotonic()
    ended = subprocess.run(
        [*inside, *PROGRAM, "ping", BANK, "-c", str(city.config), "--json", *map(str, words)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert ended.stdout, ended.stderr
    return Pinged(ended.returncode, json.loads(ended.stdout), ended.stderr, time.monotonic() - began)


def one_link(folder, address="", dialect="cups", tls=None, more=""):
    """A city whose first bank has one link, to `address`; gives city, plan and that address."""
    city = build_city(folder, 1, 2, dialects=(dialect,) * 4, tls=tls)
    plan = city.banks[0]
    text = city.config.read_text()
    both = ", ".join(f'"{city.node.scheme}://{HOST}:{port}"' for port in plan.line_ports)
    address = address or f"{city.node.scheme}://{HOST}:{plan.line_ports[0]}"
    assert f"links = [{both}]" in text
    city.config.write_text(text.replace(f"links = [{both}]", f'links = ["{address}"]\n{more}'))
    return city, plan, address


@contextlib.contextmanager
def bank_at(address, *words, dialect="cups"):
    with sim_bank("--listen", address, "--dialect", dialect, *words) as bank:
        bank.wait_for(event="listening")
        yield bank


@contextlib.contextmanager
def listener(serve, host=HOST, port=0):
    """A server of its own manners: `serve(line)` for each connection, in a thread. Gives HOST:PORT."""
    server = socket.create_server((host, port))
    server.settimeout(PATIENCE_S)
    lines = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                line, _ = server.accept()
                lines.append(line)
                threading.Thread(target=run, args=(line,), daemon=True).start()

    def run(line):
        with contextlib.suppress(OSError):
            serve(line)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"{host}:{server.getsockname()[1]}"
    finally:
        server.close()
        for line in lines:
            line.close()


def silent(line):
    """Takes everything, says nothing."""
    while line.recv(65_536):
        pass


def hangs_up(line):
    line.close()


def says_nonsense(line):
    """To everything."""
    while line.recv(65_536):
        line.sendall(b"0004GARB")


def late(seconds, address):
    """Hands everything on, answers after `seconds`."""

    def serve(line):
        with socket.create_connection(address) as beyond:
            while data := line.recv(65_536):
                beyond.sendall(data)
                answer = beyond.recv(65_536)
                time.sleep(seconds)
                line.sendall(answer)

    return serve


def answers_only(count, address):
    """Hands everything on, and back the first `count` answers alone."""

    def serve(line):
        with socket.create_connection(address) as beyond:
            for at in range(1_000):
                if not (data := line.recv(65_536)):
                    break
                beyond.sendall(data)
                answer = beyond.recv(65_536)
                if at < count:
                    line.sendall(answer)

    return serve


if __name__ == "__main__":  # a silent bank in another network namespace: HOST:PORT
    place = sys.argv[1].rpartition(":")
    with listener(silent, place[0], int(place[2])):
        print("listening", flush=True)
        time.sleep(PATIENCE_S)
