"""Checks of a request that need no memory: the first that fails names the DE39."""

from posswitch.base.amount import CNY
from posswitch.base.bounds import LANE_ITEMS_MAX, OPEN_PER_BANK_MAX
from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN
from posswitch.base.moment import Stamp
from posswitch.base.registry import Limits
from posswitch.engine.events import Hold, RequestArrived
from posswitch.engine.facts import Facts
from posswitch.engine.state import State
from posswitch.scheme.kinds import Kind

Refusal = tuple[str, str]  # DE39 and why
BARRED = "59"  # whatever the guard: who tries cards shall learn nothing from it


def guard(kind: Kind, request: RequestArrived) -> Refusal | None:
    """Whether a guard bars it, and what is wrong with what the message says."""
    if request.barred:
        return BARRED, f"barred: {request.barred}"
    if request.currency != CNY:
        return "12", "currency is not the yuan"
    if request.amount_minor <= 0 and 4 in kind.need:
        return "13", "amount is zero"
    return None


def card(kind: Kind, request: RequestArrived, now: Stamp) -> Refusal | None:
    """What is wrong with the card, wherever its number came from; money goes back to an expired one too."""
    if not PAN_DIGITS_MIN <= request.pan_digits <= PAN_DIGITS_MAX or not request.luhn_ok:
        return "14", "card number is wrong"
    if not request.bank:
        return "15", "no bank for this card"
    if not kind.original and not kind.advice and request.expiry and request.expiry < now.yymm:
        return "54", "card is expired"
    return None


def card_key(request: RequestArrived) -> str:
    """The counter of the request's card."""
    return f"card:{request.pan_print.hex()}"


def card_hold(request: RequestArrived, day: str) -> Hold:
    """What the request takes from its card's limit of the day."""
    return Hold(card_key(request), day, request.amount_minor)


def limits(kind: Kind, request: RequestArrived, facts: Facts, rules: Limits) -> Refusal | None:
    """Whether the card may still spend this much today."""
    if kind.limited and facts.used_minor + request.amount_minor > rules.card_daily_minor:
        return "61", "card's limit of the day"
    return None


def route(kind: Kind, request: RequestArrived, state: State, facts: Facts) -> Refusal | None:
    """Whether the bank can take a request now; one that owes too many answers gets nothing new.

    An advice waits in its lane for a link.
    """
    lane = state.lanes.get(request.bank)
    if lane is not None and len(lane) >= LANE_ITEMS_MAX:
        return "91", "the bank owes too many answers"
    if kind.advice:
        return None
    if not facts.bank_ready:
        return "91", "no link to the bank"
    if state.forwarded.get(request.bank, 0) >= OPEN_PER_BANK_MAX:
        return "91", "too many unanswered requests at the bank"
    return None
