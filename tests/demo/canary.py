"""A demonstration whose peers write down every secret of theirs, to be looked for at the switch."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from demo_short import PLANTED, TIMERS

from leak_search import Search
from posswitch.archive.segment import MAGIC, Sealer
from posswitch.cli.backup import ARCHIVE_LABEL, PROGRAM
from posswitch.crypto.ciphers import tdes_decrypt
from posswitch.crypto.vault import Vault
from posswitch.edge.companion import Companion
from posswitch.edge.supervisor import Supervisor
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim import demo
from posswitch.sim.city import BOOKS_FOLDER, SECRET_FILE, City, build_city
from posswitch.sim.peers.bank import IN
from posswitch.sim.peers.terminal import Terminal
from posswitch.sim.streets import Streets

Secrets = dict[str, str | bytes]
NEW_TERMINAL = "20000001"
_BACKUP = '\n[backup]\nto = "copy"\nevery = 1\n'
_ONBOARD = (
    "registry", "onboard", NEW_TERMINAL, "--merchant", "802440354110001", "--show-components",
)  # fmt: skip
_BUNDLE = "support.tar.gz"
_OFFICE = (
    ("registry", "list"),
    ("registry", "export", "sheets"),
    ("batches",),
    ("unknowns",),
    ("check",),
    ("verify",),
    ("logs", "--since", "2020-01-01", "--lines", "20000"),
    ("support-bundle", "--to", _BUNDLE),
)


class Canary:
    """One run: what the peers know, what the switch left, living and at the end."""

    def __init__(self, folder: Path, seconds: float, kills: int, bug: str = "") -> None:
        self.folder = folder / "city"
        self.said = folder / "said"  # all streams, and the files as they were while the node lived
        self.secrets: Secrets = {}
        self._options = demo.DemoOptions(
            data=self.folder, seconds=seconds, tps=120, kills=kills, seed=11, tls=True
        )
        self._command = (sys.executable, str(PLANTED / f"{bug}.py")) if bug else None

    def note(self, kind: str, secret: str | bytes) -> None:
        """One more secret of a kind; the same one has one name."""
        self.secrets.setdefault(f"{kind} {secret.hex() if isinstance(secret, bytes) else secret}", secret)

    def run(self) -> dict[str, Any]:
        """The demonstration with its backup and its office; the report."""
        self.said.mkdir()
        (self.said / "temporary").mkdir()
        with (
            pytest.MonkeyPatch.context() as patch,
            (self.said / "lines").open("w") as lines,
            _errors_into(self.said / "errors"),
        ):
            patch.setattr(demo, "build_city", self._built)
            patch.setattr(demo, "Streets", self._streets)
            patch.setattr(demo, "DRAIN_SECONDS_MAX", 20.0)
            patch.setenv("TMPDIR", str(self.said / "temporary"))
            report = asyncio.run(self._demonstrated(lambda text: print(text, file=lines, flush=True)))
        (self.said / "report.json").write_text(str(report))
        return report

    def look_around(self) -> None:
        """The commands of an office on the day after; what they say and write is kept."""
        for number, words in enumerate(_OFFICE):
            self._office(f"office {number}", words)
        with tarfile.open(self.said / _BUNDLE) as tar:
            tar.extractall(self.said, filter="data")

    async def _demonstrated(self, out: Any) -> dict[str, Any]:
        beside = asyncio.create_task(self._beside())
        report = await demo.run_demo(self._options, self._centre, out)
        await beside
        return report

    async def _beside(self) -> None:
        """In the middle of the hours a terminal is onboarded; before their end everything is copied."""
        seconds = self._options.seconds or 0.0
        await asyncio.sleep(seconds / 2)
        await asyncio.to_thread(self._office, "onboarding", _ONBOARD)
        components = re.findall(r"component \d: ([0-9A-F]{32})", (self.said / "onboarding").read_text())
        first, second = (int(one, 16) for one in components)
        self.note("onboarded TMK", (first ^ second).to_bytes(16, "big"))
        await asyncio.sleep(seconds / 2)
        no_sockets = shutil.ignore_patterns("*.sock")
        await asyncio.to_thread(
            shutil.copytree, self.folder / "data", self.said / "living data", ignore=no_sockets
        )

    def _built(self, *words: Any, **more: Any) -> City:
        city = build_city(*words, **more, timers=TIMERS)
        city.config.write_text(city.config.read_text() + _BACKUP)
        self.note("root", read_secret(city.folder / SECRET_FILE))
        for fitting in city.fittings:
            self.note("TMK", fitting.tmk)
        return city

    def _centre(self, city: City) -> "_Centre":
        return _Centre(city, self._command)

    def _streets(self, city: City, terminal: type[Terminal] = Terminal) -> Streets:
        self._open = Streets(city, terminal=_wired(self, terminal), watch=self._watch)
        return self._open

    def _watch(self, number: str, seen: Any) -> None:
        """The keys that the bank has now, exchanged ones too, and the PIN block that it was sent."""
        for charter in (bank.charter for bank in self._open.banks if bank.charter.id == number):
            for name in ("zpk", "zak", "zmk"):
                if key := getattr(charter, name):
                    self.note(name.upper(), key)
        if seen.way == IN and seen.message is not None and 52 in seen.message.fields:
            self.note("bank's PIN block", seen.message.fields[52])

    def _office(self, name: str, words: tuple[str, ...]) -> None:
        """A command of the office; what it says is kept."""
        ended = subprocess.run(
            [*PROGRAM, *words, "-c", str(self.folder / "posswitch.toml")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.said, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout
        (self.said / name).write_text(ended.stdout)

    # What was left

    def exempt(self) -> tuple[Path, ...]:
        """The peers' own books, and the file of the root secret, which is there to hold it."""
        return self.folder / BOOKS_FOLDER, self.folder / SECRET_FILE

    def search(self) -> Search:
        """For everything that the peers know."""
        return Search(self.secrets)

    def found(self) -> list[str]:
        """Every secret in every file and stream of the switch, and in the backup as it is when opened."""
        search = self.search()
        found = [*search.under(self.folder, self.exempt()), *search.under(self.said)]
        for name, chunk in self.chunks():
            found += [f"{name}, opened: {line}" for line in search.of(chunk)]
        return found

    def chunks(self) -> list[tuple[str, bytes]]:
        """The backup's content, opened with the secret and unpacked."""
        key = Vault(read_secret(self.folder / SECRET_FILE), os.urandom).derive(ARCHIVE_LABEL)
        opened = []
        for path in sorted((self.folder / "copy").iterdir()):
            if path.read_bytes().startswith(MAGIC):
                with path.open("rb") as file:
                    _, chunks = Sealer(key, os.urandom).opened(file, path.name)
                    opened += [(path.name, chunk) for chunk in chunks]
        return opened


