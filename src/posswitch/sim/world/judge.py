"""What must hold when a world has healed: the peers' books against each other, and the journal."""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

import msgspec

from posswitch.base.amount import amount_text
from posswitch.base.card import mask_pan
from posswitch.edge.start import journal_key
from posswitch.journal.batches import read_batches
from posswitch.journal.verify import verify
from posswitch.sim.city import CARD_DAILY_MINOR
from posswitch.sim.report import DUPLICATED, LOST, UNKNOWN, explained, joined, outcome
from posswitch.sim.world.fittings import FOLDER
from posswitch.sim.world.world import World

Row = Mapping[str, Any]
_WRONG = frozenset({LOST, DUPLICATED, UNKNOWN})
_JUDGE = "judge"


def violations(world: World) -> Iterator[str]:
    """Every rule that a finished world has broken, as a line."""
    yield from world.violations
    yield from (f"surprise {surprise}" for surprise in world.loop.surprises)
    ledgers, slips = world.pages("ledger"), world.pages("slips")
    for (pan, terminal, amount_minor, kind), trace in joined(ledgers, slips).items():
        found = outcome(trace)
        if found in _WRONG:
            yield (
                f"{found}: {kind} of {amount_text(amount_minor)}, card {mask_pan(pan)}, terminal {terminal}: "
                f"posted {trace.postings}, reversed {trace.reversals}, slips {trace.slips}"
            )
    yield from _unbacked(ledgers, slips)
    if not any(
        bank.counts["duplicate"] for bank in world.streets.banks
    ):  # one that is asked twice answers well
        yield from _believed(ledgers, slips)
    world.disk.life = _JUDGE
    config = world.config
    yield from verify(FOLDER, journal_key(world.hsm), config.node, world.disk, CARD_DAILY_MINOR)
    unexplained = explained(world.pages("batches"), read_batches(FOLDER, disk=world.disk))["unexplained"]
    if unexplained:
        yield f"{unexplained} batches are neither balanced nor explained"


def _unbacked(ledgers: Iterable[Row], slips: Iterable[Row]) -> Iterator[str]:
    """No terminal may believe an approval before a bank has given it."""
    first: dict[tuple[str, str, int, str], int] = {}
    for row in ledgers:
        if row["kind"] == "post":
            first.setdefault((row["pan"], row["terminal"], row["amount"], row["payment"]), row["at_ns"])
    for slip in slips:
        if slip["outcome"] != "approved" or slip["kind"] not in _REQUESTS:
            continue
        at_ns = first.get((slip["pan"], slip["terminal"], slip["amount"], slip["kind"]))
        if at_ns is None or at_ns > slip["at_ns"]:
            yield f"terminal {slip['terminal']} was told 00 for {slip['stan']} before its bank had said so"


def _believed(ledgers: Iterable[Row], slips: Iterable[Row]) -> Iterator[str]:
    """No approval may rest on an answer that was damaged, forged, too late, or never given."""
    manners = {
        (row["pan"], row["terminal"], row["amount"], row["payment"]): row["manner"]
        for row in ledgers
        if row["kind"] == "post"
    }
    for slip in slips:
        if slip["outcome"] == "approved" and slip["kind"] in _REQUESTS:
            manner = manners.get((slip["pan"], slip["terminal"], slip["amount"], slip["kind"]), "")
            if manner in _UNBELIEVABLE:
                yield f"terminal {slip['terminal']} was told 00 for {slip['stan']}, bank's answer: {manner}"


_UNBELIEVABLE = frozenset({"silent", "garbage", "wrong_field", "bad_mac", "late"})
_REQUESTS = frozenset({"sale", "void", "preauth", "preauth-void", "completion", "completion-void"})


def digest(world: World) -> str:
    """The same for the same world, whoever runs it: every book and every record."""
    said = sha256()
    encode = msgspec.json.encode
    for name in sorted(world.books):
        for row in world.books[name].rows:
            said.update(encode(row))
    for name in sorted(world.disk.files):
        said.update(world.disk.files[name].data)
    said.update(encode([world.loop.ns, world.loop.steps, sorted(world.counts.items())]))
    return said.hexdigest()
