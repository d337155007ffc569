"""Requests to banks about limits of their own: the evidence, the ready message, who said what when."""

from collections import Counter, deque
from typing import NamedTuple

from posswitch.base.amount import CNY, amount_text
from posswitch.base.card import scrub
from posswitch.base.codes import APPROVALS, CODES
from posswitch.base.errors import OfficeError
from posswitch.base.moment import NS_PER_S, clock_text
from posswitch.base.registry import Bank
from posswitch.engine.events import AnswerArrived, Record, RequestArrived
from posswitch.journal.cards import asked_as
from posswitch.journal.traffic import records_of, span_since
from posswitch.office.acts import Example, LimitAnswered, LimitAsked, LimitClosed, known_name
from posswitch.office.desk import Desk
from posswitch.office.limit_words import ZH
from posswitch.office.supposed import card_text
from posswitch.settings.config import Config
from posswitch.settings.finding import brief

USUAL_CODES = ("61", "65")
DAYS_MAX, OPEN_MAX = 31, 100
TEXT_LETTERS_MIN, TEXT_MAX = 3, 200
OPEN, ANSWERED, CLOSED = "open", "answered", "closed"
_EXAMPLES = 10
_DAY_NS = 86_400 * NS_PER_S
_ANSWERED = frozenset({"bank-approved", "bank-declined"})


class Followed(NamedTuple):
    """A request and what became of it, in order."""

    number: int  # of its act
    asked: LimitAsked
    said: list[LimitAnswered | LimitClosed]

    @property
    def state(self) -> str:
        """open, answered or closed."""
        if not self.said:
            return OPEN
        return CLOSED if isinstance(self.said[-1], LimitClosed) else ANSWERED


def requests(desk: Desk) -> list[Followed]:
    """Every request, oldest first."""
    found: dict[int, Followed] = {}
    for number, act in enumerate(desk.ledger.acts, 1):
        if isinstance(act, LimitAsked):
            found[number] = Followed(number, act, [])
        elif isinstance(act, LimitAnswered | LimitClosed) and act.request in found:
            found[act.request].said.append(act)
    return [*found.values()]


def request(desk: Desk, number: int) -> Followed:
    """One request; OfficeError when there is none."""
    for one in requests(desk):
        if one.number == number:
            return one
    raise OfficeError(f"no request {number}; see posswitch limits bank list")


def open_request(
    desk: Desk, bank: str, by: str, want: str, days: int, codes: tuple[str, ...] = USUAL_CODES
) -> Followed:
    """A request with what the journal has of the bank's refusals; durable, or OfficeError."""
    by, want, row = known_name(by), text_of("--want", want), desk.registry.banks.get(bank)
    if row is None:
        raise OfficeError(f"no bank {brief(bank)} is registered; see posswitch registry list bank")
    if not 1 <= days <= DAYS_MAX:
        raise OfficeError(f"--days: 1 to {DAYS_MAX}")
    for code in codes:
        if code not in CODES or code in APPROVALS:
            raise OfficeError(f"--code: {brief(code)} refuses nothing; give a DE39 such as 61")
    if sum(one.state != CLOSED for one in requests(desk)) >= OPEN_MAX:
        raise OfficeError(f"{OPEN_MAX} requests are open; close some: posswitch limits bank close N")
    now_ns = desk.now_ns()
    found = _evidence(desk.config, bank, now_ns - days * _DAY_NS, codes)
    if not found.refused:
        raise OfficeError(
            f"bank {bank} has refused nothing with {', '.join(codes)} in {days} days; "
            "give other --code, or more --days"
        )
    act = LimitAsked(
        bank, by, now_ns, want, now_ns - days * _DAY_NS, found.first_ns, found.last_ns, found.payments,
        tuple(sorted(found.codes.items())), tuple(sorted(found.minor.items())),
        len(found.cards), len(found.merchants), found.examples(),
    )  # fmt: skip
    return Followed(desk.note(act), act, [])


def answer(desk: Desk, number: int, by: str, note: str) -> None:
    """Keeps what the bank has said; OfficeError when the request is closed."""
    _open(desk, number)
    desk.note(LimitAnswered(number, known_name(by), desk.now_ns(), text_of("--note", note)))


def close(desk: Desk, number: int, by: str, note: str) -> None:
    """Ends a request, answered or not; OfficeError when it is closed."""
    _open(desk, number)
    desk.note(LimitClosed(number, known_name(by), desk.now_ns(), text_of("--note", note)))


def _open(desk: Desk, number: int) -> None:
    one = request(desk, number)
    if one.state == CLOSED:
        last = one.said[-1]
        raise OfficeError(f"request {number} was closed by {last.by} at {clock_text(last.at_ns)}")


def text_of(what: str, text: str) -> str:
    """A sentence that is kept, card numbers in it masked; OfficeError when it is none."""
    text = text.strip()
    few = sum(map(str.isalpha, text)) < TEXT_LETTERS_MIN
    if few or len(text) > TEXT_MAX or not text.isprintable():
        raise OfficeError(
            f"{what}: say it in one line of {TEXT_LETTERS_MIN} letters at least, {TEXT_MAX} at most"
        )
    return scrub(text)


