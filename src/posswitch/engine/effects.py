"""What to do, in the imperative; released only after the record is durable."""

import msgspec

from posswitch.base.registry import Change
from posswitch.engine.events import (
    BatchTotaled,
    ItemsUploaded,
    RequestArrived,
    ReversalArrived,
    TerminalSignedOff,
    TerminalSignedOn,
    UploadEnded,
    Verdict,
)
from posswitch.scheme.settlement import Side

Asked = (
    RequestArrived
    | ReversalArrived
    | TerminalSignedOn
    | TerminalSignedOff
    | BatchTotaled
    | ItemsUploaded
    | UploadEnded
)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a terminal is told: DE39 and what stands beside it."""

    code: str
    rrn: str = ""
    auth: str = ""
    day: str = ""  # F15, MMDD
    batch: str = ""  # sign-on only
    flags: str = ""  # settlement only, with our totals of domestic and foreign cards
    sides: tuple[Side, Side] = (Side(), Side())
    says: str = ""  # a sentence for the cashier


class SendRequest(msgspec.Struct, frozen=True, gc=False):
    """Forward an open payment to its bank."""

    payment: int


class SendResponse(msgspec.Struct, frozen=True, gc=False):
    """Answer the terminal that waits under `ticket`.

    `payment` is set when this tells an approval. The first telling that reaches nobody is reported as
    Undelivered, unless a repeat was told the same in the same turn.
    """

    ticket: int
    request: Asked
    answer: Answer
    payment: int = 0
    repeat: bool = False


class SetTimer(msgspec.Struct, frozen=True, gc=False):
    """Fire TimerFired(payment) after `delay_s` unless the payment is closed by then."""

    payment: int
    delay_s: float


class WakeLane(msgspec.Struct, frozen=True, gc=False):
    """The bank's lane has something new to send or room to send it.

    `answered`: a payment whose reversal got an answer that does not end it; its try is over.
    """

    bank: str
    answered: int = 0


class EraseTicket(msgspec.Struct, frozen=True, gc=False):
    """Forget a ticket that a repeat has taken the place of."""

    ticket: int


class Amend(msgspec.Struct, frozen=True, gc=False):
    """Put a new version of the registry into force."""

    change: Change


class TellCutover(msgspec.Struct, frozen=True, gc=False):
    """Tell every bank that the business date has changed."""

    day: str


class OfferKey(msgspec.Struct, frozen=True, gc=False):
    """Send a bank the zone key that it is offered."""

    bank: str
    usage: str


Effect = SendRequest | SendResponse | SetTimer | WakeLane | EraseTicket | Amend | TellCutover | OfferKey


class Decision(msgspec.Struct, frozen=True, gc=False):
    """A verdict to record (None: nothing changed, nothing is recorded) and the effects that follow it."""

    verdict: Verdict | None
    effects: tuple[Effect, ...] = ()
    note: str = ""  # counted when nothing is recorded
