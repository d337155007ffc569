"""What must hold when a world has healed: the peers' books against each other, and the journal."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from hashlib import sha256
from random import Random
from typing import Any

import msgspec

from posswitch.base.amount import amount_text
from posswitch.base.card import mask_pan
from posswitch.base.registry import Registry
from posswitch.edge.start import journal_key
from posswitch.engine.guard import BARRED
from posswitch.engine.limits import caps
from posswitch.journal.batches import read_batches
from posswitch.journal.verify import verify
from posswitch.scheme.kinds import COMPLETION_PERCENT_MAX, PAYMENT_KINDS, PREAUTH, SALE
from posswitch.sim.peers.desk import BAD_MAC, SILENCE
from posswitch.sim.peers.tricks import OTHER_CONTENT
from posswitch.sim.report import APPROVED, DUPLICATED, LOST, UNKNOWN, explained, joined, outcome
from posswitch.sim.world.fittings import FOLDER
from posswitch.sim.world.intruder import unseen_by_verify
from posswitch.sim.world.world import World

Row = Mapping[str, Any]
Paid = tuple[str, str, int, str]  # PAN, terminal, amount, kind
_ADVICES = ("0220", "0221")
_WRONG = frozenset({LOST, DUPLICATED, UNKNOWN})
_JUDGE = "judge"


def violations(world: World) -> Iterator[str]:
    """Every rule that a finished world has broken, as a line."""
    yield from world.violations
    yield from (f"surprise {surprise}" for surprise in world.loop.surprises)
    if world.node is not None and world.node.frames_unaccounted:
        yield f"{world.node.frames_unaccounted} frames of terminals were neither answered nor given up"
    ledgers, slips = world.pages("ledger"), world.pages("slips")
    for (pan, terminal, amount_minor, kind), trace in joined(ledgers, slips).items():
        found = outcome(trace)
        if found in _WRONG:
            yield (
                f"{found}: {kind} of {amount_text(amount_minor)}, card {mask_pan(pan)}, terminal {terminal}: "
                f"posted {trace.postings}, reversed {trace.reversals}, slips {trace.slips}"
            )
    yield from _unbacked(ledgers, slips)
    yield from _stood_in(ledgers, slips, world.config.registry)
    if not any(
        bank.counts["duplicate"] for bank in world.streets.banks
    ):  # one that is asked twice answers well
        yield from _believed(ledgers, slips)
    yield from world.onlooker.violations(world.lives_ns[1:], world.streets.line_faults())
    yield from _tricked(
        world.tricks.rows,
        ledgers,
        clocks_differ=bool(world.counts["clock-step"]),
        answers_twice="duplicate" in world.streets.line_faults(),
    )
    yield from _built(slips)
    if world.healthy_ns:
        fine = _FINE | (_BARRED if world.mix.cards_tried else set())
        if world.mix.policy and world.counts["clock-step"]:  # by the node's clock a bank may still be paused
            fine |= _PAUSED
        yield from _refused(slips, world.healthy_ns, fine)
    world.disk.life = _JUDGE
    config = world.config
    yield from verify(
        FOLDER, journal_key(world.vault), config.node, world.disk, caps(config.limits, config.registry)
    )
    unseen = unseen_by_verify(
        world.disk,
        journal_key(world.vault),
        config.node,
        Random(f"intruder {world.seed}"),
    )
    if unseen:
        yield f"verify does not see {unseen}"
    batches = read_batches(FOLDER, disk=world.disk)
    counted = explained(world.pages("batches"), batches, vanishing=world.mix.vanishing)
    unexplained = counted["unexplained"]
    if unexplained:
        yield f"{unexplained} batches are neither balanced nor explained"


def _posted(ledgers: Iterable[Row], slips: Iterable[Row]) -> dict[Paid, Row]:
    """How each payment was first posted; of a sale that the centre approved itself a bank knows an advice."""
    sales = frozenset(paid for paid, _ in _approved(slips))
    first: dict[Paid, Row] = {}
    for row in ledgers:
        if row["kind"] == "post":
            paid = (row["pan"], row["terminal"], row["amount"], row["payment"])
            if row["mti"] in _ADVICES and (*paid[:3], SALE.name) in sales:
                paid = (*paid[:3], SALE.name)
            first.setdefault(paid, row)
    return first


def _approved(slips: Iterable[Row]) -> Iterator[tuple[Paid, Row]]:
    """What terminals were told 00 for, of what a bank is asked."""
    for slip in slips:
        if slip["outcome"] == "approved" and slip["kind"] in _REQUESTS:
            yield (slip["pan"], slip["terminal"], slip["amount"], slip["kind"]), slip


def _unbacked(ledgers: Iterable[Row], slips: Iterable[Row]) -> Iterator[str]:
    """No terminal may believe an approval before a bank has given it, unless the centre stood in."""
    first = _posted(ledgers, slips)
    for paid, slip in _approved(slips):
        row = first.get(paid)
        if row is None or (row["at_ns"] > slip["at_ns"] and row["mti"] not in _ADVICES):
            yield f"terminal {slip['terminal']} was told 00 for {slip['stan']} before its bank had said so"


def _stood_in(ledgers: Iterable[Row], slips: Iterable[Row], registry: Registry) -> Iterator[str]:
    """A sale that its bank was only told of is one that the bank has allowed."""
    for paid, row in _posted(ledgers, slips).items():
        if row["mti"] in _ADVICES and paid[3] == SALE.name:
            route = registry.bin_of(paid[0])
            bank = registry.standins.get(route.bank) if route is not None else None
            if bank is None or paid[2] > bank.single_minor:
                yield f"terminal {paid[1]}: {amount_text(paid[2])} was approved without its bank"


def _believed(ledgers: Iterable[Row], slips: Iterable[Row]) -> Iterator[str]:
    """No approval may rest on an answer that was damaged, forged, too late, or never given."""
    first = _posted(ledgers, slips)
    for paid, slip in _approved(slips):
        row = first.get(paid)
        if row is not None and row["mti"] not in _ADVICES and row["manner"] in _UNBELIEVABLE:
            manner = row["manner"]
            yield f"terminal {slip['terminal']} was told 00 for {slip['stan']}, bank's answer: {manner}"


def _tricked(
    tricks: Iterable[Row], ledgers: Iterable[Row], *, clocks_differ: bool, answers_twice: bool
) -> Iterator[str]:
    """What must be refused is refused, with a code that says why, and never comes to a bank.

    Where lives have other clocks a repeat may come from long ago; where lines double frames it may get a copy
    of the first answer.
    """
    hindered = _HINDERED | ({OTHER_CONTENT} if clocks_differ else set())
    at_banks = {row["rrn"] for row in ledgers}
    for row in tricks:
        who = f"terminal {row['terminal']} tried {row['trick']}"
        if row["code"] in hindered or (answers_twice and row["trick"] == "repeat"):
            continue
        if row["code"] not in row["right"]:
            yield f"{who} and was told {row['code']}, right is {' or '.join(row['right'])}"
        elif row["expected_rrn"]:
            if row["rrn"] not in ("", row["expected_rrn"]):
                yield f"{who} and was told of {row['rrn']} instead of {row['expected_rrn']}"
        elif row["rrn"] and row["rrn"] in at_banks:
            yield f"{who}, was told {row['code']}, and its bank was asked all the same"


def _built(slips: Iterable[Row]) -> Iterator[str]:
    """Of an approved payment no more is taken than it came to, of another kind of slip nothing."""
    sums: Counter[tuple[str, str]] = Counter()
    slips = list(slips)
    for slip in slips:
        kind = PAYMENT_KINDS[slip["kind"]]
        if slip["outcome"] == APPROVED and kind.binding and kind.original:
            sums[slip["terminal"], slip["of"]] += slip["amount"]
    for slip in slips:
        taken = sums.pop((slip["terminal"], f"{slip['batch']}/{slip['stan']:06d}"), 0)
        whole = slip["amount"] if slip["outcome"] == APPROVED else 0
        percent = COMPLETION_PERCENT_MAX if slip["kind"] == PREAUTH.name else 100
        if taken * 100 > whole * percent:
            what = f"of {amount_text(whole)} ({slip['stan']}) {amount_text(taken)} was taken"
            yield f"terminal {slip['terminal']}: {what}"


def _refused(slips: Iterable[Row], healthy_ns: int, fine: Set[tuple[str, str]]) -> Iterator[str]:
    """When all is well, an honest payment is approved: only the day's limit may be in its way, or a guard."""
    for slip in slips:
        if slip["sent_ns"] >= healthy_ns and (slip["outcome"], slip["code"]) not in fine:
            yield (
                f"all was well, and {slip['kind']} {slip['stan']} of terminal {slip['terminal']} ended "
                f"{slip['outcome']} with {slip['code']}"
            )


_HINDERED = frozenset({SILENCE, BAD_MAC, "77", "96"})  # a trick that did not come through
_PAUSED = frozenset({("declined", "91")})
_FINE = frozenset({(APPROVED, "00"), ("declined", "61")})
_BARRED = frozenset({("declined", BARRED)})  # a guard may still bar terminals, merchants and BINs
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
