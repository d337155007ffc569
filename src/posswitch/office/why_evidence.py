"""What is known of one payment, as one frozen object: everything that is said about it is said from this."""

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What became of it, as far as the journal knows."""

    APPROVED = "approved"
    DECLINED = "declined"  # by its bank
    REFUSED = "refused"  # here, before any bank was asked
    NOT_SENT = "not-sent"  # accepted here, and nothing of it reached the bank
    UNANSWERED = "unanswered"  # an inquiry: no money moves
    UNDER_WAY = "under-way"
    ADVISING = "advising"  # accepted, and its bank is being told
    REVERSING = "reversing"
    REVERSED = "reversed"
    NEEDS_OWNER = "needs-owner"
    NEVER_CAME = "never-came"  # only its reversal did


class Decider(StrEnum):
    """Who decided that."""

    BANK = "bank"
    CENTRE = "centre"
    GUARD = "guard"
    LIMIT = "limit"
    ROUTE = "route"
    TIMER = "timer"
    TERMINAL = "terminal"
    LINE = "line"  # the terminal was gone
    NETWORK = "network"  # it sent the request back
    RESTART = "restart"
    RESTORE = "restore"
    OWNER = "owner"
    NOBODY = "nobody"  # it is not decided yet


class Money(StrEnum):
    """How account and slip stand to each other."""

    STANDS = "stands"  # both have it
    UNDONE_LATER = "undone-later"  # it stood, and a void has taken it back since
    NONE = "none"  # neither has it
    TELLING = "telling"  # the slip has it, its bank is being told
    PENDING = "pending"  # nobody has answered yet
    UNDOING = "undoing"  # the account may have it, and it is being taken back
    UNDONE = "undone"  # neither has it any more
    UNKNOWN = "unknown"  # a person must find out


class Safe(StrEnum):
    """Whether account and slip agree."""

    SETTLED = "settled"
    SETTLING = "settling"  # the centre brings them together by itself
    OPEN = "open"  # a person must


class Retry(StrEnum):
    """Whether the cashier may take the money once more."""

    DONE = "done"  # no: it is paid
    WAIT = "wait"  # no: the outcome is not known, or something is being taken back
    ANEW = "anew"  # yes, as a new payment: this one is nothing
    NOW = "now"
    LATER = "later"
    OTHER_MEANS = "other-means"
    NEVER = "never"


SAFE = {
    Money.STANDS: Safe.SETTLED,
    Money.UNDONE_LATER: Safe.SETTLED,
    Money.NONE: Safe.SETTLED,
    Money.UNDONE: Safe.SETTLED,
    Money.TELLING: Safe.SETTLING,
    Money.PENDING: Safe.SETTLING,
    Money.UNDOING: Safe.SETTLING,
    Money.UNKNOWN: Safe.OPEN,
}


class Place(StrEnum):
    """Where a DE39 was made."""

    BANK = "bank"
    HERE = "here"
    TIMER = "timer"
    GUARD = "guard"
    LIMIT = "limit"
    ROUTE = "route"


class Told(msgspec.Struct, frozen=True):
    """One answer that the terminal was given (or that was dropped, where `heard` is False).

    It left after its record; when, no record says. `to`: payment, repeat, reversal.
    """

    code: str
    made: Place
    to: str
    seq: int
    after_ns: int
    heard: bool = True


class Hop(msgspec.Struct, frozen=True):
    """One step of its way, a row of HOPS; `at_ns` is 0 where no record has its time: then it was later than
    `after_ns` or earlier than `before_ns`. `seq` is the record that shows it."""

    what: str
    at_ns: int = 0
    seq: int = 0
    code: str = ""
    note: str = ""  # the engine's words
    by: str = ""
    after_ns: int = 0
    before_ns: int = 0


class Waits(msgspec.Struct, frozen=True):
    """What the node's vitals measured, while they last: from arrival to answer, and of that since it was sent
    to its bank (0: it was not); the answer left within the period that ended at `told_ns`."""

    wait_us: int
    bank_us: int
    told_ns: int


class Related(msgspec.Struct, frozen=True):
    """A payment that this one builds on, or that builds on it."""

    payment: int
    rrn: str
    kind: str
    amount_minor: int
    state: str
    at_ns: int


class Settled(msgspec.Struct, frozen=True):
    """Its batch at the settlement: whether totals agreed, and what differed about this payment."""

    phase: str
    balanced: bool
    at_ns: int  # of the first settlement; 0 where no record of it is left
    open: bool = False  # it had no outcome then
    differs: bool = False
    ours_minor: int | None = None
    theirs_minor: int | None = None
    ours_state: str = ""


class Bank(msgspec.Struct, frozen=True):
    """Its bank, and under which numbers that knows it; without `asked` nothing was meant to be sent there."""

    id: str
    name_zh: str = ""
    name_en: str = ""
    contact: str = ""
    phone: str = ""
    asked: bool = False
    stan: int = 0
    f7: str = ""
    reversal_stan: int = 0
    reversal_f7: str = ""
    reversal_since_ns: int = 0
    said: str = ""  # the DE39 of its answer to the payment, as it said it
    said_ns: int = 0
    links_up: int | None = None  # that serve now; None: no node says so


class Evidence(msgspec.Struct, frozen=True):
    """Everything that is known of one payment at `now_ns`; no card number, no secret.

    `reason` says why it came to its outcome, with `decided` and `made` beside it. `known_by_ns`: when the
    outcome is known at the latest, 0 when it is known or nobody can promise it.
    """

    now_ns: int
    node: str
    acquirer: str
    centre: str
    payment: int
    rrn: str
    kind: str
    amount_minor: int
    currency: str
    terminal: str
    merchant: str
    batch: str
    stan: str
    card: str  # masked
    auth: str
    at_ns: int
    bank: Bank
    state: str
    outcome: Outcome
    reason: str
    decided: Decider
    code: str  # what the terminal was told of the payment last, or is owed
    made: Place
    why: str  # the engine's words for a refusal
    money: Money
    retry: Retry
    since_ns: int  # of the outcome
    known_by_ns: int
    told: tuple[Told, ...] = ()
    hops: tuple[Hop, ...] = ()
    repeats: int = 0
    terminal_reversals: int = 0
    original: Related | None = None
    built: tuple[Related, ...] = ()
    settled: Settled | None = None
    waits: Waits | None = None
    incidents: tuple[int, ...] = ()

    @property
    def safe(self) -> Safe:
        """Whether account and slip agree."""
        return SAFE[self.money]
