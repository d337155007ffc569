"""The node: what it does in a tick, and what it then says of itself, gauge for gauge as the real one.

Gauges of links and banks follow the traffic by themselves; the others are what a healthy node of this size
says, moved by its burden and by what befalls it.
"""

from collections import Counter

import numpy as np

from posswitch.base.bounds import CERTIFICATE_DAYS, HSM_UNDER_WAY_MAX
from posswitch.base.moment import NS_PER_S
from posswitch.edge.health import Standing
from posswitch.journal.vitals import Gauges, How
from posswitch.sim.unrest.bank import Door, Habits
from posswitch.sim.unrest.burden import Burden, Knobs
from posswitch.sim.unrest.doubts import Doubts
from posswitch.sim.unrest.flights import Flights
from posswitch.sim.unrest.line import Condition
from posswitch.sim.unrest.town import Town
from posswitch.sim.unrest.traffic import Batch, Traffic, part

_SWEEP_NS = NS_PER_S // 2
_CONNECTIONS, _CONNECTIONS_CAP = 420, 4096
_DESCRIPTORS, _DESCRIPTORS_CAP = 60, 20_000
_DISK_FREE = 80 << 30
_RECORD_BYTES = 700
_WAL_BYTES = 14 << 20
_HSM_MS = 1.2  # that a command is under way
_OWN_CERTIFICATE_DAYS, _PEER_CERTIFICATE_DAYS = 211, 74
# Of requests: what terminals send beside payments, with the kind as vitals name it.
_CHORES = (("sign-on", 0.004), ("reversal", 0.003), ("settlement", 0.0015))
_ECHOES = 0.002
_REPORTS_MAX = 2000  # rows of refused ones in a tick


class Machine:
    """What is around the node and can be ill; its counts only rise."""

    def __init__(self) -> None:
        self.hsm = "ready"  # down
        self.hsm_ms = 0.0  # longer than usual
        self.disk_free = float(_DISK_FREE)
        self.disk_low = False
        self.strangers = 0.0  # connections beside those of terminals
        self.fewer = 1.0  # share of the usual connections that stand
        self.counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<machine, HSM {self.hsm}, {self.disk_free / 2**30:.0f} GiB free>"


