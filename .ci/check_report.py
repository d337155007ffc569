"""Judges the report of a demo run: exit 0 when no money was lost and the run was hard enough, else 1."""

# ruff: noqa: T201 - a command's answer is what it prints
import argparse
import json
import sys
from pathlib import Path

SHARE_MIN = 0.01  # of the purchases: a manner or fault seen less often proves nothing
APPROVED_SHARE_MIN = 0.5
MUST_BE_ZERO = ("lost", "duplicated", "unknown")
MUST_OCCUR = ("manners", "line_faults")
KINDS = (
    "sale", "void", "refund", "balance", "preauth", "preauth-void", "completion", "completion-void",
    "completion-notice", "offline-sale",
)  # fmt: skip
DIALECTS = ("pos", "cups", "iso87a", "iso87b")
DIALECT_SHARE_MIN = 0.1


def complaints(report: dict[str, object], kills: int, purchases_min: int) -> list[str]:
    """Everything wrong with a demo report, one line each; empty when the proof holds."""
    purchases = _count(report.get("purchases"))
    found = [f"{name} is {report.get(name)!r}, must be 0" for name in MUST_BE_ZERO if report.get(name) != 0]
    if report.get("verify") != "ok":
        found.append(f"verify is {report.get('verify')!r}, must be 'ok'")
    if purchases < purchases_min:
        found.append(f"purchases is {purchases}, must be at least {purchases_min}")
    if _count(report.get("approved")) < APPROVED_SHARE_MIN * purchases:
        found.append(f"approved is {report.get('approved')!r}, a switch that loses nothing must also sell")
    if report.get("drained") is not True:
        found.append("something was still open at the end")
    found += _kill_complaints(report.get("in_flight_at_kill"), kills)
    for group in MUST_OCCUR:
        found += _share_complaints(group, report.get(group), purchases, SHARE_MIN)
    for group, names, share in (("kinds", KINDS, SHARE_MIN), ("dialects", DIALECTS, DIALECT_SHARE_MIN)):
        had = report.get(group)
        counts = {name: had.get(name) for name in names} if isinstance(had, dict) else None
        found += _share_complaints(group, counts, purchases, share)
    found += _batch_complaints(report.get("batches"))
    return found


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _kill_complaints(in_flight: object, kills: int) -> list[str]:
    if not isinstance(in_flight, list) or len(in_flight) != kills:
        return [f"in_flight_at_kill is {in_flight!r}, must have {kills} entries"]
    return [
        f"kill {number} met {count!r} payments in flight, must be more than 0"
        for number, count in enumerate(in_flight, 1)
        if _count(count) <= 0
    ]


def _batch_complaints(batches: object) -> list[str]:
    """Every terminal's batch must be settled, some of them after an upload, all of them explained."""
    if not isinstance(batches, dict):
        return [f"batches is {batches!r}, must count what became of each"]
    found = (
        [] if batches.get("unexplained") == 0 else [f"batches: {batches.get('unexplained')!r} unexplained"]
    )
    found += [f"batches: none {name}" for name in ("balanced", "uploaded") if _count(batches.get(name)) == 0]
    return found


def _share_complaints(group: str, counts: object, purchases: int, share: float) -> list[str]:
    if not isinstance(counts, dict) or not counts:
        return [f"{group} is {counts!r}, must count at least one kind"]
    least = max(1.0, share * purchases)
    return [
        f"{group}: {name} occurred {count!r} times in {purchases} purchases, must be at least {share:.0%}"
        for name, count in counts.items()
        if _count(count) < least
    ]


def main() -> int:
    """Reads the report named on the command line; prints its figures and every complaint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--purchases-min", type=int, required=True)
    asked = parser.parse_args()
    report = json.loads(asked.report.read_text(encoding="utf-8"))
    print(json.dumps(report, ensure_ascii=False, sort_keys=True))
    found = complaints(report, asked.kills, asked.purchases_min)
    for line in found:
        print(f"check_report: {line}", file=sys.stderr)
    print("check_report: " + ("FAILED" if found else "ok"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
