"""A city with bad banks, bad lines and a kill: whatever its books say of a payment, `why` says the same."""

from collections import Counter

import pytest
from demo_short import counted
from why_rules import wording_faults
from why_world import texts_of

from posswitch.office.why_evidence import Decider, Money, Outcome, Safe
from posswitch.office.why_find import Asked, find
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.sim.city import CONFIG_FILE
from posswitch.sim.peers.book import read_book
from posswitch.sim.report import APPROVED, DECLINED, REVERSED, joined, outcome

STANDING = {Money.STANDS, Money.UNDONE_LATER}
NOTHING = {Money.NONE, Money.UNDONE}
HERE = {Outcome.REFUSED, Outcome.NOT_SENT, Outcome.NEVER_CAME}
MONEY_OF = {APPROVED: STANDING, DECLINED: NOTHING, REVERSED: NOTHING}
OUTCOMES_OF = {
    APPROVED: {Outcome.APPROVED},
    DECLINED: {Outcome.DECLINED, Outcome.REFUSED, Outcome.NOT_SENT, Outcome.REVERSED},
    REVERSED: {Outcome.REVERSED, Outcome.DECLINED, *HERE},
}


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """The city's configuration, its slips, and what its banks have written of each payment."""
    folder = tmp_path_factory.mktemp("city")
    report = counted(folder, seconds=6, kills=1)
    assert (report["lost"], report["duplicated"], report["unknown"]) == (0, 0, 0)
    ledgers = [entry for path in sorted(folder.glob("books/ledger-*")) for entry in read_book(path)]
    slips = [entry for path in sorted(folder.glob("books/slips-*")) for entry in read_book(path)]
    return load_config(folder / CONFIG_FILE, serve=False), ledgers, slips


def payment_of(config, slip):
    asked = Asked(terminal=slip["terminal"], stan=str(slip["stan"]), batch=slip["batch"])
    found = find(config, SystemClock(), asked).payments
    assert len(found) <= 1, "one slip, one payment"
    return found[0] if found else None


def test_every_slip_is_told_as_the_books_have_it(books):
    config, ledgers, slips = books
    traces = joined(ledgers, slips)
    said_by_banks = {}
    for entry in ledgers:
        key = (entry["pan"], entry["terminal"], entry["amount"])
        said_by_banks.setdefault(key, []).append(entry)
    faults, seen, found = [], Counter(), Counter()
    for slip in slips:
        evidence = payment_of(config, slip)
        entries = said_by_banks.get((slip["pan"], slip["terminal"], slip["amount"]), [])
        if evidence is None:  # nothing of it was recorded: then no bank has heard of it
            found["not found"] += 1
            if [entry for entry in entries if entry["rrn"] == slip["rrn"] != ""]:
                faults.append(f"a bank has it, and here it is not found: {slip}")
            continue
        found[evidence.outcome] += 1
        faults += wording_faults(evidence, texts_of(evidence))
        if evidence.safe is not Safe.SETTLED:
            faults.append(f"still open: {evidence}")
        if slip["kind"] == "balance":
            continue
        key = (slip["pan"], slip["terminal"], slip["amount"], slip["kind"])
        label = outcome(traces[key])
        seen[label] += 1
        if evidence.money not in MONEY_OF[label] or evidence.outcome not in OUTCOMES_OF[label]:
            faults.append(f"{label} by the books, told {evidence.outcome} {evidence.money}: {slip}")
        heard = [entry for entry in entries if entry["rrn"] == evidence.rrn]
        if evidence.outcome in HERE and heard:
            faults.append(f"told {evidence.outcome}, and a bank has heard of it: {slip}")
        if evidence.outcome is Outcome.DECLINED and evidence.decided is Decider.BANK and heard:
            codes = {entry["code"] for entry in heard}
            if evidence.bank.said not in codes:
                faults.append(f"its bank said {codes}, told {evidence.bank.said}: {slip}")
    assert faults == []
    assert sum(seen.values()) >= 100
    assert min(seen[label] for label in (APPROVED, DECLINED, REVERSED)) > 0
    assert len(found) >= 4, found
