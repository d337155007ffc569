"""A new set of limits tried on what the journal has: what it would decide otherwise than today's."""

from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from posswitch.base.amount import CNY
from posswitch.base.errors import OfficeError
from posswitch.base.moment import NS_PER_S, business_day, of_iso
from posswitch.base.policy import Limit
from posswitch.base.registry import Registry, key_of
from posswitch.engine.events import DayTurned, NodeRestarted, Record, RequestArrived
from posswitch.engine.limits import Refusal, limit_named
from posswitch.engine.replay import Replay, is_asked
from posswitch.journal.traffic import Span, records_of, span_since
from posswitch.office.desk import Desk
from posswitch.office.intake import Intake, take_in
from posswitch.office.supposed import card_text
from posswitch.settings.config import Config

DAYS_MAX = 31
_EXAMPLES_MAX, _MOST = 10, 10
_DAY_NS = 86_400 * NS_PER_S


class Example(NamedTuple):
    """A payment that would be decided otherwise, its card masked."""

    payment: int
    at_ns: int
    kind: str
    amount_minor: int
    currency: str
    merchant: str
    terminal: str
    card: str
    code: str
    why: str
    says: str  # to the cashier, in Chinese


class Share(NamedTuple):
    """How many of the payments, and how much money by currency, one merchant or card has."""

    name: str
    payments: int
    minor: dict[str, int]


class Group(msgspec.Struct, frozen=True):
    """Payments that one set refuses and the other lets through; money by currency, the newest as examples.

    `merchants` and `cards` are those with the most payments; `limits` says which limit refuses how many.
    """

    payments: int
    minor: dict[str, int]
    limits: dict[str, int]
    merchant_count: int
    card_count: int
    merchants: list[Share]
    cards: list[Share]
    examples: list[Example]


class Trial(msgspec.Struct, frozen=True):
    """What came of it: `asked` requests were judged, `kept` are refused by both sets.

    `otherwise`: the journal says something else than today's set does on its records (limits were changed
    meanwhile, or what was asked before them is not on file). `noted`: what the new set only notes.
    """

    records: int
    cut: bool
    since_ns: int
    until_ns: int
    asked: int
    kept: int
    otherwise: int
    noted: int
    refused: Group
    let_through: Group


def limits_of(desk: Desk, files: list[Path], replace: bool) -> tuple[Intake, dict[str, Limit]]:
    """What limits would stand after an import of these files; OfficeError when they hold other tables."""
    taken, after = taken_as("limit", desk, files, replace)
    return taken, after.limits


def taken_as(table: str, desk: Desk, files: list[Path], replace: bool) -> tuple[Intake, Registry]:
    """The registry as it would stand after an import of files of one table; OfficeError for other tables."""
    sheets = all(path.suffix.lower() != ".toml" for path in files)  # whose columns may fit several tables
    taken = take_in(desk, files, table if sheets else None, replace)
    difference = taken.plan.difference
    for name, _ in (*map(key_of, difference.put), *difference.drop):
        if name != table:
            raise OfficeError(f"the files hold a {name} too: only {table}s are tried; leave it out")
    after = Registry(desk.registry.rows)
    after.amend(difference.put, difference.drop)
    return taken, after


def tried(config: Config, before: dict[str, Limit], after: dict[str, Limit], now_ns: int, days: int) -> Trial:
    """Both sets on the last days; counters begin with the business day or month that these begin in."""
    if not 1 <= days <= DAYS_MAX:
        raise OfficeError(f"--days: 1 to {DAYS_MAX}")
    since_ns = now_ns - days * _DAY_NS
    months = any(row.month_minor or row.month_count for row in (*before.values(), *after.values()))
    span = span_since(config.data, _warm_ns(since_ns, config.cutover_s, months))
    run = _Run(config, before, after, since_ns, span)
    for seq, record in records_of(config.data, span):
        run.follow(seq, record)
    return run.ended(now_ns)


