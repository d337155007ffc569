"""Folders for `capacity`: rings written by the real Vitals, journals of many days, disks of any size."""

from types import SimpleNamespace

from posswitch.base.moment import NS_PER_S
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.edge.vitals import Vitals
from posswitch.journal.disk import MachineDisk
from posswitch.journal.vitals import PERIOD_NS, How
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.busy_days import BusyDays
from posswitch.sim.city import build_city

GIB = 1 << 30
BANKS = ("90010000", "90020000")
DAY_NS = 86_400 * NS_PER_S
MIDNIGHT_NS = 1_800_028_800 * NS_PER_S  # in Beijing

WELL = {
    "rung": 0, "wait_us": 300, "connections": 100, "connections_cap": 4096, "hsm_ready": 1,
    "hsm_under_way": 2, "hsm_cap": 4096, "disk_low": 0, "disk_free_bytes": 50 * GIB,
    "commits": 100, "commit_mean_us": 200.0, "commit_worst_us": 900.0, "commit_events": 2.0,
    **{
        f"bank.{bank}.{what}": value
        for bank in BANKS
        for what, value in {
            "under_way": 4, "cap": 4096, "lane": 0, "lane_age_s": 0.0, "links": 2, "links_able": 2,
        }.items()
    },
}  # fmt: skip
MACHINE_WELL = {
    "cores": 2, "cpu_share": 0.2, "cpu_wait_share": 0.01, "memory_bytes": 150 << 20,
    "memory_free_bytes": 4 * GIB, "descriptors": 120, "descriptors_cap": 1024,
}  # fmt: skip


class Told:
    """A footprint that says what a test wants."""

    def __init__(self, gauges):
        self.said = dict(gauges)

    def gauges(self):
        return dict(self.said)


def asked(bank):
    return SimpleNamespace(
        bank=bank, bin="", merchant="", terminal="", kind="sale", entry="", amount_minor=1, pan_print=b""
    )


def write_ring(folder, ends_ns, periods=160, payments=25, each=None, **changed):
    """A ring that ends at a moment: so many payments a period of each bank; `each(number)` changes one.

    Gauges of the machine stand in `changed` like all others.
    """
    vitals = Vitals(folder)
    vitals._footprint = told = Told(MACHINE_WELL)
    for number in range(periods):
        here = {**changed, **(each(number) if each else {})}
        for bank in BANKS * here.pop("payments", payments):
            vitals.payment(asked(bank), "00", How.BANK, 40_000_000, 30_000_000)
        told.said = MACHINE_WELL | {name: value for name, value in here.items() if name in MACHINE_WELL}
        others = {name: value for name, value in here.items() if name not in MACHINE_WELL}
        vitals.write(ends_ns - (periods - 1 - number) * PERIOD_NS, WELL | others)
    vitals.close()


class SizedDisk(MachineDisk):
    """The machine's disk, with another size."""

    def __init__(self, free_bytes=50 * GIB, whole_bytes=100 * GIB):
        self.free_bytes, self.whole_bytes = free_bytes, whole_bytes

    def space(self, folder):
        return self.free_bytes, self.whole_bytes


class LongTown:
    """A city whose journal has days of chosen size."""

    def __init__(self, folder):
        self.city = build_city(folder, 1, 8)
        self.config = load_config(self.city.config)
        self._key = journal_key(Vault(read_secret(self.config.secret), bytes))

    @property
    def key(self):
        return self._key

    def write(self, days, at_hour=10):
        """So many purchases on each day, all at one hour; the first record is of the day before."""
        writer = BusyDays(self.config.data, self._key, self.config.node)
        for number, purchases in enumerate(days):
            writer._at_ns = max(MIDNIGHT_NS + number * DAY_NS + at_hour * 3600 * NS_PER_S, writer._at_ns)
            writer.write(purchases, 10)
        writer.close()
