"""Counts what really happened, from the banks' ledgers and the terminals' slips alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from posswitch.engine.state import CLOSED
from posswitch.journal.batches import BatchView
from posswitch.scheme.kinds import BALANCE, OFFLINE_SALE, SALE
from posswitch.sim.peers.book import read_book

APPROVED, DECLINED, REVERSED, UNKNOWN, LOST, DUPLICATED = OUTCOMES = (
    "approved", "declined", "reversed", "unknown", "lost", "duplicated",
)  # fmt: skip
_REQUESTS, _ADVICES, _REVERSALS = ("0100", "0200"), ("0220", "0221"), ("0420", "0421")
_PAID = frozenset({*_REQUESTS, _ADVICES[0]})  # as first sent
_BALANCED = "11"
_NO_MONEY = frozenset({BALANCE.name, "unknown"})  # inquiries, and reversals of what never came

Key = tuple[str, str, int, str]  # PAN, field 41, amount: unique per simulated payment of a kind
Entry = Mapping[str, Any]


class Trace(msgspec.Struct):
    """What the books say about one payment."""

    postings: int = 0
    reversals: int = 0
    slips: list[str] = []


def count(books: Path) -> dict[str, Any]:
    """Every payment of the books in a folder under one of six outcomes, with speed and kinds."""
    ledgers = [entry for path in sorted(books.glob("ledger-*.jsonl")) for entry in read_book(path)]
    slips = [entry for path in sorted(books.glob("slips-*.jsonl")) for entry in read_book(path)]
    outcomes = Counter(outcome(trace) for trace in joined(ledgers, slips).values())
    waits_ms = sorted(slip["latency_ms"] for slip in slips if slip["outcome"] in (APPROVED, DECLINED))
    return {
        "purchases": outcomes.total(),
        **{name: outcomes[name] for name in OUTCOMES},
        "tps": round(_rate(slips), 1),
        "p50_ms": _percentile(waits_ms, 50),
        "p99_ms": _percentile(waits_ms, 99),
        "dialects": _tally([*slips, *(entry for entry in ledgers if entry["mti"] in _PAID)], "dialect"),
        "kinds": _tally(slips, "kind"),
        "manners": _tally((entry for entry in ledgers if entry["mti"] in _REQUESTS), "manner"),
        "advice_manners": _tally((entry for entry in ledgers if entry["mti"] in _ADVICES), "manner"),
        "reversal_manners": _tally((entry for entry in ledgers if entry["mti"] in _REVERSALS), "manner"),
    }


def outcome(trace: Trace) -> str:
    """The one outcome of a payment; money is looked at before words.

    `lost` = approved at the terminal without a standing posting, or a standing posting without approval;
    `reversed` = neither approved nor declined at the terminal and nothing stands at the bank.
    """
    if trace.postings > 1:
        return DUPLICATED
    stands = trace.postings - trace.reversals
    slip = trace.slips[0] if len(trace.slips) == 1 else ""
    if stands != (slip == APPROVED):
        return LOST
    return {APPROVED: APPROVED, DECLINED: DECLINED, "neither": REVERSED}.get(slip, UNKNOWN)


def explained(
    settled: Iterable[Entry], centre: Iterable[BatchView], *, vanishing: bool = False
) -> dict[str, int]:
    """Every batch that a terminal settled: balanced, or uploaded and explained to the last payment.

    A terminal knows what it had lost; the centre must name just that, with the amount, and nothing else. With
    terminals that vanish, totals may count an approval that is taken back before the upload has ended.
    """
    views = {(view.terminal, view.batch): view for view in centre}
    found = Counter[str]()
    for batch in settled:
        view = views.get((batch["terminal"], batch["batch"]))
        lost = {(batch["lost_stan"], batch["lost_amount"])} if batch["lost_stan"] else set()
        named = {(one.stan, one.ours_minor) for one in view.differences} if view else set()
        theirs = [one for one in view.differences if one.theirs_minor is not None] if view else []
        balanced = batch["flags"] == _BALANCED
        right = view is not None and view.phase == CLOSED and named == lost and not theirs
        found["settled"] += 1
        found["balanced" if balanced else "uploaded"] += 1
        wrong = bool(lost) if balanced else not (lost or vanishing)
        found["unexplained"] += not right or wrong
    return {name: found[name] for name in ("settled", "balanced", "uploaded", "unexplained")}


def joined(ledgers: Iterable[Entry], slips: Iterable[Entry]) -> dict[Key, Trace]:
    """What all books say about each payment that moves money.

    Of a sale that the centre has approved itself the bank knows an advice.
    """
    traces: dict[Key, Trace] = {}
    slips = list(slips)
    sold = frozenset(_slip_key(slip) for slip in slips if slip["kind"] == SALE.name)
    for entry in ledgers:
        if entry["payment"] in _NO_MONEY:
            continue
        key = _key(entry)
        if entry["payment"] == OFFLINE_SALE.name and (*key[:3], SALE.name) in sold:
            key = (*key[:3], SALE.name)
        trace = traces.setdefault(key, Trace())
        trace.postings += entry["kind"] == "post"
        trace.reversals += entry["kind"] == "reverse"
    for slip in slips:
        if slip["kind"] not in _NO_MONEY:
            traces.setdefault(_slip_key(slip), Trace()).slips.append(slip["outcome"])
    return traces


def _key(entry: Entry) -> Key:
    return entry["pan"], entry["terminal"], entry["amount"], entry["payment"]


def _slip_key(slip: Entry) -> Key:
    return slip["pan"], slip["terminal"], slip["amount"], slip["kind"]


def _rate(slips: Iterable[Entry]) -> float:
    """Sales a second, from the first to the last that was sent."""
    sent = [slip["sent_ns"] for slip in slips]
    span_s = (max(sent) - min(sent)) / 1e9 if len(sent) > 1 else 0.0
    return len(sent) / span_s if span_s else 0.0


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[(len(ordered) - 1) * percent // 100] if ordered else 0.0


def _tally(entries: Iterable[Entry], column: str) -> dict[str, int]:
    return dict(sorted(Counter(entry[column] for entry in entries).items()))
