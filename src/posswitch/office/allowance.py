"""What a card may still do here: every limit that would apply to its next payment, and what is left of it."""

from typing import NamedTuple

import msgspec

from posswitch.base.amount import CNY
from posswitch.base.moment import business_day, stamp
from posswitch.base.policy import Limit
from posswitch.engine.events import RequestArrived
from posswitch.engine.guard import card
from posswitch.engine.limits import Claim, cap_of, claims, fits, judged, outright, over
from posswitch.journal.traffic import counters_of
from posswitch.office.desk import Desk
from posswitch.office.limit_words import hours_text
from posswitch.office.supposed import card_text
from posswitch.scheme.kinds import Kind

_COUNTS = ("day#", "month#", "burst#")


class Allowance(msgspec.Struct, frozen=True):
    """One cap of one limit: what may be used, what is, what is left, and the DE39 beyond it.

    `counter` is what is counted and since when, empty of what is without one; `of` whose it is. Amounts are
    minor units where `what` is no count. `trial`: it would only be noted.
    """

    limit: str
    of: str
    what: str  # single, hours, day, day#, month, month#, burst#, refunds
    counter: str
    cap: int
    used: int
    left: int
    code: str
    says: str  # to the cashier
    trial: bool


class Allowances(NamedTuple):
    """Of one card at one place: its caps, and what its next payment may be."""

    card: str  # masked
    kind: str
    terminal: str
    merchant: str
    currency: str
    allowances: list[Allowance]
    unknown: list[str]  # limits of a terminal or merchant that was not given
    most_minor: int | None  # of one payment now; None = nothing limits it
    code: str  # the DE39 of any payment now, empty = one can be let through
    wrong: str  # why the card itself is refused with it, whatever the limits leave


def allowances(desk: Desk, kind: Kind, request: RequestArrived) -> Allowances:
    """What the counters of the journal leave, read at one moment; also beside a running node."""
    config, now_ns = desk.config, desk.now_ns()
    day = max(desk.state.day if desk.state else "", business_day(now_ns, config.cutover_s))
    unknown = [row.id for row in desk.registry.limits.values() if not _is_placed(row, request)]
    rows = {name: row for name, row in desk.registry.limits.items() if name not in unknown}
    request = msgspec.structs.replace(request, kind=kind.name, amount_minor=1)
    claimed = claims(kind, request, config.limits, rows, day, now_ns)
    names = [(one.key, window) for one in claimed for window in one.windows]
    names += [(one.base_key, one.windows[0]) for one in claimed if one.base_key]
    holds = counters_of(config.data, names)
    used = tuple(
        (
            one,
            sum(holds[one.key, window] for window in one.windows),
            holds.get((one.base_key, one.windows[0]), 0),
        )
        for one in claimed
    )
    found = [
        one for row in rows.values() if fits(row, kind, request) for one in _outright(row, request, now_ns)
    ]
    found += [one for claim, has, base in used if (one := _counted(claim, has, base)) is not None]
    wrong = card(kind, request, stamp(now_ns))
    refusal = wrong or judged(kind, request, used, rows, now_ns)[0]
    money = [one.left for one in found if one.what not in (*_COUNTS, "hours") and not one.trial]
    return Allowances(
        card_text(request), kind.name, request.terminal, request.merchant, request.currency or CNY, found,
        unknown, 0 if refusal else min(money, default=None), refusal[0] if refusal else "",
        wrong[1] if wrong else "",
    )  # fmt: skip


def _is_placed(row: Limit, request: RequestArrived) -> bool:
    return (row.of != "terminal" or bool(request.terminal)) and (
        row.of != "merchant" or bool(request.merchant)
    )


def _outright(row: Limit, request: RequestArrived, now_ns: int) -> list[Allowance]:
    """The caps of a limit that have no counter."""
    found, now, cap = [], stamp(now_ns), row.single_minor
    if cap:
        beyond = outright(row, msgspec.structs.replace(request, amount_minor=cap + 1), now)
        assert beyond is not None
        found.append(Allowance(row.id, row.of, "single", "", cap, 0, cap, beyond[0], beyond[2], row.trial))
    if row.hours:
        shut = outright(row, msgspec.structs.replace(request, amount_minor=0), now)
        code, says = (shut[0], shut[2]) if shut else ("", "")
        found.append(
            Allowance(row.id, row.of, "hours", hours_text(row.hours), 0, 0, 0, code, says, row.trial)
        )
    return found


def _counted(claim: Claim, has: int, base: int) -> Allowance | None:
    """A cap with a counter; None where it only counts."""
    cap, row = cap_of(claim, base), claim.limit
    if cap is None:
        return None
    code, _, says = over(claim, has, cap)
    since = f"{row.burst_seconds} s" if claim.what == "burst#" else claim.windows[0]
    counter = f"{row.id}:{claim.what} {since}"  # without whose it is: the print of a card is for nobody
    left = max(cap - has, 0)
    return Allowance(row.id, row.of, claim.what, counter, cap, has, left, code, says, row.trial)
