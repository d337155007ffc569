"""Limits: what a payment claims of each counter, and the first claim that does not fit.

A claim that fits becomes a hold in the same verdict, and is given back with the others. Counters of bursts
are slices of their span: five of them cover it wherever it begins, so no edge lets more through.
"""

from collections.abc import Iterator
from typing import NamedTuple

from posswitch.base.amount import CNY
from posswitch.base.moment import NS_PER_S, Stamp, stamp
from posswitch.base.policy import ALL, CARD, Limit, within
from posswitch.base.registry import Limits, Registry
from posswitch.engine.events import Hold, RequestArrived
from posswitch.scheme.kinds import REFUND, Kind

BURST_SLICES = 4
CARD_DAY = Limit("card-day")  # the one of `[limits]`; its counter is the card's own
_CARD_DAY_NAME = "card's limit of the day"

Refusal = tuple[str, ...]  # DE39, why, and perhaps a sentence for the cashier

# Whose limit it is, for the cashier.
_WHOSE = {
    "card": "此卡", "terminal": "本终端", "merchant": "本商户", "bin": "此类卡", "bank": "该行卡",
    "all": "交换中心",
}  # fmt: skip


class Claim(NamedTuple):
    """What a payment takes of a counter, and what may be taken at most (None = only counted).

    `windows` are those that `used` is the sum of; the first is where the claim is held. `base_key`: of a
    share, the counter that it is a share of.
    """

    limit: Limit
    what: str
    key: str
    windows: tuple[str, ...]
    takes: int
    cap: int | None
    base_key: str = ""


def card_key(request: RequestArrived) -> str:
    """The counter of the request's card."""
    return f"card:{request.pan_print.hex()}"


def claims(
    kind: Kind, request: RequestArrived, rules: Limits, rows: dict[str, Limit], day: str, at_ns: int
) -> tuple[Claim, ...]:
    """Everything that counters say about a request; a terminal's own card number is in it."""
    found: tuple[Claim, ...] = ()
    if kind.limited:
        found = (
            Claim(CARD_DAY, "day", card_key(request), (day,), request.amount_minor, rules.card_daily_minor),
        )
    if rows:
        for row in rows.values():
            if fits(row, kind, request):
                found += tuple(_claims_of(row, kind, request, day, at_ns))
    return found


def unused(
    kind: Kind, request: RequestArrived, rules: Limits, rows: dict[str, Limit], day: str, at_ns: int
) -> tuple[tuple[Claim, int, int], ...]:
    """The claims where no counter is known to hold anything."""
    return tuple((claim, 0, 0) for claim in claims(kind, request, rules, rows, day, at_ns))


def fits(row: Limit, kind: Kind, request: RequestArrived) -> bool:
    """Whether a limit is about a request."""
    if row.currency != (request.currency or CNY):
        return False
    if row.kinds:
        about = kind.name in row.kinds
    else:
        about = kind.limited or (bool(row.refund_percent) and kind is REFUND)
    return about and (not row.only or _named(row, request).startswith(row.only))


def _named(row: Limit, request: RequestArrived) -> str:
    """What `only` is about."""
    return request.bin if row.of == CARD else counted_by(row.of, request)


def counted_by(scope: str, request: RequestArrived) -> str:
    """Which one of its scope a request belongs to."""
    match scope:
        case "card":
            return request.pan_print.hex()
        case "terminal":
            return request.terminal
        case "merchant":
            return request.merchant
        case "bin":
            return request.bin
        case "bank":
            return request.bank
    return ALL


def _claims_of(row: Limit, kind: Kind, request: RequestArrived, day: str, at_ns: int) -> Iterator[Claim]:
    whose, amount = counted_by(row.of, request), request.amount_minor

    def key(what: str) -> str:
        return f"limit:{row.id}:{what}:{whose}"

    if row.refund_percent:
        if kind is REFUND:
            yield Claim(row, "refunds", key("refunds"), (day,), amount, row.refund_percent, key("sales"))
        elif kind.limited:
            yield Claim(row, "sales", key("sales"), (day,), amount, None)
        if not row.kinds and kind is REFUND:
            return  # its other caps are about what takes money from a card
    month = day[:6]
    if row.day_minor:
        yield Claim(row, "day", key("day"), (day,), amount, row.day_minor)
    if row.day_count:
        yield Claim(row, "day#", key("day#"), (day,), 1, row.day_count)
    if row.month_minor:
        yield Claim(row, "month", key("month"), (month,), amount, row.month_minor)
    if row.month_count:
        yield Claim(row, "month#", key("month#"), (month,), 1, row.month_count)
    if row.burst_count:
        slice_ = at_ns * BURST_SLICES // (row.burst_seconds * NS_PER_S)
        windows = tuple(f"{slice_ - back}" for back in range(BURST_SLICES + 1))
        yield Claim(row, "burst#", key("burst#"), windows, 1, row.burst_count)


