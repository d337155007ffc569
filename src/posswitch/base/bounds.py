"""Every cap and timer of the product, and the relations that must hold between them."""

from collections.abc import Iterator, Mapping

import msgspec

from posswitch.base.errors import ConfigError

FRAME_BYTES_MAX = 4096  # the longest frame either side may send
FRAME_SECONDS_MAX = 5.0  # from a frame's first byte to its last
FIRST_BYTE_SECONDS_MAX = 15.0  # from accept to the first byte
IDLE_SECONDS_MAX = 300.0  # a silent terminal connection is closed
BAD_FRAMES_MAX = 3  # unreadable frames before a terminal connection is closed
CONNECTIONS_MAX = 4096
CONNECTIONS_PER_PEER_MAX = 1024  # of one address that nobody vouches for
FRAMES_PER_SECOND_MAX = 2_000  # of one such connection; then it is read more slowly
BYTES_PER_SECOND_MAX = 1 << 20
VOUCHED_PEERS_MAX = 4_096  # addresses that have shown a registered certificate
ACCEPTS_MAX = 1024  # connections that the kernel holds while the node is busy; a pass may take them all
DESCRIPTORS_SPARE = 256  # of files, links to banks and HSMs, and whatever else a node has open
SILENT_MAX = 1024  # connections to a TLS listener whose hello has not come; the oldest makes room
HANDSHAKES_MAX = 256  # of TLS under way at once, and so many without a pause
HANDSHAKES_PER_SECOND_MAX = 400  # then newcomers wait in the kernel: about a third of a core
HANDSHAKE_SECONDS_MAX = 3.0  # from accept (or connect) to a finished handshake
HANDSHAKE_SECONDS_FAIR = 0.5  # then one that is under way may be cut for a new one, when all are taken
CLOSING_SECONDS_MAX = 2.0  # for the other side's goodbye in TLS
CERTIFICATE_DAYS = (30, 14, 7, 1)  # before its end a certificate is warned of
UNSENT_BYTES_MAX_TERMINAL = 1 << 16  # then the other side does not read and is cut
UNSENT_BYTES_MAX_BANK = 1 << 20
PAYLOADS_PER_PASS_MAX = 64  # of one connection, before the others and the timers have their turn
BATCH_EVENTS_MAX = 256  # one transaction
TURN_SPACING_NS = 1_000_000  # from one commit to the next: what arrives meanwhile shares its fsync
QUEUE_EVENTS_MAX = 8192  # waiting for a transaction; beyond it requests are refused 96
REFUSED_KEPT_MAX = 300_000  # payments refused without a record that are remembered
TERMINALS_KEPT_MAX = 200_000  # of which the highest trace number is remembered
OPEN_PER_BANK_MAX = 4096  # forwarded and unanswered
WINDOW_FIRST, WINDOW_MIN = 1024, 32  # of them that a bank may have, before its answers have told how many
LANE_ITEMS_MAX = 20_000  # reversals a bank may owe before it gets no new sale
LANE_SENDING_MAX = 32  # reversals in flight to one bank
LANE_PER_SECOND_MAX, LANE_BURST = 500, 64  # so a backlog that drains leaves the node to payments
LINKS_PER_BANK_MAX = 16
HSM_UNDER_WAY_MAX = 4096  # commands that HSMs have not answered; beyond it work fails at once
HSM_LINKS_MAX = 16
BATCH_ITEMS_MAX = 5000  # payments of a terminal's batch that a settlement looks at
SNAPSHOT_EVERY = 50_000
DISK_LOW_BYTES = 256 << 20  # free on the journal's disk: with less, no new payment is taken
DISK_LOW_SHARE = 0.05  # of a small disk
DISK_AGAIN = 1.25  # times the mark, and payments are taken again
NEAR_FLIGHTS_MAX = 512  # payments under way that an answer which matches nothing is compared with
RESTORED_SKIP = 1_000_000_000  # record numbers that a restored journal leaves out
RESTORED_DOUBT_NS = 48 * 3600 * 1_000_000_000  # how long a reversal of nothing may be of a lost payment
GUARD_SUBJECTS_MAX = 10_000  # terminals, merchants, BINs, cards, peers that a guard doubts, or has barred
GUARD_POSTS_MAX = 50_000  # terminals whose last place and trace number are known
GUARD_FAMILIAR_PLACES = 1 << 22  # for cards that were approved, a byte each
_SECONDS_MAX = 1_000_000
PLANS_MAX = 1024  # compiled bitmaps a dialect remembers
KEY_CONTEXTS_MAX = 4096  # opened keys the software HSM remembers
DUKPT_JUMP_MAX = 1000  # transactions of a terminal that the centre may not have seen


class Timers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds each party waits; every one leaves the next a margin (messages flow inwards, answers out)."""

    bank: float = 25.0  # what the bank promises
    centre: float = 30.0  # when the centre gives up and reverses
    terminal: float = 60.0  # what terminals are known to wait
    reversal: float = 20.0  # an unanswered reversal is repeated after this, growing
    reversal_max: float = 60.0  # the longest pause between repeats
    reversal_hours: float = 24.0  # then the reversal gets an owner
    flight_max: float = 120.0  # the longest way of a request; "original unknown" counts after it
    connect: float = 5.0
    echo: float = 30.0  # idle time before a link is tested; two misses end it
    drain: float = 10.0  # a graceful stop waits this long for open payments

    def __post_init__(self) -> None:
        """Raises ConfigError when a wait is not shorter than the one outside it."""
        for _, what, remedy in timer_faults(msgspec.structs.asdict(self)):
            raise ConfigError(f"timers: {what}; {remedy}")


# A wait, the one that must not be shorter, whether they may be equal, and what happens otherwise.
_TIMER_ORDER = (
    ("bank", "centre", False, "centres give up on payments that are still approved"),
    ("centre", "terminal", False, "terminals give up on payments that are still approved"),
    ("terminal", "flight_max", True, "a bank's word about an unknown original comes too early"),
    ("reversal", "reversal_max", True, "the first pause is the longest"),
)


def timer_faults(waits: Mapping[str, float]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Every wait out of range or out of order: its name or both, what is wrong, the remedy."""
    good = {}
    for name, seconds in waits.items():
        if 0 < seconds <= _SECONDS_MAX:
            good[name] = seconds
        else:
            what = f"{name} must be more than 0 and at most {_SECONDS_MAX} seconds"
            yield (name,), what, "write another number"
    for inner, outer, equal, otherwise in _TIMER_ORDER:
        if inner in good and outer in good:
            short, long = good[inner], good[outer]
            if not (short < long or (equal and short == long)):
                must = "at most" if equal else "shorter than"
                what = f"{inner} ({short} s) must be {must} {outer} ({long} s), or {otherwise}"
                yield (inner, outer), what, f"raise {outer} or lower {inner}"


assert WINDOW_MIN <= WINDOW_FIRST <= OPEN_PER_BANK_MAX
assert LANE_SENDING_MAX <= OPEN_PER_BANK_MAX <= LANE_ITEMS_MAX
assert BATCH_EVENTS_MAX <= QUEUE_EVENTS_MAX
assert CONNECTIONS_PER_PEER_MAX < CONNECTIONS_MAX
assert HANDSHAKE_SECONDS_FAIR < HANDSHAKE_SECONDS_MAX < FIRST_BYTE_SECONDS_MAX