class Node:
    """All of it."""

    def __init__(self, town: Town, traffic: Traffic, tps: float, wall_ns: int, seed: int) -> None:
        self._town, self._traffic = town, traffic
        self.chance = np.random.default_rng((seed, 3))
        self._past_ns = wall_ns  # leads from the monotonic clock to the wall's
        self._now_ns = 0
        self.doors = [Door(bank, place, self.chance) for place, bank in enumerate(town.banks)]
        self.doubts = Doubts(town, self.wall_ns)
        self.flights = Flights(town, traffic, self.doors, self.doubts, self.chance)
        self.burden = Burden(tps)
        self.machine = Machine()
        self.registry = 41
        self.began_ns = wall_ns - 5 * 86_400 * NS_PER_S
        self._next_sweep_ns = 0
        self._records = 10_000_000
        self.down_until_ns = 0

    def __repr__(self) -> str:
        return f"<node {self.flights!r} {self.burden!r}>"

    def wall_ns(self) -> int:
        """The time that it tells others."""
        return self._past_ns + self._now_ns

    def set_clock(self, seconds: float) -> None:
        """Its clock jumps."""
        self._past_ns += int(seconds * NS_PER_S)

    def well(self) -> None:
        """Forgets what ailed it: whoever still does says so each tick."""
        self.burden.knobs = Knobs()
        self.machine.hsm, self.machine.hsm_ms = "ready", 0.0
        self.machine.disk_low = False
        self.machine.strangers, self.machine.fewer = 0.0, 1.0
        for door in self.doors:
            door.habits = Habits()
            for line in door.lines:
                line.condition = Condition()

    def kill(self, down_s: float) -> None:
        """It dies, and is back after a while without anything that it had in memory."""
        self.down_until_ns = self._now_ns + int(down_s * NS_PER_S)

    def _begin(self) -> None:
        self.flights.began()
        self.doubts.began()
        self.machine.counts.clear()
        for door in self.doors:
            door.began()
        self.flights.began()  # the links are new
        self.burden = Burden(self.burden.capacity / 8.0)
        self.began_ns = self.wall_ns()
        self.down_until_ns = 0

    def step(self, batch: Batch, now_ns: int, seconds: float) -> bool:
        """One tick that ends at `now_ns`; whether it says anything."""
        self._now_ns = now_ns
        if self.down_until_ns:
            if now_ns < self.down_until_ns:
                self.flights.unheard(batch)
                return False
            self._begin()
        flights, burden = self.flights, self.burden
        flights.hsm = self.machine.hsm
        share = burden.offer(len(batch), 0.05 * len(batch), seconds)
        flights.wait_us = int(burden.wait_ms * 1000 + self.machine.hsm_ms * 2000)
        if share < 1.0:
            taken = self.chance.random(len(batch)) < share
            turned = part(batch, ~taken)
            burden.shed += len(turned)
            flights.shed(turned)
            batch.keep(taken)
        for terminal in self._some(min(burden.reports_refused, _REPORTS_MAX)):
            self.other(terminal, "0500", "96", How.EDGE)
        if self.machine.disk_low:
            batch.here = np.where(batch.edge > 0, batch.here, self._town.codes["96"])
            self.machine.counts["disk-low"] += len(batch)
        flights.take(batch)
        flights.hear(now_ns)
        self._sweep(now_ns)
        self._chores(seconds, len(batch))
        self.machine.counts["frames-received"] += len(batch)
        self._records += 2 * len(batch)
        return True

    def _sweep(self, now_ns: int) -> None:
        for door in self.doors:
            for line in door.lines:
                line.beat(now_ns)
            if self.machine.hsm == "ready":
                door.work_lane(now_ns, self.flights.number, self.flights.counts)
        if now_ns >= self._next_sweep_ns:
            self._next_sweep_ns = now_ns + _SWEEP_NS
            for door in self.doors:
                for line in door.lines:
                    for key in line.sweep(now_ns):
                        self.flights.overdue(door, key, now_ns)

    def _chores(self, seconds: float, payments: int) -> None:
        """What terminals do beside paying."""
        for kind, share in _CHORES:
            for terminal in self._some(self.chance.poisson(share * payments)):
                self.other(terminal, kind, "00", How.HERE)
        for terminal in self._some(self.chance.poisson(_ECHOES * payments)):
            self.other(terminal, "0820", "00", How.EDGE)

    def _some(self, count: int) -> list[int]:
        draws = self.chance.random(count)
        return [int(place) for place in np.searchsorted(self._town.terminal_table, draws)]

    def other(self, terminal: int, kind: str, code: str, how: How) -> None:
        """A terminal was told something about anything but a payment."""
        town = self._town
        merchant = int(town.merchant_ids[town.terminal_merchant[terminal]])
        at = merchant if kind in ("settlement", "reversal") or how is How.EDGE else 0
        wait_us = 0 if how is How.EDGE else self.flights.wait_us + 1200
        self.flights.outcomes.add(
            (0, 0, at, int(town.terminal_ids[terminal]), town.names[kind], 0, town.codes[code], how,
             wait_us, 0, 0, 0)
        )  # fmt: skip

    # What it says

    def gauges(self) -> Gauges:
        """Everything, as `Node._beat` gathers it."""
        chance, machine, flights = self.chance, self.machine, self.flights
        under_way = len(flights)
        standings: Counter[Standing] = Counter()
        owed = 0
        gauges: Gauges = {}
        counts = flights.counts + machine.counts
        for door in self.doors:
            gauges |= door.gauges(self._now_ns)
            standings += door.standings()
            owed += len(door.owed)
            counts += door.counts
        lines = [line for door in self.doors for line in door.lines]
        gauges |= self.burden.gauges(chance, under_way)
        gauges |= self.doubts.gauges(self._now_ns)
        gauges |= {
            "record": self._records,
            "refusals_kept": min(self.burden.shed, 300_000),
            "registry": self.registry,
            "open_payments": under_way + owed,
            "open_reversals": owed,
            "open_advices": 0,
            "needs_owner": 3,
            "disk_free_bytes": max(machine.disk_free - _RECORD_BYTES * (self._records - 10_000_000), 4096.0),
            "disk_low": int(machine.disk_low),
            "tickets": under_way,
            "hsm_ready": int(machine.hsm == "ready"),
            "hsm_under_way": self._hsm_under_way(),
            "hsm_cap": HSM_UNDER_WAY_MAX,
            "links_up": sum(line.up for line in lines),
            "links": len(lines),
            "links_fenced": standings[Standing.FENCED],
            "began_s": self.began_ns / NS_PER_S,
            "ticks_s": self._now_ns / NS_PER_S,
            "connections": self._connections(),
            "connections_cap": _CONNECTIONS_CAP,
            "descriptors": _DESCRIPTORS + self._connections(),
            "descriptors_cap": _DESCRIPTORS_CAP,
            "journal_bytes": _RECORD_BYTES * self._records,
            "wal_bytes": _WAL_BYTES,
            "certificate_days": _OWN_CERTIFICATE_DAYS,
            "peer_certificate_days": _PEER_CERTIFICATE_DAYS,
            **{f"certificates_ending_{days}d": 0 for days in CERTIFICATE_DAYS},
            "outcomes_dropped": 0,
        }
        for name, count in counts.items():
            gauges[f"count.{name}"] = count
        return gauges

    def _connections(self) -> int:
        usual = _CONNECTIONS * self.machine.fewer
        return min(int(usual + self.machine.strangers + self.chance.normal(0, 2)), _CONNECTIONS_CAP)

    def _hsm_under_way(self) -> int:
        if self.machine.hsm != "ready":
            return 0
        per_s = 4 * self._traffic.rate_now
        return min(
            int(self.chance.poisson(per_s * (_HSM_MS + self.machine.hsm_ms) / 1000)), HSM_UNDER_WAY_MAX
        )
