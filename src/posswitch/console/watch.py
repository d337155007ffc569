"""Reads what node and diagnosis write, once a second while somebody looks, and tells every page."""

import asyncio
import contextlib
import os
import stat
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Registry
from posswitch.console.city import SOCKET
from posswitch.console.flow import TRAIL_S, Flow
from posswitch.console.roll import registry_now
from posswitch.console.scene import BLIND, Diagnosis, Scene, Sight, banks_of, diagnosis_of, node_of, ordered
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.shelf import read_incidents, read_now
from posswitch.edge.start import PID_FILE, serving_pid
from posswitch.journal.vitals import VitalsReader
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config

LOOK_S = 1.0
_OPEN_MAX, _RECENT_MAX, _CODES_MAX = 20, 30, 12
_COMPLAINTS_MAX = 20
_CATCH_UP_ROWS = 400  # periods of the first look, the whole trail

Show = Callable[[Scene], None]


class Watch:
    """One for all pages of this process; sleeps while nobody looks."""

    def __init__(self, path: Path, config: Config, clock: Clock) -> None:
        self._path, self._config, self._clock = path, config, clock
        self._reader, self._flow = VitalsReader(config.data), Flow()
        self._pages: dict[object, Show] = {}
        self._wake = asyncio.Event()
        self._complaints: set[str] = set()
        self.registry: Registry = config.registry
        self._version = 0  # of the registry; 0 is the configuration alone
        self._asking: asyncio.Task[None] | None = None
        self.scene: Scene | None = None

    def __repr__(self) -> str:
        return f"<watch over {self._config.node}, {len(self._pages)} pages>"

    def follow(self, page: object, show: Show) -> None:
        """From now on `show` is called with every scene, until `leave`."""
        self._pages[page] = show
        self._wake.set()

    def leave(self, page: object) -> None:
        """No more scenes for it."""
        self._pages.pop(page, None)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            if not self._pages:
                self._wake.clear()
                await self._wake.wait()
            try:
                self._tell(self.look())
                self._ask_for_banks()
            except Exception as error:  # meanwhile the screens say that they stand still
                self._complain(error)
            await asyncio.sleep(LOOK_S)

    def _tell(self, scene: Scene) -> None:
        for show in list(self._pages.values()):
            try:
                show(scene)
            except Exception as error:  # of one page, which is told again with the next scene
                self._complain(error)

    def _complain(self, error: Exception) -> None:
        """One line for each thing that goes wrong, the first time."""
        at = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} in {at.name}, line {at.lineno}"
        if what not in self._complaints and len(self._complaints) < _COMPLAINTS_MAX:
            self._complaints.add(what)
            print(f"posswitch: the screen: {what}", file=sys.stderr, flush=True)  # noqa: T201

    def _ask_for_banks(self) -> None:
        """Once for each version of the registry, one at a time."""
        version = int(self._flow.gauges.get("registry", 0))
        if version != self._version and (self._asking is None or self._asking.done()):
            self._version = version
            self._asking = asyncio.create_task(self._know_banks(), name="banks")

    async def _know_banks(self) -> None:
        found = await registry_now(self._path, self._config.registry)
        self.registry = found or self.registry

    def look(self) -> Scene:
        """How everything is now."""
        now_ns = self._clock.wall_ns()
        self._catch_up(now_ns)
        node = node_of(self._config.node, self._flow, self.registry, self._alive(now_ns), now_ns)
        banks, more = banks_of(self._flow, self.registry, reported=node.state == "up")
        diagnosis, incidents = self._diagnosed(now_ns)
        codes = tuple(self._flow.codes().most_common(_CODES_MAX))
        self.scene = Scene(now_ns, node, banks, more, diagnosis, incidents, codes, self._city())
        return self.scene

    def _catch_up(self, now_ns: int) -> None:
        """After a pause the minutes between are not read."""
        since_ns = now_ns - (TRAIL_S + 5) * NS_PER_S
        if self._flow.last_ns < since_ns:
            self._reader.skip(since_ns)
        self._flow.take(self._reader.read(_CATCH_UP_ROWS), self._reader.names)

    def _alive(self, now_ns: int) -> bool:
        """Whether the process that `node.pid` names is there; of a silent one the journal's lock tells."""
        try:
            os.kill(int((self._config.data / PID_FILE).read_text("ascii")), 0)
        except PermissionError:
            pass
        except (OSError, ValueError, OverflowError):
            return False
        spoke_lately = now_ns - self._flow.last_ns < 5 * NS_PER_S
        return spoke_lately or serving_pid(self._config) is not None

    def _diagnosed(self, now_ns: int) -> tuple[Diagnosis, tuple[Incident, ...]]:
        folder = self._config.data
        try:
            diagnosis = diagnosis_of(read_now(folder), now_ns)
            open_ones = read_incidents(folder, _OPEN_MAX, open_only=True)
            recent = read_incidents(folder, _RECENT_MAX)
        except (apsw.Error, msgspec.DecodeError, OSError):
            return BLIND._replace(sight=Sight.UNREADABLE), ()
        ranks = {number: rank for rank, number in enumerate(diagnosis.open)}
        open_ones.sort(key=lambda one: (ranks.get(one.number, len(ranks)), -one.affected))
        return diagnosis, ordered(open_ones, recent)

    def _city(self) -> bool:
        with contextlib.suppress(OSError):
            return stat.S_ISSOCK((self._config.data / SOCKET).stat().st_mode)
        return False
