"""What a node holds in memory: payments under way, sessions, trace numbers. Nothing that is closed stays."""

import msgspec

from posswitch.base.moment import stamp
from posswitch.base.registry import Change, Key, Row, key_of
from posswitch.engine.events import Hold, Original, RequestArrived
from posswitch.engine.lanes import Lane
from posswitch.engine.lifecycle import FORWARDED, IN_LANE, REVERSING
from posswitch.scheme.numbers import make_rrn, next_stan

FIRST_BATCH, LAST_BATCH = "000001", "999999"
TRADING, UPLOADING, CLOSED = "trading", "uploading", "closed"


class Flight(msgspec.Struct, array_like=True):
    """A payment that is forwarded, advising or reversing.

    `stan` and `f7` name its request at the bank, `rev_stan` and `rev_f7` its reversal. `deferred`: the
    reversal waits because its request is still under way. `original`: the payment it builds on.
    """

    payment: int
    request: RequestArrived
    at_ns: int
    rrn: str
    stan: int
    f7: str
    ticket: int
    holds: tuple[Hold, ...] = ()
    state: str = FORWARDED
    rev_stan: int = 0
    rev_f7: str = ""
    since_seq: int = 0  # the record by which it entered its lane: the order there
    since_ns: int = 0
    deferred: bool = False
    original: Original | None = None

    def __repr__(self) -> str:
        request = self.request
        return f"<payment {self.payment} {self.state} {request.terminal}/{request.stan} {request.bank}>"


class Session(msgspec.Struct, frozen=True, array_like=True):
    """A terminal's batch and wrapped working keys (empty after a sign-off).

    Its sign-on is not signed: the keys it used before are kept beside the new ones, for a while.
    `phase`: trading, uploading (its totals differed from ours), closed (the next sign-on begins a new one);
    `uploaded`: trace numbers that the terminal has named in its upload.
    """

    batch: str
    tpk: bytes
    tak: bytes
    phase: str = TRADING
    uploaded: tuple[str, ...] = ()
    tdk: bytes = b""
    since_ns: int = 0  # of these keys
    before: tuple[bytes, bytes, bytes] | None = None  # the last ones that it has used: PIN, MAC, track

    @property
    def next_batch(self) -> str:
        """The batch that a sign-on goes on with: the same until it is closed."""
        if self.phase != CLOSED:
            return self.batch
        return FIRST_BATCH if self.batch == LAST_BATCH else f"{int(self.batch) + 1:06d}"


class ZoneKey(msgspec.Struct, frozen=True, array_like=True):
    """A (wrapped) key shared with a bank: `key` is in force since `since_ns`, `before` was until then.

    `given` is the one of the bank's row, `offered` what was sent to the bank since, the newest first.
    """

    given: bytes
    key: bytes
    since_ns: int = 0
    before: bytes = b""
    offered: tuple[bytes, ...] = ()


class State(msgspec.Struct):
    """Everything `decide` may look at besides the facts; folded from records by `apply`."""

    node: str
    seq: int = 0
    at_ns: int = 0
    day: str = ""
    identity: str = ""
    flights: dict[int, Flight] = {}
    stans: dict[str, int] = {}
    sessions: dict[str, Session] = {}
    registry: int = 0  # the version in force; 0 is the configuration file's
    amended: dict[Key, Row | None] = {}  # what the office changed over the file, None = dropped
    stan_first: int = 0  # the last trace number of a bank that was never sent to
    restored_ns: int = 0  # when an archive became this journal, 0 = never
    zone: dict[tuple[str, str], ZoneKey] = {}  # by bank and usage: keys that were exchanged
    rekey: dict[tuple[str, str], None] = {}  # likewise: exchanges that the office has ordered
    # Derived from the above, or from the first record of this life; never stored.
    restarted_ns: int = 0
    awaiting: dict[tuple[str, int, str], int] = {}
    forwarded: dict[str, int] = {}
    lanes: dict[str, Lane] = {}

    def __repr__(self) -> str:
        waiting = sum(len(lane) for lane in self.lanes.values())
        return f"<node {self.node} record {self.seq} open {len(self.flights)} reversing {waiting}>"

    def rrn(self, at_ns: int, payment: int) -> str:
        """Field 37 of the payment that a record of this time opened."""
        return make_rrn(stamp(at_ns), self.node, payment)

    def amend(self, change: Change) -> None:
        """A new version of the registry is in force."""
        self.registry = change.version
        self.amended.update((key, None) for key in change.drop)
        self.amended.update((key_of(row), row) for row in change.put)
        self.rekey.update(((bank, usage), None) for bank in change.rekey for usage in ("ZAK", "ZPK"))

    def next_stan(self, bank: str) -> int:
        """The trace number that the next message to `bank` gets."""
        return next_stan(self.last_stan(bank))

    def last_stan(self, bank: str) -> int:
        """The trace number that the last message to `bank` got."""
        return self.stans.get(bank, self.stan_first)

    def lane(self, bank: str) -> Lane:
        """The lane of a bank's reversals."""
        lane = self.lanes.get(bank)
        if lane is None:
            lane = self.lanes[bank] = Lane()
        return lane

    def flight_of_answer(self, bank: str, stan: int, f7: str) -> Flight | None:
        """The payment under way that an answer with this key belongs to."""
        payment = self.awaiting.get((bank, stan, f7))
        return None if payment is None else self.flights[payment]


