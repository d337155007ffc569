"""Planted: a payment of unknown outcome counts as reversed and its bank is never told."""

import msgspec
from planting import run_with


def bug(decision, state, event):
    verdict = decision.verdict
    if verdict is None or not verdict.reversing:
        return decision
    skipped = msgspec.structs.replace(verdict, state="reversed", reversing=(), reopened=None)
    return msgspec.structs.replace(decision, verdict=skipped)


run_with(bug)
