"""capacity: what is short now, how much is left, and in how many days it is full at this growth."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import typer

from posswitch.base.moment import clock_text
from posswitch.cli import capacity_words as words
from posswitch.cli.columns import padded, places
from posswitch.cli.options import AsJson, ConfigFile, Lang, OrLang
from posswitch.office.capacity import Report, Resource
from posswitch.office.capacity import capacity as look
from posswitch.office.growth import DAYS_MIN
from posswitch.office.shortage import Shortage
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config

_SHOWN_OF_BANKS = 5  # of each kind, the fullest; --json has them all
_OF_BANKS = ("bank", "lane", "link")
_SCALE = ("B", "KiB", "MiB", "GiB", "TiB")


def capacity(config: ConfigFile, as_json: AsJson = False, lang: OrLang = None) -> None:
    """Say which resource is short, how much of each is left, when it is full: exit 1 when that is near."""
    report = look(load_config(config, serve=False).data, SystemClock().wall_ns())
    if as_json:
        print(json.dumps(_document(report), ensure_ascii=False))
    else:
        sides = [side for side in (0, 1) if lang in (None, list(Lang)[side])]
        print("\n\n".join("\n".join(_said(report, side)) for side in sides))
    raise typer.Exit(0 if report.fine else 1)


def _document(report: Report) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(report)
    for side, tongue in enumerate(Lang):
        plain[f"short_{tongue}"] = _sentence(report.short, side)
        plain[f"rung_{tongue}"] = words.RUNGS[report.rung][side]
    return plain | {"at": clock_text(report.at_ns), "ok": report.fine}


def _said(report: Report, side: int) -> Iterator[str]:
    for one in report.shortages or [report.short]:
        yield _sentence(one, side)
    if not report.running:
        yield words.HEAD["away"][side]
    else:
        yield ("；", "; ")[side].join(_of_load(report, side))
    yield ("；", "; ")[side].join(_of_journal(report, side))
    yield ""
    yield from _table(report, side)
    yield ""
    for key in dict.fromkeys(one.assumes for one in _shown(report)):
        yield f"[{key}] {words.ASSUMES[key][side].format(min=DAYS_MIN)}"


def _sentence(short: Shortage, side: int) -> str:
    """The resource, what was seen, what to do."""
    told, filled = words.RULES[short.rule], _figures(short, side)
    name = words.RESOURCES[short.resource][side].format(of=short.of)
    what, todo = told.what[side].format_map(filled), told.todo[side].format_map(filled)
    return words.HEAD["short"][side].format(name=name, what=what[:1].upper() + what[1:], todo=todo)


def _figures(short: Shortage, side: int) -> dict[str, str]:
    """Everything that {…} of a rule may stand for."""
    filled = {"of": short.of}
    for name, value in short.figures.items():
        filled[f"count_{name}"] = filled[name] = f"{value:,.0f}"
        filled[f"{name}_share"] = f"{value:.0%}"
        if name.endswith("_bytes"):
            filled[name.removesuffix("_bytes")] = _bytes(value)
        if name.endswith("_us"):
            filled[f"{name.removesuffix('_us').removesuffix('_mean')}_ms"] = f"{value / 1000:,.1f}"
    if "age_s" in short.figures:
        filled["age"] = f"{short.figures['age_s'] / 3600:,.1f} h"
    if "rung" in short.figures:
        filled["rung"] = words.RUNGS[int(short.figures["rung"])][side]
    return filled


def _of_load(report: Report, side: int) -> Iterator[str]:
    yield words.HEAD["load"][side].format(per_s=f"{report.payments_per_s:,.1f}")
    if report.peak_per_s is not None and report.loads_per_s is not None:
        least, most = (f"{load:,.0f}" for load in report.loads_per_s)
        yield words.HEAD["peak"][side].format(
            peak=f"{report.peak_per_s:,.0f}", us=f"{report.cpu_payment_us:,.0f}", least=least, most=most
        )
    said, wait = words.RUNGS[report.rung][side], f"{report.wait_ms:,.1f}"
    yield words.HEAD["rung"][side].format(rung=report.rung, said=said, wait=wait)


def _of_journal(report: Report, side: int) -> Iterator[str]:
    head = words.HEAD
    if report.payments_a_day is not None:
        yield head["days"][side].format(level=f"{report.payments_a_day:,.0f}")
    if report.growth_a_day is None:
        yield head["few"][side].format(days=report.whole_days)
    else:
        yield head["growth"][side].format(slope=f"{report.growth_a_day:+,.1f}", days=report.whole_days)
    if report.peak_payments:
        at = clock_text(report.peak_ns)[:16]
        yield head["minute"][side].format(at=at, count=f"{report.peak_payments:,}")
    if report.bytes_a_record is not None and report.records_a_payment is not None:
        each, records = f"{report.bytes_a_record:,.0f}", f"{report.records_a_payment:.1f}"
        yield head["record"][side].format(each=each, records=records)


# The table


def _shown(report: Report) -> list[Resource]:
    """What people see: of the banks only the fullest, and lanes and links only where something is in them."""
    ranked = sorted(report.resources, key=lambda one: -one.share)
    of_banks = {kind: [one for one in ranked if one.name == kind] for kind in _OF_BANKS}
    kept = [one for kind in of_banks.values() for one in kind[:_SHOWN_OF_BANKS]]
    return [
        one
        for one in report.resources
        if one.name not in _OF_BANKS or (one in kept and (one.used or one.name == "bank"))
    ]


def _table(report: Report, side: int) -> Iterator[str]:
    rows = [words.HEAD["columns"][side].split("|"), *(_cells(one, side) for one in _shown(report))]
    widths = [max(map(places, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        cells = [padded(*first), *(" " * (width - places(text)) + text for text, width in others)]
        yield "  ".join(cells).rstrip()


def _cells(one: Resource, side: int) -> list[str]:
    none = words.UNITS["none"][side]
    left = none if one.left is None else _amount(one.left, one.left_unit, side)
    days = none if one.days is None else f"{one.days:,.0f} {words.UNITS['day'][side]}"
    return [
        words.RESOURCES[one.name][side].format(of=one.of),
        _amount(one.used, one.unit, side),
        _amount(one.limit, one.unit, side),
        f"{one.share:.0%}",
        f"{one.most:.0%}",
        left,
        f"{days} [{one.assumes}]",
    ]


def _amount(value: float, unit: str, side: int) -> str:
    if unit == "bytes":
        return _bytes(value)
    if unit == "count":
        return f"{value:,.0f}"
    return f"{value:,.{2 if unit == 'core' else 0}f} {words.UNITS[unit][side]}"


def _bytes(value: float) -> str:
    step = 0
    while value >= 1024 and step < len(_SCALE) - 1:
        value, step = value / 1024, step + 1
    return f"{value:,.1f} {_SCALE[step]}"
