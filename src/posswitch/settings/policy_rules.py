"""What must hold in limits, routes, pauses and stand-in."""

from collections.abc import Iterator

from posswitch.base.card import BIN_DIGITS_MAX, scrub
from posswitch.base.codes import APPROVALS, CODES
from posswitch.base.moment import of_iso
from posswitch.base.policy import ALL, CHOICES, COST, SCOPES, SPLIT
from posswitch.base.registry import prefixes_of
from posswitch.engine.limits import CARD_DAY
from posswitch.scheme.kinds import ASKED_KINDS
from posswitch.settings.draft import Draft
from posswitch.settings.finding import WARNING, Fault, shown
from posswitch.settings.shape import Row, did_you_mean

_CAPS = (
    "single_minor", "day_minor", "day_count", "month_minor", "month_count", "burst_count", "hours",
    "refund_percent",
)  # fmt: skip
_OF_SHOPS = ("terminal", "merchant")
_SHOWN = {"limit": ("id", "only"), "route": ("id",), "pause": ("reason",)}


def limits_limit(draft: Draft) -> Iterator[Fault]:
    """A limit counts by something that there is, and has a cap."""
    for row in draft.having("limit", "of", "only", "code", *_CAPS):
        good = row.good
        if good["of"] not in SCOPES:
            yield row.fault(
                "of", f"{shown(good['of'])} is not known", did_you_mean(good["of"], dict.fromkeys(SCOPES))
            )
        if not any(good[cap] for cap in _CAPS):
            yield row.fault("id", "has no cap", f"add one of {', '.join(_CAPS)}, or remove the row")
        if good["of"] == ALL and good["only"]:
            yield row.fault("only", 'names beginnings of what "all" does not count by', "leave it out")
        if good["refund_percent"] and good["of"] not in _OF_SHOPS:
            yield row.fault(
                "refund_percent", f"of {good['of']}: refunds are a share of a shop's sales",
                'write of = "merchant" or of = "terminal"',
            )  # fmt: skip
        if good["code"] and (good["code"] not in CODES or good["code"] in APPROVALS):
            yield row.fault("code", f"{good['code']} refuses nothing that terminals know", "write 61 or 65")
        if good["hours"] and good["hours"][:4] == good["hours"][5:]:
            yield row.fault("hours", "begins and ends at one time", "leave it out, or correct it")
        for small, large in (("single_minor", "day_minor"), ("day_minor", "month_minor")):
            if good[small] > good[large] > 0:
                what = f"{good[small]} is more than {large}, {good[large]}: it never counts"
                yield row.fault(small, what, "lower it, or leave it out")._replace(severity=WARNING)


def standins_are_sales(draft: Draft) -> Iterator[Fault]:
    """Only a sale can be told to a bank afterwards."""
    for row in draft.having("standin", "kinds"):
        for item, kind in enumerate(row.good["kinds"]):
            if kind in ASKED_KINDS and kind != "sale":
                yield row.fault("kinds", f"a {kind} cannot be told to a bank afterwards", "write sale", item)


def routes_lead(draft: Draft) -> Iterator[Fault]:
    """A route chooses in a known way, with a number for each bank where the way needs one."""
    for row in draft.having("route", "to", "choose", "split", "cost", "from_minor", "to_minor", "hours"):
        good = row.good
        if good["choose"] not in CHOICES:
            what = f"{shown(good['choose'])} is not known"
            yield row.fault("choose", what, did_you_mean(good["choose"], dict.fromkeys(CHOICES)))
        for key, choice in (("split", SPLIT), ("cost", COST)):
            if (good["choose"] == choice or good[key]) and len(good[key]) != len(good["to"]):
                what = f"{len(good[key])} numbers for {len(good['to'])} banks"
                yield row.fault(key, what, "write one for each bank of `to`, in the same order")
        if good["choose"] == SPLIT and good["split"] and not any(good["split"]):
            yield row.fault("split", "gives no bank a share", "write shares such as [70, 30]")
        if good["hours"] and good["hours"][:4] == good["hours"][5:]:
            yield row.fault("hours", "begins and ends at one time", "leave it out, or correct it")
        if len(dict.fromkeys(good["to"])) != len(good["to"]):
            yield row.fault("to", "names a bank twice", "name each bank once")
        if 0 < good["to_minor"] < good["from_minor"]:
            yield row.fault("to_minor", "is less than from_minor: no payment fits", "correct one of them")