def _warm_ns(since_ns: int, cutover_s: int, months: bool) -> int:
    """From when on records count: the counters' day or month, and a burst before it, lie behind it."""
    day = business_day(since_ns, cutover_s)
    return of_iso(f"{day[:4]}-{day[4:6]}-{'01' if months else day[6:]}") - 2 * _DAY_NS


class _Run:
    """Two replays side by side, and where they differ."""

    def __init__(
        self, config: Config, before: dict[str, Limit], after: dict[str, Limit], since_ns: int, span: Span
    ) -> None:
        self._config, self._since_ns, self._span = config, since_ns, span
        self._before, self._after = Replay(config.limits, before), Replay(config.limits, after)
        self._day = ""
        self._refused, self._let_through = _Gathered(), _Gathered()
        self._counts: Counter[str] = Counter()

    def follow(self, seq: int, record: Record) -> None:
        """One record."""
        event, verdict = record.event, record.verdict
        self._day = self._day or business_day(record.at_ns, self._config.cutover_s)
        if isinstance(event, DayTurned | NodeRestarted):
            self._day = event.day if isinstance(event, DayTurned) else max(self._day, event.day)
        if is_asked(seq, record):
            assert isinstance(event, RequestArrived)
            self._asked(seq, record, event)
        elif verdict.cause:
            self._before.moved(verdict)
            self._after.moved(verdict)

    def _asked(self, seq: int, record: Record, event: RequestArrived) -> None:
        old, _ = self._before.asked(seq, record, self._day)
        new, noted = self._after.asked(seq, record, self._day)
        if record.at_ns < self._since_ns:
            return
        self._counts["asked"] += 1
        self._counts["kept"] += old is not None and new is not None
        self._counts["otherwise"] += (old is not None) != (record.verdict.cause == "refused")
        self._counts["noted"] += bool(noted)
        if old is None and new is not None:
            self._refused.add(seq, record.at_ns, event, new)
        elif old is not None and new is None:
            self._let_through.add(seq, record.at_ns, event, old)

    def ended(self, now_ns: int) -> Trial:
        """What was found."""
        counts, span = self._counts, self._span
        return Trial(
            max(span.last - span.first + 1, 0), span.cut, self._since_ns, now_ns,
            counts["asked"], counts["kept"], counts["otherwise"], counts["noted"],
            self._refused.group(), self._let_through.group(),
        )  # fmt: skip


class _Gathered:
    """Payments that two sets decide differently, added up as they come."""

    def __init__(self) -> None:
        self._all = _Sum("")
        self._limits: Counter[str] = Counter()
        self._merchants: dict[str, _Sum] = {}
        self._cards: dict[bytes, _Sum] = {}
        self._examples: deque[Example] = deque(maxlen=_EXAMPLES_MAX)

    def add(self, payment: int, at_ns: int, event: RequestArrived, refusal: Refusal) -> None:
        """One more, and the limit that refuses it."""
        code, why, *says = refusal
        card, currency, amount = card_text(event), event.currency or CNY, event.amount_minor
        of_merchant = self._merchants.setdefault(event.merchant, _Sum(event.merchant))
        of_card = self._cards.setdefault(event.pan_print, _Sum(card))
        for one in (self._all, of_merchant, of_card):
            one.payments += 1
            one.minor[currency] += amount
        self._limits[limit_named(why)] += 1
        self._examples.append(
            Example(
                payment,
                at_ns,
                event.kind,
                amount,
                currency,
                event.merchant,
                event.terminal,
                card,
                code,
                why,
                "".join(says),
            )
        )

    def group(self) -> Group:
        """What there is of them."""
        return Group(
            self._all.payments, dict(self._all.minor), dict(self._limits.most_common()),
            len(self._merchants), len(self._cards),
            _most(self._merchants.values()), _most(self._cards.values()), [*self._examples],
        )  # fmt: skip


class _Sum:
    def __init__(self, name: str) -> None:
        self.name = name
        self.payments = 0
        self.minor: Counter[str] = Counter()


def _most(sums: Iterable[_Sum]) -> list[Share]:
    ranked = sorted(sums, key=lambda one: -one.payments)[:_MOST]
    return [Share(one.name, one.payments, dict(one.minor)) for one in ranked]
