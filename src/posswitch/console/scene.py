"""What the screen shows at one moment, as values; made of what others have written, nobody is asked."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Bank, Registry
from posswitch.console.flow import Flow, Restart
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.phrases import TILES
from posswitch.diagnose.shelf import STALE_NS
from posswitch.journal.vitals import Gauges

BANKS_MAX = 64  # on the map; of more the busiest
SILENT_NS = 2 * NS_PER_S  # vitals come four times a second
RESTART_SHOWN_NS = 120 * NS_PER_S
_PROBED, _FENCED = 1, 2  # of the gauge `fenced`

# The ten tiles by their numbers in the checklist: five faults, five questions.
NUMBERED = tuple((row.demand, name) for name, row in TILES.items())


class LinkState(StrEnum):
    """How a link stands, the worst last."""

    UP = "up"
    PROBED = "probed"
    FENCED = "fenced"
    DOWN = "down"
    UNKNOWN = "unknown"  # nobody reports


class NodeState(StrEnum):
    """Whether the centre runs."""

    UP = "up"
    SILENT = "silent"  # its process is there and says nothing
    GONE = "gone"
    NEVER = "never"  # it has never run here


class Sight(StrEnum):
    """Whether diagnosis can be believed."""

    SEES = "sees"
    STALE = "stale"
    NEVER = "never"
    UNREADABLE = "unreadable"


_NOT_ABLE = frozenset({LinkState.FENCED, LinkState.DOWN})


class LinkView(NamedTuple):
    """One link of a bank, the first is 1."""

    number: int
    state: LinkState
    per_s: float
    usual_ms: float
    waiting_ms: float  # the request that has waited longest
    circuit: str


class BankView(NamedTuple):
    """A bank and its links."""

    id: str
    name_zh: str
    name_en: str
    links: tuple[LinkView, ...]
    per_s: float
    typical_ms: float | None
    late_ms: float | None  # one answer in twenty takes longer
    unanswered: int
    owed: int  # reversals and advices that it has not acknowledged
    trail: tuple[int, ...]
    contact: str
    phone: str

    @property
    def worst(self) -> LinkState:
        """Of its links; the bank itself is down when all of them are."""
        states = [link.state for link in self.links]
        return max(states, key=list(LinkState).index, default=LinkState.UNKNOWN)

    @property
    def cut_off(self) -> bool:
        """None of its links takes a payment; not so where nobody reports."""
        return bool(self.links) and all(link.state in _NOT_ABLE for link in self.links)


class NodeView(NamedTuple):
    """The centre itself."""

    id: str
    state: NodeState
    silent_s: float  # since it spoke last
    per_s: float
    approved_share: float | None
    typical_ms: float | None
    late_ms: float | None  # one in a hundred waits longer
    open_payments: int
    open_reversals: int
    needs_owner: int
    queue: int
    rung: int  # of the ladder of overload
    cpu_share: float
    memory_bytes: float
    disk_free_bytes: float
    connections: int
    terminals: int  # that were answered lately
    terminals_known: int
    trail: tuple[int, ...]
    restart: Restart | None


class Diagnosis(NamedTuple):
    """What diagnosis says, and whether it can be believed."""

    sight: Sight
    age_s: float
    well: bool
    sentence_zh: str
    sentence_en: str
    open: tuple[int, ...]
    tiles: Mapping[str, tuple[bool, tuple[int, ...]]]  # well, numbers of incidents


class Scene(NamedTuple):
    """Everything."""

    at_ns: int
    node: NodeView
    banks: tuple[BankView, ...]
    banks_more: int  # that are not on the map
    diagnosis: Diagnosis
    incidents: tuple[Incident, ...]  # open ones first, then recent ones, the newest first
    codes: tuple[tuple[str, int], ...]  # of the last minute, the most frequent first
    city: bool  # a city takes orders for drills

    @property
    def cut_off(self) -> tuple[BankView, ...]:
        """Banks without any able link of which diagnosis, that sees, says nothing: it is still learning."""
        silent = self.diagnosis.sight is Sight.SEES and self.diagnosis.well
        return tuple(bank for bank in self.banks if bank.cut_off) if silent else ()


BLIND = Diagnosis(Sight.NEVER, 0.0, False, "", "", (), {})


def diagnosis_of(said: tuple[int, dict[str, Any]] | None, now_ns: int) -> Diagnosis:
    """What `read_now` gave; what is missing in it or of another form is not there."""
    if said is None:
        return BLIND
    at_ns, now = said
    age_ns = max(now_ns - at_ns, 0)
    tiles = now.get("tiles")
    return Diagnosis(
        Sight.STALE if age_ns > STALE_NS else Sight.SEES,
        age_ns / NS_PER_S,
        now.get("well") is True,
        str(now.get("sentence_zh", "")),
        str(now.get("sentence_en", "")),
        _numbers(now.get("open")),
        {name: _tile(tiles.get(name)) for name in TILES if tiles.get(name)}
        if isinstance(tiles, dict)
        else {},
    )


def _tile(said: object) -> tuple[bool, tuple[int, ...]]:
    if not isinstance(said, dict):
        return True, ()
    return said.get("well") is True, _numbers(said.get("incidents"))


def _numbers(said: object) -> tuple[int, ...]:
    return tuple(number for number in said if isinstance(number, int)) if isinstance(said, list) else ()


def node_of(name: str, flow: Flow, registry: Registry, alive: bool, now_ns: int) -> NodeView:
    """The centre by its vitals; `alive`: its process is there."""
    silent_ns = max(now_ns - flow.last_ns, 0)
    gauges = flow.gauges
    restart = flow.restart
    if restart is not None and now_ns - restart.at_ns > RESTART_SHOWN_NS:
        restart = None
    return NodeView(
        name,
        _state(alive, flow.last_ns, silent_ns),
        silent_ns / NS_PER_S if flow.last_ns else 0.0,
        flow.per_s(),
        flow.approved_share(),
        flow.wait_ms(0.5),
        flow.wait_ms(0.99),
        int(gauges.get("open_payments", 0)),
        int(gauges.get("open_reversals", 0) + gauges.get("open_advices", 0)),
        int(gauges.get("needs_owner", 0)),
        int(gauges.get("queue", 0)),
        int(gauges.get("rung", 0)),
        gauges.get("cpu_share", 0.0),
        gauges.get("memory_bytes", 0.0),
        gauges.get("disk_free_bytes", 0.0),
        int(gauges.get("connections", 0)),
        flow.terminals(),
        len(registry.terminals),
        flow.trail(),
        restart,
    )


def _state(alive: bool, spoke_ns: int, silent_ns: int) -> NodeState:
    if not alive:
        return NodeState.GONE if spoke_ns else NodeState.NEVER
    return NodeState.UP if silent_ns < SILENT_NS else NodeState.SILENT


def banks_of(flow: Flow, registry: Registry, reported: bool) -> tuple[tuple[BankView, ...], int]:
    """The banks that the node has, those of the registry first, in its order; how many are left out.

    While nobody reports: those of the registry.
    """
    told = [name[5:-4] for name in flow.gauges if name.startswith("bank.") and name.endswith(".cap")]
    had = dict.fromkeys(told if reported and told else registry.banks)
    ids = [
        *(bank for bank in registry.banks if bank in had),
        *(bank for bank in had if bank not in registry.banks),
    ]
    shown = set(sorted(ids, key=flow.per_s, reverse=True)[:BANKS_MAX])
    views = [_bank(bank, registry.banks.get(bank), flow, reported) for bank in ids if bank in shown]
    return tuple(views), len(ids) - len(views)


def _bank(bank: str, row: Bank | None, flow: Flow, reported: bool) -> BankView:
    count = len(row.links) if row else int(flow.gauges.get(f"bank.{bank}.links", 0))
    return BankView(
        bank,
        row.name_zh if row else bank,
        row.name_en if row else bank,
        tuple(_link(bank, index, row, flow, reported) for index in range(count)),
        flow.per_s(bank),
        flow.bank_ms(bank, 0.5),
        flow.bank_ms(bank, 0.95),
        flow.unanswered(bank),
        int(flow.gauges.get(f"bank.{bank}.lane", 0)),
        flow.trail(bank),
        row.contact if row else "",
        row.phone if row else "",
    )


def _link(bank: str, index: int, row: Bank | None, flow: Flow, reported: bool) -> LinkView:
    here, gauges = f"link.{bank}.{index}.", flow.gauges
    line = row.lines[index] if row and index < len(row.lines) else None
    return LinkView(
        index + 1,
        link_state(gauges, here) if reported else LinkState.UNKNOWN,
        flow.rise_per_s(f"{here}sent"),
        gauges.get(f"{here}usual_ms", 0.0),
        gauges.get(f"{here}waiting_ms", 0.0),
        line.circuit if line else "",
    )


def link_state(gauges: Gauges, here: str) -> LinkState:
    """What the gauges that begin with `here` say of a link."""
    up = gauges.get(f"{here}up")
    if up is None:
        return LinkState.UNKNOWN
    if not up:
        return LinkState.DOWN
    fenced = gauges.get(f"{here}fenced", 0)
    return {_PROBED: LinkState.PROBED, _FENCED: LinkState.FENCED}.get(int(fenced), LinkState.UP)


def ordered(open_ones: Sequence[Incident], recent: Sequence[Incident]) -> tuple[Incident, ...]:
    """Open incidents as diagnosis ranks them, then those that are over."""
    numbers = {incident.number for incident in open_ones}
    return (*open_ones, *(one for one in recent if one.number not in numbers and not one.merged_into))
