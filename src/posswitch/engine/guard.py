"""Checks of a request that need no memory: the first that fails names the DE39."""

from posswitch.base.amount import CNY
from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN
from posswitch.base.moment import Stamp
from posswitch.engine.events import RequestArrived
from posswitch.engine.limits import Refusal
from posswitch.scheme.kinds import Kind

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