class _Snapshot(msgspec.Struct, array_like=True):
    node: str
    seq: int
    at_ns: int
    day: str
    identity: str
    flights: list[Flight]
    stans: dict[str, int]
    sessions: dict[str, Session]
    registry: int
    amended: list[tuple[Key, Row | None]]
    stan_first: int = 0
    restored_ns: int = 0
    zone: list[tuple[tuple[str, str], ZoneKey]] = []
    rekey: list[tuple[str, str]] = []


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(_Snapshot)


def pack_state(state: State) -> bytes:
    """The state as bytes; equal states give equal bytes."""
    flights = [state.flights[payment] for payment in sorted(state.flights)]
    return _encoder.encode(
        _Snapshot(
            state.node,
            state.seq,
            state.at_ns,
            state.day,
            state.identity,
            flights,
            state.stans,
            state.sessions,
            state.registry,
            sorted(state.amended.items()),
            state.stan_first,
            state.restored_ns,
            sorted(state.zone.items(), key=lambda item: item[0]),
            sorted(state.rekey),
        )
    )


def unpack_state(data: bytes) -> State:
    """The state that `pack_state` wrote; raises msgspec.DecodeError on anything else."""
    snap = _decoder.decode(data)
    state = State(
        snap.node,
        snap.seq,
        snap.at_ns,
        snap.day,
        snap.identity,
        stans=snap.stans,
        sessions=snap.sessions,
        registry=snap.registry,
        amended=dict(snap.amended),
        stan_first=snap.stan_first,
        restored_ns=snap.restored_ns,
        zone=dict(snap.zone),
        rekey=dict.fromkeys(snap.rekey),
    )
    for flight in sorted(snap.flights, key=lambda flight: (flight.since_seq, flight.payment)):
        take_up(state, flight)
    return state


def take_up(state: State, flight: Flight) -> None:
    """Enters a payment into every index that its state asks for."""
    bank = flight.request.bank
    assert (bank, flight.stan, flight.f7) not in state.awaiting, "a STAN and F7 that are still awaited"
    state.flights[flight.payment] = flight
    state.awaiting[bank, flight.stan, flight.f7] = flight.payment
    if flight.state == FORWARDED:
        state.forwarded[bank] = state.forwarded.get(bank, 0) + 1
    if flight.state == REVERSING:
        state.awaiting[bank, flight.rev_stan, flight.rev_f7] = flight.payment
    if flight.state in IN_LANE:
        state.lane(bank).add(flight.payment, flight.request.pan_print, flight.deferred)


def let_go(state: State, flight: Flight) -> None:
    """Removes a payment from every index."""
    bank = flight.request.bank
    del state.flights[flight.payment]
    del state.awaiting[bank, flight.stan, flight.f7]
    if flight.state == FORWARDED:
        state.forwarded[bank] -= 1
    if flight.state == REVERSING:
        del state.awaiting[bank, flight.rev_stan, flight.rev_f7]
    if flight.state in IN_LANE:
        state.lane(bank).remove(flight.payment, flight.request.pan_print)
