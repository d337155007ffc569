"""The screen keeps to itself: pressed hard, standing still, killed and away, it touches no payment."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from posswitch.base.codes import CODES
from posswitch.base.moment import NS_PER_S
from posswitch.console.city import order
from posswitch.settings.clock import SystemClock

LINK = re.compile(r"http://127\.0\.0\.1:\d+/\?key=[0-9a-f]{32}")
TPS, PAYMENTS, PATIENCE_S = 60, 120, 40.0  # a second; to be seen in each state of the screen
TROUBLE = {row.code for row in CODES.values() if row.retry == "later"}  # what a centre says that cannot


class Town:
    """`make run`, quieter; `log` is what it prints."""

    def __init__(self, folder):
        self.data, self._books = folder / "data", folder / "books"
        self._config, self._log = folder / "posswitch.toml", folder.parent / "log"
        words = ("posswitch", "demo", "--calm", "--tps", str(TPS), "--data", str(folder))
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", *words), stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def log(self):
        return self._log.read_text()

    def links(self):
        return LINK.findall(self.log)

    def until(self, happened):
        ends = time.monotonic() + PATIENCE_S
        while not (found := happened()):
            assert time.monotonic() < ends and self._process.poll() is None, self.log[-2000:]
            time.sleep(0.05)
        return found

    def screens(self):
        """The processes that are its screen."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().decode().split("\0")
                if "console" in words and str(self._config) in words:
                    found.append(int(folder.name))
        return found

    def paid(self):
        outcomes = asyncio.run(order(self.data, "state"))["outcomes"]
        return sum(outcomes.values())

    def pays(self):
        """Payments go on, so many more; when that was."""
        begin_ns, before = SystemClock().wall_ns(), self.paid()
        self.until(lambda: self.paid() - before >= PAYMENTS)
        return begin_ns, SystemClock().wall_ns()

    def close(self):
        """What it counted, and all slips."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(100)
        finally:
            self._process.kill()
        slips = [json.loads(line) for one in self._books.glob("slips-*") for line in one.open()]
        return json.loads(self.log.partition("\n{")[2].join(("{", ""))), slips


def pressed(client, base):
    """Asks for more pages at once than anybody looks at."""
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: client.get(f"{base}en", timeout=30), range(12)):
            answer.raise_for_status()


def states(town):
    """What the screen suffers, and when."""
    link = town.until(town.links)[0]
    base = link.partition("?")[0]
    with httpx.Client() as client:
        client.get(link).raise_for_status()
        with ThreadPoolExecutor(1) as pool:
            pressing = pool.submit(pressed, client, base)
            yield "pressed", town.pays()
            pressing.result()
        (pid,) = town.screens()
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(httpx.ReadTimeout):
            client.get(f"{base}en", timeout=0.5)
        yield "standing still", town.pays()
    os.kill(pid, signal.SIGKILL)
    town.until(lambda: not town.screens())
    yield "killed and away", town.pays()  # it comes back after five seconds


def test_whatever_the_screen_suffers_payments_go_on(tmp_path):
    town = Town(tmp_path / "city")
    try:
        seen = dict(states(town))
    finally:
        counted, slips = town.close()
    assert {name: counted[name] for name in ("lost", "duplicated", "unknown", "reversed", "verify")} == {
        "lost": 0, "duplicated": 0, "unknown": 0, "reversed": 0, "verify": "ok",
    }  # fmt: skip
    assert counted["kills"] == 0 and counted["drained"] is True  # the node has not been touched
    for state, (begin_ns, end_ns) in seen.items():
        here = [one for one in slips if begin_ns <= one["at_ns"] <= end_ns]
        seconds = (end_ns - begin_ns) / NS_PER_S
        assert len(here) >= PAYMENTS * 0.9, state  # a slip is counted a moment after it was printed
        assert len(here) / seconds > TPS / 2, (state, seconds)
        assert {one["outcome"] for one in here} <= {"approved", "declined"}, state
        assert not {one["code"] for one in here} & TROUBLE, state
