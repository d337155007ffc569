"""What a world puts around the real parts: books in memory, vitals nobody reads, a file-less
configuration."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posswitch.base.bounds import RESTORED_DOUBT_NS
from posswitch.base.moment import NS_PER_S, clock_text
from posswitch.base.policy import Limit, Pause, Route, StandIn
from posswitch.base.registry import Address, Bank, Bin, Limits, Merchant, Registry, Row, Terminal
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.edge.vitals import Vitals
from posswitch.engine.events import RequestArrived
from posswitch.journal.disk import Disk
from posswitch.journal.quarantine import quarantine
from posswitch.journal.sqlite import Journal
from posswitch.journal.vitals import How
from posswitch.scheme.numbers import RRN_SERIALS
from posswitch.settings.config import Config
from posswitch.sim.city import ACQUIRER, CARD_DAILY_MINOR, CENTRE, HOST, City
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.hsm_box import HsmBox

FOLDER = Path("/world")
_TO_WRAP = 200  # records until reference numbers begin anew
_PAUSE_S = (1, 3)  # after the beginning
CUTOVER_S = 82_800  # 23:00 in Beijing


class Page(Book):
    """A book in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[Mapping[str, Any]] = []
        self.entries = 0

    def append(self, entry: Mapping[str, object]) -> None:
        """See Book."""
        self.rows.append(entry)
        self.entries += 1

    def close(self) -> None:
        """See Book."""


class Gauges(Vitals):
    """Vitals that nobody reads."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.drift = _NoDrift()  # type: ignore[assignment]
        self.beside = []

    def payment(self, request: RequestArrived, code: str, how: How, wait_ns: int, bank_ns: int) -> None:
        """See Vitals."""
        self.counts[code] += 1

    def other(self, terminal: str, merchant: str, kind: str, code: str, how: How, wait_ns: int = 0) -> None:
        """See Vitals."""
        self.counts[code] += 1

    def write(self, at_ns: int, gauges: dict[str, float]) -> None:
        """See Vitals."""

    def close(self) -> None:
        """See Vitals."""


class _NoDrift:
    def note(self, *_: object) -> None:
        pass


def policy_of(city: City, begin_ns: int) -> list[Row]:
    """Limits that some customers meet, a bank that may be stood in for, and one that pauses for a while."""
    first, second, third = (bank.id for bank in city.banks[:3])
    begin, end = (clock_text(begin_ns + after_s * NS_PER_S) for after_s in _PAUSE_S)
    return [
        Limit("few", of="terminal", day_count=20, month_minor=30_000_000, code="61"),
        Limit("shop", of="merchant", burst_count=12, burst_seconds=4, code="61"),
        Limit("new", of="terminal", day_minor=500_000, trial=True),
        StandIn(first, 400_000, 600_000, 6_000_000, pins=True),
        Route("least", (second,), banks=(second,), choose="least"),
        Pause(first, begin, end, "maintenance"),
        Pause(third, begin, end, "maintenance"),
    ]


def config_of(city: City, hsm: SoftHsm | HsmBox, policy_since_ns: int = 0) -> Config:
    """What a node of this city starts from; with a policy if that begins at a time."""
    rows: list[Row] = []
    for bank in city.banks:
        links = tuple(Address(HOST, port) for port in bank.line_ports)
        zpk, zak = hsm.wrap(Usage.ZPK, bank.zpk), hsm.wrap(Usage.ZAK, bank.zak)
        rows.append(
            Bank(
                bank.id, bank.name_zh, bank.name_en, links, zpk, zak, bank.dialect, bank.framing,
                zmk=hsm.wrap(Usage.ZMK, bank.zmk), mac=bank.mac, pin_block=bank.pin_block,
            )
        )  # fmt: skip
        rows += [Bin(row.prefix, row.pan_digits, bank.id, row.foreign) for row in bank.ranges]
    rows += [Merchant(*shop) for shop in city.merchants]
    rows += [
        Terminal(
            row.terminal, row.merchant, hsm.wrap(Usage.TMK, row.tmk),
            mac=row.seals.mac, pin_block=row.seals.pin_block,
        )
        for row in city.fittings
    ]  # fmt: skip
    return Config(
        version="world",
        node="1",
        listen=city.node,
        data=FOLDER,
        secret=FOLDER / "secret.key",
        acquirer=ACQUIRER,
        centre=CENTRE,
        timers=city.timers,
        limits=Limits(CARD_DAILY_MINOR),
        cutover_s=CUTOVER_S,
        registry=Registry([*rows, *(policy_of(city, policy_since_ns) if policy_since_ns else ())]),
    )


def age(disk: Disk, vault: Vault, node: str, now_ns: int) -> None:
    """A journal of long ago: restored twice, so that trace and reference numbers are near their ends."""
    journal = Journal(FOLDER, journal_key(vault), disk)
    state = journal.recover(node)
    for skip in (RRN_SERIALS - _TO_WRAP, 0):
        quarantine(journal, state, now_ns - 2 * RESTORED_DOUBT_NS, skip)
    journal.close()