def judged(
    kind: Kind,
    request: RequestArrived,
    used: tuple[tuple[Claim, int, int], ...],
    rows: dict[str, Limit],
    at_ns: int,
) -> tuple[Refusal | None, tuple[Hold, ...], str]:
    """The first limit that refuses, or what is held; and what limits on trial would have said.

    `used`: each claim with what its counter holds, and what the counter holds that it is a share of.
    """
    holds: list[Hold] = []
    would: dict[str, str] = {}
    refusal: Refusal | None = None
    now = stamp(at_ns)
    if rows:
        for row in rows.values():
            if fits(row, kind, request) and (why := outright(row, request, now)):
                if not row.trial:
                    return why, (), ""
                would[row.id] = why[1]
    for claim, has, base in used:
        cap = cap_of(claim, base)
        if cap is not None and has + claim.takes > cap:
            why = over(claim, has, cap)
            if not claim.limit.trial:
                refusal = refusal or why
                continue
            would.setdefault(claim.limit.id, why[1])
            continue
        holds.append(Hold(claim.key, claim.windows[0], claim.takes))
    if refusal:
        return refusal, (), ""
    return None, tuple(holds), "; ".join(f"on trial, {why}" for why in would.values())


def limit_named(why: str) -> str:
    """The id of the limit that a refusal names, empty when something else refused."""
    name = why.partition(":")[0]
    return CARD_DAY.id if name == _CARD_DAY_NAME else name.removeprefix("limit ") * name.startswith("limit ")


def cap_of(claim: Claim, base: int) -> int | None:
    """What a counter may hold at most, `base` being what the one holds that it is a share of."""
    return base * claim.cap // 100 if claim.base_key and claim.cap is not None else claim.cap


def outright(row: Limit, request: RequestArrived, now: Stamp) -> Refusal | None:
    """What a limit refuses without a counter."""
    if row.single_minor and request.amount_minor > row.single_minor:
        return (
            row.code or "61",
            f"limit {row.id}: {yuan(request.amount_minor)} is more than {yuan(row.single_minor)} at once",
            f"单笔最高{yuan(row.single_minor)}元",
        )
    if not within(row.hours, now.time):
        hours = f"{row.hours[:2]}:{row.hours[2:4]}-{row.hours[5:7]}:{row.hours[7:]}"
        code = row.code or ("58" if row.of in ("terminal", "merchant") else "57")
        return code, f"limit {row.id}: only {hours}", f"{_WHOSE[row.of]}可用时间{hours}"
    return None


def over(claim: Claim, has: int, cap: int) -> Refusal:
    """What a counter refuses, with what is left."""
    row, whose = claim.limit, _WHOSE[claim.limit.of]
    name = _CARD_DAY_NAME if row is CARD_DAY else f"limit {row.id}"
    left = max(cap - has, 0)
    when, zh = ("this month", "本月") if claim.what.startswith("month") else ("today", "今日")
    if claim.what == "refunds":
        why = f"{name}: refunds of {yuan(has)} of {yuan(cap)} today"
        return row.code or "61", why, f"{whose}今日最多还可退{yuan(left)}元"
    if claim.what == "burst#":
        minutes = -(-row.burst_seconds // 60)
        why = f"{name}: {has} of {cap} in {row.burst_seconds} s"
        return row.code or "65", why, f"{whose}交易过于频繁，{minutes}分钟后再试"
    if claim.what.endswith("#"):
        return row.code or "65", f"{name}: {has} of {cap} {when}", f"{whose}{zh}{cap}次已用完"
    why = f"{name}: {yuan(has)} of {yuan(cap)} {when}"
    return row.code or "61", why, f"{whose}{zh}还可用{yuan(left)}元"


def caps(rules: Limits, registry: Registry) -> dict[str, int]:
    """What each counter may hold at most, by how its name begins."""
    found = {"card:": rules.card_daily_minor}
    for row in registry.limits.values():
        named = {
            "day": row.day_minor, "day#": row.day_count, "month": row.month_minor,
            "month#": row.month_count, "burst#": row.burst_count,
        }  # fmt: skip
        found |= {f"limit:{row.id}:{what}:": cap for what, cap in named.items() if cap}
    for bank in registry.standins.values():
        found |= {f"standin:{bank.id}": bank.day_minor, f"standin:{bank.id}:": bank.card_day_minor}
    return found


def yuan(minor: int) -> str:
    """An amount as people read it."""
    return f"{minor // 100}.{minor % 100:02d}"
