"""The guards as a table: what each counts, in whose name, when it is enough, and what it bars then.

Points go up with what an attack leaves behind and down with ordinary business: a cumulative sum (E. S. Page,
1954). So what matters is the share of bad outcomes, not how busy a place is. Weights and thresholds are held
against a million ordinary purchases (tests/pressure/ordinary.py).
"""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from posswitch.base.codes import APPROVALS
from posswitch.scheme.kinds import (
    BALANCE,
    COMPLETION,
    COMPLETION_NOTICE,
    OFFLINE_SALE,
    PREAUTH,
    REFUND,
    REVERSAL,
    SALE,
)

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400

Verdict = Callable[[str, str, bool], int]  # kind, DE39, with a PIN → points


class Scope(IntEnum):
    """In whose name a guard counts, and whom it bars."""

    TERMINAL = 0
    MERCHANT = 1
    BIN = 2
    CARD = 3
    PEER = 4


class Once(IntEnum):
    """What counts once, however often it comes again."""

    EVERY = 0
    CARD = 1
    AMOUNT = 2


# How much a refusal says of a number that somebody has made up, or a list of stolen ones.
MADE_UP = frozenset({"14", "54", "N7", "59", "04", "07", "33", "35", "36", "41", "43"})
_DOUBTFUL = frozenset({"05", "01", "57", "62", "78", "51", "61", "65", "15"})
_TRIED = dict.fromkeys(sorted(MADE_UP), 40) | dict.fromkeys(sorted(_DOUBTFUL), 10)
_ASKS_A_CARD = frozenset({SALE.name, PREAUTH.name, BALANCE.name})
_SPENDS = frozenset({SALE.name, PREAUTH.name})
_EARNS = frozenset({SALE.name, COMPLETION.name, COMPLETION_NOTICE.name, OFFLINE_SALE.name})
_PIN_REFUSED = frozenset({"55", "38", "75"})
_TOO_MUCH = frozenset({"51", "61"})


def cards_tried(kind: str, code: str, has_pin: bool) -> int:
    """Numbers that nobody has, expired or empty cards; every good one speaks against it."""
    if kind not in _ASKS_A_CARD:
        return 0
    return -10 if code in APPROVALS else _TRIED.get(code, 0)


def bin_tried(kind: str, code: str, has_pin: bool) -> int:
    """The same among all the cards of a BIN, where an attack is a small share: more than one in forty."""
    points = cards_tried(kind, code, has_pin)
    return -1 if points < 0 else points


def pins_tried(kind: str, code: str, has_pin: bool) -> int:
    """Wrong PINs of different cards at one place; three good ones speak for one that is wrong."""
    if not has_pin:
        return 0
    return 30 if code in _PIN_REFUSED else -10 if code in APPROVALS else 0


def pin_tried(kind: str, code: str, has_pin: bool) -> int:
    """Wrong PINs of one card; the right one ends it."""
    if not has_pin:
        return 0
    return 10 if code in _PIN_REFUSED else -1000 if code in APPROVALS else 0


def amounts_tried(kind: str, code: str, has_pin: bool) -> int:
    """How much is on the card? Other amounts again and again, each too much."""
    return 10 if kind in _SPENDS and code in _TOO_MUCH else 0


def refunds(kind: str, code: str, has_pin: bool) -> int:
    """Money that goes back, against money that comes in."""
    if code not in APPROVALS:
        return 0
    return 10 if kind == REFUND.name else -5 if kind in _EARNS else 0


def reversals(kind: str, code: str, has_pin: bool) -> int:
    """Sales that the terminal takes back, against those that stand."""
    if code not in APPROVALS:
        return 0
    return 20 if kind == REVERSAL.name else -10 if kind == SALE.name else 0


def counted_elsewhere(kind: str, code: str, has_pin: bool) -> int:
    """Answers say nothing to this guard: see `Guards`."""
    return 0


