"""The story of one world for a person: what broke when, and what became of the payments in question."""

from collections.abc import Iterator, Mapping
from typing import Any

from posswitch.base.amount import amount_text
from posswitch.base.card import mask_pan
from posswitch.base.moment import NS_PER_S
from posswitch.sim.report import DUPLICATED, LOST, UNKNOWN, joined, outcome
from posswitch.sim.world.world import World

Row = Mapping[str, Any]
_WRONG = frozenset({LOST, DUPLICATED, UNKNOWN})


def story(world: World, violations: list[str]) -> Iterator[str]:
    """Every line in order of true time; with violations only the payments that they are about."""
    yield f"seed {world.seed}, {world.requests} payments"
    yield f"drawn: {world.mix}"
    ledgers, slips = world.pages("ledger"), world.pages("slips")
    traces = joined(ledgers, slips)
    wrong = {key for key, trace in traces.items() if outcome(trace) in _WRONG}
    told = [(at_ns, what) for at_ns, what in world.notes]
    told += [(row["at_ns"], _bank(row)) for row in ledgers if not violations or _key(row, "payment") in wrong]
    told += [(row["at_ns"], _slip(row)) for row in slips if not violations or _key(row, "kind") in wrong]
    for at_ns, what in sorted(told, key=lambda line: line[0]):
        yield f"{(at_ns - world.begin_ns) / NS_PER_S:10.4f}  {what}"
    yield f"{(world.wall_ns() - world.begin_ns) / NS_PER_S:10.4f}  the end: {len(violations)} violations"
    yield from (f"            {what}" for what in violations)


def _key(row: Row, kind: str) -> tuple[str, str, int, str]:
    return row["pan"], row["terminal"], row["amount"], row[kind]


def _bank(row: Row) -> str:
    effect = {"post": "posts", "reverse": "takes back", "none": "leaves as it is"}[row["kind"]]
    said = f"answers {row['code']}" if row["answered"] else "stays silent"
    return (
        f"bank      {row['mti']} {row['payment']} {amount_text(row['amount'])} {mask_pan(row['pan'])} of "
        f"{row['terminal']}: {effect}, {said} ({row['manner']})"
    )


def _slip(row: Row) -> str:
    return (
        f"terminal  {row['terminal']} {row['stan']:06d} {row['kind']} {amount_text(row['amount'])} "
        f"{mask_pan(row['pan'])}: {row['outcome']} {row['code']}"
    )