def policy_banks_known(draft: Draft) -> Iterator[Fault]:
    """Banks that policy names are there."""
    if draft.holes:
        return
    known = draft.written("bank", "id")
    for table, keys in (("route", ("to", "banks")), ("pause", ("id",)), ("standin", ("id",))):
        for key in keys:
            for row in draft.having(table, key):
                for item, bank in _names(row, key):
                    if bank not in known:
                        yield row.fault(key, f"no bank {bank}", "add it, or correct the number", item)


def _names(row: Row, key: str) -> Iterator[tuple[int | None, str]]:
    value = row.good.get(key, "")
    if isinstance(value, list):
        yield from enumerate(value)
    else:
        yield None, value


def pauses_end(draft: Draft) -> Iterator[Fault]:
    """A pause's times are times, in order."""
    for row in draft.having("pause", "begin", "end"):
        times = {}
        for key in ("begin", "end"):
            if row.good[key]:
                try:
                    times[key] = of_iso(row.good[key])
                except (ValueError, OverflowError):
                    yield row.fault(key, f"{shown(row.good[key])} is no time", "write 2026-10-01 02:00")
        if len(times) == 2 and times["end"] <= times["begin"]:
            yield row.fault("end", "is not after begin", "correct one of them")


def no_cards_written(draft: Draft) -> Iterator[Fault]:
    """Nothing that looks like a card number stands where it would be shown and recorded."""
    for table, keys in _SHOWN.items():
        for row in draft.having(table, "id"):
            for key in keys:
                for item, text in _names(row, key):
                    if scrub(text) != text:
                        what = "holds what looks like a card number: it would be shown and recorded"
                        yield row.fault(key, what, "leave the number out", item)


def names_reserved(draft: Draft) -> Iterator[Fault]:
    """The limit of `[limits]` has a name of its own."""
    for row in draft.having("limit", "id"):
        if row.good["id"] == CARD_DAY.id:
            yield row.fault("id", "is the name of the limit of [limits]", "give it another name")


def policy_meets_rows(draft: Draft) -> Iterator[Fault]:
    """Beginnings that meet no row are a slip of the pen: what they are about never happens."""
    if draft.holes:
        return
    sound = not any(True for _ in ranges_run(draft))
    cards = [
        prefix
        for row in draft.having("bin", "prefix")
        if sound or "-" not in row.good["prefix"]
        for prefix in (one[:BIN_DIGITS_MAX] for one in prefixes_of(row.good["prefix"]))
    ]
    known = {
        "card": cards, "bin": cards, "bank": list(draft.written("bank", "id")),
        "merchant": list(draft.written("merchant", "id")), "terminal": list(draft.written("terminal", "id")),
    }  # fmt: skip
    for row in draft.having("limit", "of", "only"):
        yield from _strangers(row, "only", known.get(row.good["of"], []))
    for row in draft.having("route", "bins", "merchants"):
        yield from _strangers(row, "bins", cards)
        yield from _strangers(row, "merchants", known["merchant"])


def _strangers(row: Row, key: str, known: list[str]) -> Iterator[Fault]:
    for item, beginning in enumerate(row.good[key]):
        if not any(one.startswith(beginning) for one in known):
            what = f"{shown(beginning)} is the beginning of no row: it never counts"
            yield row.fault(key, what, "correct it, or add the row", item)._replace(severity=WARNING)


def ranges_run(draft: Draft) -> Iterator[Fault]:
    """A range of prefixes goes up, with as many digits at both ends, and meets no other bank's."""
    first: dict[tuple[int, str], Row] = {}
    for row in draft.having("bin", "prefix", "pan_digits", "bank"):
        low, _, high = row.good["prefix"].partition("-")
        if high and (len(low) != len(high) or high < low):
            yield row.fault("prefix", "is no range", "write both ends with as many digits, as 6229-6231")
            continue
        for prefix in prefixes_of(row.good["prefix"]):
            before = first.setdefault((row.good["pan_digits"], prefix), row)
            ranges = "-" in row.good["prefix"] or "-" in before.good["prefix"]
            if before is not row and ranges and before.good["prefix"] != row.good["prefix"]:
                what = f"{prefix} belongs to {before.name()} too"
                yield row.fault("prefix", what, "let each card belong to one row")
                break
