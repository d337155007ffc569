"""A city in which everything is well: payments, a backup and its rehearsal, a scan, vitals, diagnosis."""

import os
import re
import time
from datetime import UTC, datetime

import traffic
from archive_town import Town as Keeping
from msgspec.structs import replace

from capacity_scene import BANKS, SizedDisk, write_ring
from posswitch.archive.rehearsal import rehearse
from posswitch.base.moment import NS_PER_S
from posswitch.crypto.keyfile import COST_MIN, sealed_by_passphrase
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.shelf import Shelf
from posswitch.edge.beside import Beside
from posswitch.edge.guards import _AGAIN, _COLUMNS, GUARD_ROWS_MAX, TABLE
from posswitch.edge.vitals import Vitals
from posswitch.office import inspection_books, scan_versions
from posswitch.office.inspection import CHECKS, inspect
from posswitch.office.inspection_scene import Scene
from posswitch.office.scan_results import Result, keep
from posswitch.office.scan_versions import Hole, Holes
from posswitch.settings.clock import SystemClock
from posswitch.settings.secret import read_secret, replace_secret, text_in
from posswitch.sim.city import CONFIG_FILE

AGO_S = 600  # the payments were so long ago
WORDS = "geese over a grey harbour"
_MORE = '\n[backup]\nto = "archive"\nevery = 10\n'
LINK = f"{BANKS[0]}/1"


def build(folder):
    """The city, and everything beside it."""
    traffic.build(folder, more=_MORE)
    town = Town(folder)
    town.pays(30)
    keeping = Keeping(folder)
    keeping.backup()
    assert rehearse(keeping.shelf, keeping.sealed, keeping.key, time.time_ns())["ok"]
    keep(town.data, Result(time.time_ns(), "2026-01-01", []))
    return folder


class ShiftedClock(SystemClock):
    """The machine's clock, so many seconds on."""

    def __init__(self, seconds):
        super().__init__()
        self._shift_ns = int(seconds * NS_PER_S)

    def wall_ns(self):
        return super().wall_ns() + self._shift_ns


class Town:
    """Its folder, what is changed in it, and how an inspection finds it."""

    def __init__(self, folder):
        self.folder, self.config, self.data = folder, folder / CONFIG_FILE, folder / "data"
        self.later_s, self.disk, self.synchronised = 0.0, SizedDisk(), 0

    def pays(self, count, ago_s=AGO_S, **changes):
        """So many payments with chips, or as it is asked."""
        with_changes = traffic.Traffic(self.folder, ago_s=ago_s)
        for number in range(count):
            with_changes.pay(number % len(traffic.CARDS), 1000 + number, **changes)
        return self.closed(with_changes)

    @staticmethod
    def closed(world):
        world.close()
        return world

    def lives(self, **gauges):
        """A node says this of itself now, and diagnosis runs."""
        write_ring(self.data, time.time_ns(), periods=60, **gauges)
        shelf = Shelf(self.data)
        shelf.say(time.time_ns(), {"sentence_zh": "交换中心正常", "sentence_en": "All is well", "well": True})
        shelf.close()

    def incident(self, number=1, phase=Phase.CONFIRMED, closed=False, **more):
        """An incident as diagnosis keeps it, with two steps."""
        now_ns = time.time_ns()
        since_ns = now_ns - 300 * NS_PER_S
        one = Incident(
            number, Phase.SUSPECT, "net-issuer-link-down", "network", {"link": LINK}, since_ns,
            since_ns + NS_PER_S, since_ns + NS_PER_S, **more,
        )  # fmt: skip
        shelf = Shelf(self.data)
        shelf.keep([one])
        ends = {"closed_ns": now_ns - 60 * NS_PER_S} if closed else {}
        shelf.keep([replace(one, phase=phase, changed_ns=now_ns - 60 * NS_PER_S, **ends)])
        shelf.close()

    def guarded(self, mode, until_s):
        """A bar beside the vitals."""
        now_ns = time.time_ns()
        rows = Beside(TABLE, _COLUMNS, "guard, scope, subject", _AGAIN, GUARD_ROWS_MAX)
        key = ("card-testing", "terminal", "10000001")
        until_ns = now_ns + until_s * NS_PER_S
        rows.pending[key] = (mode, now_ns, now_ns, until_ns, 1, 3, '{"counted": {"14": 6}, "cards": []}')
        vitals = Vitals(self.data)
        rows.write(vitals._db)
        vitals.close()

    def drifts(self, what, sent):
        vitals = Vitals(self.data)
        vitals.drift.note("10000001", what, "", sent, time.time_ns())
        vitals.write(time.time_ns(), {})
        vitals.close()
        self.lives()

    def edit(self, old, new, count=1):
        text, made = re.subn(old, new, self.config.read_text("utf-8"), count=count, flags=re.MULTILINE)
        assert made, old
        self.config.write_text(text, "utf-8")

    def seal(self):
        """The secret is sealed from now on."""
        path = self.folder / "secret.key"
        sealed = sealed_by_passphrase(read_secret(path), WORDS, os.urandom, COST_MIN)
        replace_secret(path, sealed, text_in(path))

    def scene(self):
        return Scene(self.config, ShiftedClock(self.later_s), self.disk, self.synchronised)

    def line(self, check):
        """What one check says."""
        (found,) = (line for line in self.lines() if line.check == check)
        return found

    def lines(self):
        return inspect(self.scene())


def checks():
    return [check.name for check in CHECKS]


def know_holes(monkeypatch, product="", as_of=None):
    """The list of holes is another one: of a product, or of nothing."""
    hole = [Hole(product, "0", "999", "CVE-0", "a hole", "漏洞")] if product else []
    made = Holes(as_of or datetime.now(UTC).date(), ["nowhere"], hole)
    for room in (scan_versions, inspection_books):
        monkeypatch.setattr(room, "holes", lambda: made)