class Guard(NamedTuple):
    """One row: its name, in whose name it counts, what an answer says to it, how many points are enough.

    Points are forgotten `window_s` after the last. `strangers`: only cards count that were never approved
    here; `spares`: nor are the others barred. `kinds` is what it bars (with a PIN only, if `pins`), first for
    `bar_s`, then twice as long each time, up to `bar_s_max`.
    """

    name: str
    scope: Scope
    verdict: Verdict
    points_max: int
    window_s: int
    once: Once = Once.CARD
    strangers: bool = False
    spares: bool = False
    kinds: frozenset[str] = _ASKS_A_CARD
    pins: bool = False
    bar_s: int = 5 * MINUTE_S
    bar_s_max: int = DAY_S
    good: int = 0  # points off for each payment, where peers are counted


_REFUNDS = frozenset({REFUND.name})
_ALL = _ASKS_A_CARD | _REFUNDS
CLONED, TWO_PLACES, PACE = "cloned-terminal", "two-places", "terminal-pace"
UNKNOWN, UNREADABLE = "unknown-terminals", "unreadable-frames"
CONFLICT, STEP_BACK, FLIP, TOO_MANY_OPEN, STRANGE_TERMINAL, BAD_CONNECTION = 50, 10, 10, 100, 30, 10
OPEN_MAX = 20  # requests of one terminal without an answer; one that works asks one after the other
PAID_NS = 10 * MINUTE_S * 1_000_000_000  # so long a payment keeps its address from being shut out
FLIP_NS = 10 * MINUTE_S * 1_000_000_000  # back at the place before within this

GUARDS = (
    Guard("card-testing", Scope.TERMINAL, cards_tried, 240, HOUR_S, strangers=True),
    Guard("card-testing", Scope.MERCHANT, cards_tried, 480, HOUR_S, strangers=True, spares=True),
    Guard("bin-enumeration", Scope.BIN, bin_tried, 800, HOUR_S, strangers=True, spares=True),
    Guard("pin-guessing", Scope.TERMINAL, pins_tried, 240, HOUR_S, pins=True),
    Guard("pin-guessing", Scope.CARD, pin_tried, 50, DAY_S, Once.EVERY, pins=True, bar_s=HOUR_S),
    Guard("amount-probing", Scope.CARD, amounts_tried, 100, HOUR_S, Once.AMOUNT, bar_s=15 * MINUTE_S),
    Guard(PACE, Scope.TERMINAL, counted_elsewhere, TOO_MANY_OPEN, MINUTE_S, Once.EVERY),
    Guard(
        CLONED, Scope.TERMINAL, counted_elsewhere, 2 * CONFLICT, DAY_S, Once.EVERY, kinds=_ALL, bar_s=HOUR_S
    ),
    Guard(TWO_PLACES, Scope.TERMINAL, counted_elsewhere, 10 * FLIP, HOUR_S, Once.EVERY),
    Guard("refund-abuse", Scope.TERMINAL, refunds, 300, DAY_S, Once.EVERY, kinds=_REFUNDS, bar_s=HOUR_S),
    Guard("refund-abuse", Scope.MERCHANT, refunds, 1000, DAY_S, Once.EVERY, kinds=_REFUNDS, bar_s=HOUR_S),
    Guard("reversal-abuse", Scope.TERMINAL, reversals, 400, DAY_S, Once.EVERY, kinds=_SPENDS),
    Guard(
        UNKNOWN,
        Scope.PEER,
        counted_elsewhere,
        20 * STRANGE_TERMINAL,
        HOUR_S,
        Once.CARD,
        bar_s=MINUTE_S,
        good=10,
    ),
    Guard(
        UNREADABLE,
        Scope.PEER,
        counted_elsewhere,
        5 * BAD_CONNECTION,
        10 * MINUTE_S,
        Once.EVERY,
        bar_s=30,
        good=1,
    ),
)