class _Centre(Supervisor):
    """What `posswitch run` starts: the supervisor with its node, and the backup beside it."""

    def __init__(self, city: City, command: tuple[str, ...] | None) -> None:
        super().__init__(city.config, command)
        words = (*PROGRAM, "backup", "-c", str(city.config), "--follow")
        self._keeping = Companion("the backup", words, load_config(city.config).secret)

    async def start(self) -> None:
        await super().start()
        self._keeping.start()

    async def stop(self) -> None:
        await super().stop()
        await self._keeping.stop()


def _wired(canary: Canary, terminal: type[Terminal]) -> type[Terminal]:
    """Terminals that write down what they know: their cards, PINs and working keys."""

    class Open(terminal):
        def _take_keys(self, answer):
            taken = super()._take_keys(answer)
            if taken:
                for name, key in msgspec.structs.asdict(self._keys).items():
                    if key:
                        canary.note(f"{name} key", key)
            return taken

        def request(self, deal):
            message, bought = super().request(deal), deal.order.purchase
            canary.note("PAN", bought.pan)
            canary.note("track 2", bought.track2)
            if message.fields.get(35, bought.track2) != bought.track2:
                canary.note("track 2 as it was sent", message.fields[35])
            if 52 in message.fields:
                canary.note("terminal's PIN block", message.fields[52])
                canary.note("clear PIN block", tdes_decrypt(self._keys.pin, message.fields[52]))
                canary.note("PIN", bytes.fromhex(f"{len(bought.pin):02d}{bought.pin}".ljust(16, "F")))
            return message

    return Open


@contextlib.contextmanager
def _errors_into(path: Path):
    """Standard error of this process and of all that it starts goes into a file."""
    sys.stderr.flush()
    before = os.dup(2)
    with path.open("a") as file, contextlib.redirect_stderr(file):
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
