"""What happened, in the past tense; no event carries a clear PAN, track, PIN block or key.

Records are arrays on disk: fields are only ever added at the end, with a default, so that new code reads old
journals.
"""

import msgspec

from posswitch.base.registry import Change
from posswitch.scheme.settlement import Side


class RequestArrived(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A terminal asks for a payment; its MAC was verified, its secrets wait under `ticket` outside the core.

    What it says of its original: `orig_rrn` (F37), `orig_batch`, `orig_stan` and `orig_date` (F61), `auth`
    (F38). A void may come without a card: then the fields about it are empty, and its original has them.
    """

    ticket: int
    kind: str
    key: str  # acquirer, terminal, batch, STAN, MTI class: what makes a repeat a repeat
    terminal: str
    merchant: str
    batch: str
    stan: str
    amount_minor: int
    currency: str
    processing: str  # F3
    entry: str  # F22
    condition: str  # F25
    expiry: str  # F14 or the track's, YYMM, may be empty
    pan_box: bytes  # AES-GCM
    pan_print: bytes  # keyed fingerprint
    pan_digits: int
    last_four: str
    luhn_ok: bool
    bank: str  # the BIN row's, empty when there is none
    mcc: str
    f60: str
    has_pin: bool
    config: str  # version of the configuration that admitted it
    foreign: bool = False  # the BIN row's
    orig_rrn: str = ""
    orig_batch: str = ""
    orig_stan: str = ""
    orig_date: str = ""  # MMDD
    auth: str = ""
    declared: bool = False  # the terminal says itself that it sends this again
    fresh: bool = False  # signed with the keys of the last sign-on, for the first time
    bin: str = ""  # the BIN row's prefix
    barred: str = ""  # the guard that refuses it


class ReversalArrived(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A terminal takes a payment of `kind` back (0400); `key` is the payment's."""

    ticket: int
    key: str
    terminal: str
    merchant: str
    batch: str
    stan: str
    amount_minor: int
    pan_print: bytes  # empty when the terminal did not send the card number
    reason: str  # F39 of the request
    f60: str
    kind: str = "sale"
    processing: str = "000000"  # F3
    condition: str = "00"  # F25


class TerminalSignedOn(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A terminal signed on and was given working keys, wrapped under the local master key."""

    ticket: int
    terminal: str
    stan: str
    tpk: bytes
    tak: bytes
    config: str
    layout: str = "003"  # field 60.3: which keys it asked for
    tdk: bytes = b""


class TerminalSignedOff(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A terminal signed off: its working keys are forgotten, its batch stays."""

    ticket: int
    terminal: str
    stan: str
    f60: str


class BatchTotaled(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A terminal says what its batch comes to (0500): domestic and foreign cards apart."""

    ticket: int
    terminal: str
    merchant: str
    batch: str
    stan: str
    domestic: Side
    foreign: Side
    f60: str


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One payment of an upload as the terminal has it."""

    stan: str
    amount_minor: int
    pan_print: bytes
    foreign: bool


class ItemsUploaded(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A terminal names payments of a batch that did not balance (0320)."""

    ticket: int
    terminal: str
    merchant: str
    batch: str
    stan: str
    items: tuple[Item, ...]
    f60: str


class UploadEnded(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A terminal has named every payment of its batch (0320), `count` in all."""

    ticket: int
    terminal: str
    merchant: str
    batch: str
    stan: str
    count: int
    f60: str


class AnswerArrived(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A bank answered with a good MAC; what must repeat the request stands here for comparison."""

    bank: str
    mti: str
    stan: int
    f7: str
    code: str
    auth: str
    rrn: str
    amount_minor: int
    terminal: str
    merchant: str
    pan_print: bytes
    day: str  # F15


class AnswerSpoiled(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A bank's answer that cannot be used (MAC wrong): evidence, the timer decides."""

    bank: str
    stan: int
    f7: str
    why: str


class TimerFired(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The centre waited for a bank's answer as long as it may."""

    payment: int


class NotSent(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Not one byte of a request reached the transport."""

    payment: int
    code: str
    why: str


class ReturnedUnread(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The network sent a request back unread; whether the bank saw it as well, nobody knows."""

    payment: int


class Undelivered(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A terminal was gone before anything of its approval was written."""

    payment: int


class DeliveryExpired(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A reversal or advice could not be delivered for as long as the lane may try."""

    payment: int


class NodeRestarted(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A node took up its journal; whatever was under way then has an unknown outcome now.

    `identity`: node, acquirer and centre, which are part of every number that a bank knows us by.
    """

    day: str
    config: str
    identity: str = ""


class DayTurned(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The business date of the settlement network changed."""

    day: str


class RegistryChanged(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The office ordered a new version of the registry; it is in force from this record on."""

    change: Change


class JournalRestored(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """An archive became a journal; what happened after its record `after` is not in it.

    The number of this record lies far behind `after`: payments that were lost keep theirs. `until_ns`: when
    the last record of the archive was made.
    """

    after: int
    until_ns: int


class HandedToOwner(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A payment of a restored journal that was open: nothing automatic may happen to it any more."""

    payment: int


class ZoneKeyOffered(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A new (wrapped) zone key is on its way to a bank; `given` is the one that its row has."""

    bank: str
    usage: str  # ZPK or ZAK
    given: bytes
    key: bytes
    why: str


class ZoneKeyTaken(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A bank has taken a zone key that it was offered: from here on it is in force."""

    bank: str
    usage: str
    key: bytes


Event = (
    RequestArrived
    | ReversalArrived
    | TerminalSignedOn
    | AnswerArrived
    | AnswerSpoiled
    | TimerFired
    | NotSent
    | ReturnedUnread
    | Undelivered
    | DeliveryExpired
    | NodeRestarted
    | DayTurned
    | TerminalSignedOff
    | BatchTotaled
    | ItemsUploaded
    | UploadEnded
    | RegistryChanged
    | JournalRestored
    | HandedToOwner
    | ZoneKeyOffered
    | ZoneKeyTaken
)


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A change of a counter: `amount_minor` is negative when a hold is released."""

    key: str
    window: str
    amount_minor: int


class Reversing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A payment that enters reversing, and the STAN and F7 of its reversal."""

    payment: int
    stan: int
    f7: str


class Original(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The payment that another one builds on, as its bank knows it."""

    payment: int
    mti: str
    stan: int
    f7: str
    rrn: str
    auth: str


class Reopened(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A closed payment that its bank must be told of again, with what the lane needs of its first record."""

    request: RequestArrived
    at_ns: int
    stan: int
    f7: str
    original: Original | None = None


class Difference(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where terminal and centre disagree about one payment of a batch; None = not there."""

    stan: str
    ours_minor: int | None
    theirs_minor: int | None
    ours_state: str = ""


class Closing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a batch stands: its phase, our totals, flags (F48), what is still open, what differs."""

    phase: str
    domestic: Side = Side()
    foreign: Side = Side()
    flags: str = ""  # domestic and foreign: 1 balanced, 2 not
    open: tuple[str, ...] = ()  # trace numbers of payments nobody knows yet
    differences: tuple[Difference, ...] = ()


class Verdict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The decision about one event, as recorded; recovery applies verdicts and decides nothing anew.

    `payment` is the number of the record that opened the payment (0: no payment changes). `cause` moves it
    through the lifecycle ("" leaves it); `state` is where it is then. `code` is the DE39 its terminal is
    owed from now on. `stan` and `f7` are those of the request to the bank. `landed`: the original of a
    deferred reversal was answered. `completed` is the request with what its original adds. `closing`: how
    the batch of the event stands now.
    """

    payment: int = 0
    cause: str = ""
    state: str = ""
    code: str = ""
    why: str = ""
    stan: int = 0
    f7: str = ""
    auth: str = ""
    holds: tuple[Hold, ...] = ()
    reversing: tuple[Reversing, ...] = ()
    reopened: Reopened | None = None
    landed: bool = False
    completed: RequestArrived | None = None
    original: Original | None = None
    closing: Closing | None = None


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of the journal: when, what happened, what was decided."""

    at_ns: int
    event: Event
    verdict: Verdict
