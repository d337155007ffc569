"""What a window of an open loop came to: speed, waits, refusals, from its payments alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.scheme.kinds import SALE
from posswitch.sim.crowd import BUSY, Payment, Window

RAMP_NS = NS_PER_S // 2  # of a window, in which queues fill or empty, is not counted


def approved_tps(window: Window, patience_ns: int) -> float:
    """Payments a second whose 00 came in the window, after its ramp, and in time for the terminal.

    Advices count like sales: they take as much of the node, and while it is short of time they go first.
    """
    begins_ns = window.began_ns + min(RAMP_NS, (window.ended_ns - window.began_ns) // 4)
    good = sum(
        one.code == "00"
        and begins_ns <= one.heard_ns < window.ended_ns
        and one.heard_ns - one.due_ns <= patience_ns
        for one in window.payments
    )
    return good * NS_PER_S / (window.ended_ns - begins_ns)


def sales(window: Window) -> list[Payment]:
    """The sales alone."""
    return [one for one in window.payments if one.kind is SALE]


def offered_tps(window: Window) -> float:
    """Payments a second that left."""
    return len(window.payments) * NS_PER_S / (window.ended_ns - window.began_ns)


def codes(payments: Iterable[Payment]) -> dict[str, int]:
    """How often each DE39 came; `none` for no answer in time."""
    return dict(sorted(Counter(one.code or "none" for one in payments).items()))


def share(payments: Sequence[Payment], *wanted: str) -> float:
    """The share that was answered; with `wanted` that had one of these codes. 1.0 of nothing."""
    if not payments:
        return 1.0
    good = sum(one.code in wanted if wanted else bool(one.code) for one in payments)
    return good / len(payments)


def wait_ms(payments: Iterable[Payment], percent: float, code: str = "00") -> float:
    """A percentile of what payments with this code waited, from the moment they had to leave."""
    waits = sorted(one.heard_ns - one.due_ns for one in payments if one.code == code)
    return round(waits[int((len(waits) - 1) * percent / 100)] / NS_PER_MS, 2) if waits else 0.0


def lag_ms(payments: Iterable[Payment]) -> float:
    """How late a load left at worst (99 % of it left sooner): a generator that cannot keep up."""
    lags = sorted(one.left_ns - one.due_ns for one in payments if one.kind is SALE)
    return round(lags[(len(lags) - 1) * 99 // 100] / NS_PER_MS, 2) if lags else 0.0


def told(window: Window, patience_ns: int) -> dict[str, Any]:
    """One window in figures."""
    these = sales(window)
    return {
        "offered_tps": round(offered_tps(window), 1),
        "approved_tps": round(approved_tps(window, patience_ns), 1),
        "p50_ms": wait_ms(these, 50),
        "p99_ms": wait_ms(these, 99),
        "refused_p99_ms": wait_ms(these, 99, BUSY),
        "codes": codes(these),
        "lag_p99_ms": lag_ms(these),
    }