class _Evidence:
    """A bank's refusals, added up from its answers."""

    def __init__(self, config: Config, bank: str, codes: tuple[str, ...]) -> None:
        self._config, self._bank, self._wanted = config, bank, codes
        self._currencies: dict[int, str] = {}  # of payments in another one than usual
        self._newest: deque[tuple[int, int, AnswerArrived]] = deque(maxlen=_EXAMPLES)
        self.payments = self.refused = 0
        self.first_ns = self.last_ns = 0
        self.codes: Counter[str] = Counter()
        self.minor: Counter[str] = Counter()
        self.cards: set[bytes] = set()
        self.merchants: set[str] = set()

    def follow(self, seq: int, record: Record) -> None:
        """One record."""
        event, verdict = record.event, record.verdict
        if isinstance(event, RequestArrived):
            if event.currency not in ("", CNY):
                self._currencies[seq] = event.currency
        elif isinstance(event, AnswerArrived) and event.bank == self._bank and verdict.cause in _ANSWERED:
            self.payments += 1
            if event.code in self._wanted:
                self._refusal(verdict.payment, record.at_ns, event)

    def _refusal(self, payment: int, at_ns: int, event: AnswerArrived) -> None:
        self.refused += 1
        self.first_ns, self.last_ns = self.first_ns or at_ns, at_ns
        self.codes[event.code] += 1
        self.minor[self._currency(payment)] += event.amount_minor
        self.cards.add(event.pan_print)
        self.merchants.add(event.merchant)
        self._newest.append((payment, at_ns, event))

    def _currency(self, payment: int) -> str:
        return self._currencies.get(payment, CNY)

    def examples(self) -> tuple[Example, ...]:
        """The newest refusals, their cards masked."""
        return tuple(
            Example(
                payment, event.rrn, at_ns, event.amount_minor, self._currency(payment),
                self._card(payment), event.code,
            )
            for payment, at_ns, event in self._newest
        )  # fmt: skip

    def _card(self, payment: int) -> str:
        asked = asked_as(self._config.data, self._config.node, str(payment))
        return card_text(asked) if asked is not None else ""


def _evidence(config: Config, bank: str, since_ns: int, codes: tuple[str, ...]) -> _Evidence:
    found = _Evidence(config, bank, codes)
    for seq, record in records_of(config.data, span_since(config.data, since_ns)):
        found.follow(seq, record)
    return found


_MESSAGE = (
    """致：{bank_zh}（机构号 {bank}），联系人：{contact}
发自：受理机构 {acquirer}，posswitch 节点 {node}
事由：请核查并调整贵行限额（我方编号 {number}）

{first} 至 {last}，贵行对我方转接的交易应答 {codes}，合计 {money}，涉及 {cards} 张卡、{merchants} 家商户。
自 {since} 起贵行共应答 {payments} 笔，其中如上被拒 {refused} 笔。
我方请求：{want}

例（卡号已掩码，最近在后）：
{examples}

请告知已作的调整，或不能调整的原因。
{by}，{now}""",
    """To: {bank_en} (institution {bank}), contact: {contact}
From: acquirer {acquirer}, posswitch node {node}
Subject: please look into a limit of yours (our number {number})

From {first} to {last} you answered {codes} to payments that we sent you: {money} in all,
{cards} cards at {merchants} merchants. Since {since} you answered {payments} payments;
{refused} of them were refused like this.
We ask you: {want}

Examples (cards masked, the newest last):
{examples}

Please tell us what you have changed, or why it cannot be changed.
{by}, {now}""",
)


def message(desk: Desk, one: Followed, side: int) -> str:
    """What can be sent to the bank's contact as it is; `side` is ZH or EN."""
    asked, config = one.asked, desk.config
    row: Bank | None = desk.registry.banks.get(asked.bank)
    nobody = ("（未登记）", "(nobody is registered)")[side]
    times = ("{} {} 笔", "{} ({} times)")[side]
    line = ("  RRN {}  {}  {}  卡 {}  应答 {}", "  RRN {}  {}  {}  card {}  answer {}")[side]
    return _MESSAGE[side].format(
        bank=asked.bank,
        bank_zh=row.name_zh if row else "",
        bank_en=row.name_en if row else "",
        contact=(row and " ".join(filter(None, (row.contact, row.phone)))) or nobody,
        acquirer=config.acquirer,
        node=config.node,
        number=one.number,
        first=clock_text(asked.first_ns),
        last=clock_text(asked.last_ns),
        since=clock_text(asked.since_ns),
        codes=("、" if side == ZH else ", ").join(times.format(code, count) for code, count in asked.codes),
        money=("、" if side == ZH else ", ").join(amount_text(minor, name) for name, minor in asked.minor),
        cards=asked.cards,
        merchants=asked.merchants,
        payments=asked.payments,
        refused=sum(count for _, count in asked.codes),
        want=asked.want,
        examples="\n".join(
            line.format(
                each.rrn, clock_text(each.at_ns), amount_text(each.amount_minor, each.currency), each.card,
                each.code,
            )
            for each in asked.examples
        ),
        by=asked.by,
        now=clock_text(asked.at_ns),
    )  # fmt: skip
