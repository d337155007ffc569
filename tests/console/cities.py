"""Two cities with a screen before them: one that only pretends, and the real one."""

import contextlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import apsw

from posswitch.diagnose.shelf import read_now

HERE = Path(__file__).parent
LEARNS_S = 32  # diagnosis raises nothing in its first thirty seconds: it does not know yet what is usual
BEGINS_S = 60
LINK = re.compile(r"http://127\.0\.0\.1:\d+/\?key=[0-9a-f]{32}")


class _City:
    """A folder with a configuration and data, and the link that its screen has printed."""

    def __init__(self, folder):
        self.config, self.data = folder / "posswitch.toml", folder / "data"

    def wait_until_it_knows(self):
        """Until diagnosis knows what is usual here."""

    def another_link(self):
        """For one more browser."""
        words = [sys.executable, "-m", "posswitch", "console", "-c", str(self.config), "--no-browser"]
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
        return LINK.search(done.stdout)[0]


class Pretended(_City):
    """The puppet, and a screen before it."""

    def __init__(self, folder):
        super().__init__(folder)
        words = [sys.executable, str(HERE / "puppet.py"), str(folder)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"
        words = [sys.executable, "-m", "posswitch", "console", "-c", str(self.config), "--no-browser"]
        self.screen = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.link = self.screen.stdout.readline().strip()

    def close(self):
        self.screen.terminate()
        self.screen.communicate(timeout=10)
        self._process.communicate("", timeout=20)


class Real(_City):
    """`make run`: a calm city, its switch, diagnosis and the screen beside it."""

    TPS = 150

    def __init__(self, folder):
        super().__init__(folder)
        words = [sys.executable, "-m", "posswitch", "demo", "--calm", "--tps", str(self.TPS)]
        self._log = folder.parent / "demo.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*words, "--data", str(folder)], stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self.link = self._begun()
        except BaseException:
            self._process.kill()
            raise
        self._knows_at = time.monotonic() + LEARNS_S

    def _begun(self):
        """The printed link, once diagnosis has spoken."""
        ends = time.monotonic() + BEGINS_S
        while not (found := LINK.search(self._log.read_text())) or not self._diagnosed():
            assert time.monotonic() < ends and self._process.poll() is None, self._log.read_text()[-2000:]
            time.sleep(0.2)
        return found[0]

    def wait_until_it_knows(self):
        time.sleep(max(0.0, self._knows_at - time.monotonic()))

    def _diagnosed(self):
        with contextlib.suppress(apsw.Error):  # its tables are being made
            return read_now(self.data) is not None

    def close(self):
        """Nothing is lost by the books of banks and terminals."""
        self._process.terminate()
        try:
            self._process.wait(100)
        finally:
            self._process.kill()
        counted = json.loads(self._log.read_text().partition("\n{")[2].join(("{", "")))
        assert (counted["lost"], counted["duplicated"], counted["unknown"]) == (0, 0, 0)
        assert counted["verify"] == "ok" and counted["kills"] == 1
