"""Stand-in: what the centre approves itself while a bank cannot be asked, as that bank has allowed it.

Only a payment of which nothing was sent, and only while nothing of its card is unsettled at the bank: what
has an unknown outcome is never approved by guess.
"""

from posswitch.base.policy import Limit, StandIn
from posswitch.base.registry import Registry
from posswitch.engine.events import Hold, RequestArrived
from posswitch.engine.limits import Claim
from posswitch.engine.state import State
from posswitch.scheme.kinds import Kind

STANDIN = Limit("stand-in")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def standin_claims(request: RequestArrived, row: StandIn, day: str) -> tuple[Claim, ...]:
    """What a payment takes of what its bank allows in a day: to its card, and to all of them."""
    key, amount = f"standin:{row.id}", request.amount_minor
    return (
        Claim(STANDIN, "card", f"{key}:{request.pan_print.hex()}", (day,), amount, row.card_day_minor),
        Claim(STANDIN, "bank", key, (day,), amount, row.day_minor),
    )


def stands_in(
    kind: Kind,
    request: RequestArrived,
    used: tuple[tuple[Claim, int, int], ...],
    state: State,
    registry: Registry,
) -> tuple[Hold, ...]:
    """What is held when the centre approves it, or nothing when it may not."""
    row = registry.standins.get(request.bank)
    if row is None or kind.name not in row.kinds or request.amount_minor > row.single_minor:
        return ()
    if (request.has_pin and not row.pins) or request.declared or not used:
        return ()
    if state.forwarded.get(request.bank, 0):  # of some card nobody knows the outcome yet: soon everybody will
        return ()
    lane = state.lanes.get(request.bank)
    if lane is not None and lane.has(request.pan_print):
        return ()
    if any(claim.cap is not None and has + claim.takes > claim.cap for claim, has, _ in used):
        return ()
    return tuple(Hold(claim.key, claim.windows[0], claim.takes) for claim, _, _ in used)


def auth_code(payment: int) -> str:
    """Field 38 that the centre gives: six letters and digits of the payment's number."""
    digits = ""
    for _ in range(6):
        payment, digit = divmod(payment, 36)
        digits = _DIGITS[digit] + digits
    return digits
