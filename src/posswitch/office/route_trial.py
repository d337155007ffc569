"""New routes tried on what the journal has: how many payments would go to which bank, before and after."""

from collections import Counter, deque
from typing import NamedTuple

import msgspec

from posswitch.base.amount import CNY
from posswitch.base.errors import OfficeError
from posswitch.base.moment import NS_PER_S
from posswitch.base.policy import Pause
from posswitch.base.registry import Registry
from posswitch.engine.events import Record, RequestArrived
from posswitch.engine.routing import CLOSED, Door, chosen, rule_for
from posswitch.engine.state import State
from posswitch.journal.traffic import Span, records_of, span_since
from posswitch.office.desk import Desk
from posswitch.office.supposed import card_text
from posswitch.scheme.kinds import PAYMENT_KINDS
from posswitch.settings.finding import brief

DAYS_MAX = 31
NONE = ""  # what no bank would take
_EXAMPLES = 10
_DAY_NS = 86_400 * NS_PER_S
_WENT = frozenset({"accepted", "advice-accepted"})


class Moved(NamedTuple):
    """A payment that would go elsewhere, its card masked; `after` is empty when no bank would take it."""

    payment: int
    at_ns: int
    kind: str
    amount_minor: int
    currency: str
    merchant: str
    card: str
    before: str
    after: str


class Load(NamedTuple):
    """What goes to a bank: payments and money by currency; the bank is empty for what none takes."""

    bank: str
    payments: int
    minor: dict[str, int]


class Trial(msgspec.Struct, frozen=True):
    """What came of it: `asked` payments were sent somewhere then, `moved` would go elsewhere.

    `really` is where they went; `before` and `after` are what today's and the new rules say when every link
    is up. `moves` counts payments by (before, after).
    """

    records: int
    cut: bool
    since_ns: int
    until_ns: int
    asked: int
    moved: int
    really: list[Load]
    before: list[Load]
    after: list[Load]
    moves: list[tuple[str, str, int]]
    examples: list[Moved]
    paused: list[str]  # banks that are paused now: both sets of rules send them advices alone


def tried(desk: Desk, after: Registry, without: tuple[str, ...], days: int) -> Trial:
    """Both sets of rules on the last days; what is paused now counts for both, `without` for the new one."""
    if not 1 <= days <= DAYS_MAX:
        raise OfficeError(f"--days: 1 to {DAYS_MAX}")
    for bank in without:
        if bank not in after.banks:
            raise OfficeError(f"--without: no bank {brief(bank)}; see posswitch registry list bank")
    now_ns = desk.now_ns()
    paused = frozenset(name for name, pause in desk.registry.pauses.items() if pause.holds(now_ns))
    since_ns = now_ns - days * _DAY_NS
    span = span_since(desk.config.data, since_ns)
    run = _Run(desk, after, paused, paused.union(without))
    for seq, record in records_of(desk.config.data, span):
        run.follow(seq, record)
    return run.ended(span, since_ns, now_ns)


class _Side:
    """One set of rules; banks of `down` have no link."""

    def __init__(self, registry: Registry, down: frozenset[str], node: str) -> None:
        rows = [row for row in registry.rows if not isinstance(row, Pause)]  # of now, not of then
        self._registry, self._down, self._state = Registry(rows), down, State(node)
        self._doors: dict[tuple[str, ...], tuple[Door, ...]] = {}
        self.loads: dict[str, Counter[str]] = {}
        self.payments: Counter[str] = Counter()

    def sent(self, seq: int, event: RequestArrived, at_ns: int) -> str:
        """The bank that a payment goes to, or NONE."""
        kind = PAYMENT_KINDS[event.kind]
        rule = rule_for(self._registry, kind, event, at_ns)
        banks = (event.bank,) if rule is None else rule.to
        doors = self._doors.get(banks)
        if doors is None:
            doors = self._doors[banks] = tuple(Door(one, CLOSED if one in self._down else 0) for one in banks)
        self._state.seq = seq - 1
        way = chosen(doors, rule, kind, self._state, self._registry, at_ns)
        bank = NONE if way.why else way.bank
        self.add(bank, event)
        return bank

    def add(self, bank: str, event: RequestArrived) -> None:
        """One more payment of a bank."""
        self.payments[bank] += 1
        self.loads.setdefault(bank, Counter())[event.currency or CNY] += event.amount_minor

    def told(self) -> list[Load]:
        """Banks in the order of their numbers."""
        return [Load(bank, self.payments[bank], dict(self.loads[bank])) for bank in sorted(self.loads)]


class _Run:
    def __init__(self, desk: Desk, after: Registry, down: frozenset[str], new_down: frozenset[str]) -> None:
        node = desk.config.node
        self._before = _Side(desk.registry, down, node)
        self._after = _Side(after, new_down, node)
        self._really = _Side(Registry(), down, node)
        self._moves: Counter[tuple[str, str]] = Counter()
        self._examples: deque[Moved] = deque(maxlen=_EXAMPLES)
        self._paused = sorted(down)

    def follow(self, seq: int, record: Record) -> None:
        """One record: a payment that builds on no other and was sent somewhere."""
        event, verdict = record.event, record.verdict
        if not isinstance(event, RequestArrived) or verdict.payment != seq or verdict.cause not in _WENT:
            return
        if PAYMENT_KINDS[event.kind].original:  # it goes where that went
            return
        self._really.add((verdict.completed or event).bank, event)
        before = self._before.sent(seq, event, record.at_ns)
        after = self._after.sent(seq, event, record.at_ns)
        self._moves[before, after] += 1
        if before != after:
            self._examples.append(
                Moved(
                    seq, record.at_ns, event.kind, event.amount_minor, event.currency or CNY, event.merchant,
                    card_text(event), before, after,
                )
            )  # fmt: skip

    def ended(self, span: Span, since_ns: int, now_ns: int) -> Trial:
        """What was found."""
        moves = [(before, after, count) for (before, after), count in self._moves.most_common()]
        moved = [move for move in moves if move[0] != move[1]]
        return Trial(
            max(span.last - span.first + 1, 0), span.cut, since_ns, now_ns,
            sum(count for *_, count in moves), sum(count for *_, count in moved),
            self._really.told(), self._before.told(), self._after.told(), moved, [*self._examples],
            self._paused,
        )  # fmt: skip
