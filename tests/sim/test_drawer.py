"""What a terminal builds on and counts: receipts are used once, a void takes its original away."""

import random

import pytest

from posswitch.codec import load_dialect
from posswitch.crypto.signon import WorkingKeys
from posswitch.scheme.kinds import (
    COMPLETION,
    PAYMENT_KINDS,
    PAYMENTS,
    REFUND,
    SALE,
    VOID,
    kind_from_terminal,
    kind_reversed,
    missing_field,
    texts,
)
from posswitch.scheme.settlement import Side
from posswitch.sim.peers import pos
from posswitch.sim.peers.customer import Customers, Purchase, Range
from posswitch.sim.peers.drawer import MIX, Drawer
from posswitch.sim.peers.pos import Receipt

KEYS = WorkingKeys(bytes(range(16)), b"")
PAN, FOREIGN = "6290010000000211", "6290140000000001"
BATCH = "000007"


def receipt(kind=SALE, stan=1, amount_minor=1_000, pan=PAN, batch=BATCH):
    purchase = Purchase(pan, "4912", "", amount_minor)
    return Receipt(kind.name, purchase, batch, stan, "632810000001", "123456", "1124")


@pytest.fixture
def drawer():
    entropy = random.Random(3)
    return Drawer(Customers(1, (Range("629001", 16),), entropy), entropy, ("629014",))


@pytest.mark.parametrize("kind", PAYMENTS, ids=lambda kind: kind.name)
def test_a_terminal_sends_every_mandatory_field_of_a_kind(kind):
    original = receipt() if kind.original else None
    bought = Purchase(PAN, "4912", "123456", 0 if kind.name == "balance" else 1_000)
    message = pos.payment(kind, "10000001", "802440354110001", 7, BATCH, bought, KEYS, original)
    had = texts(message)
    assert kind_from_terminal(message.mti, had) is kind
    assert missing_field(kind, had) is None
    message.fields[64] = bytes(8)
    assert (
        load_dialect("pos").unpack(load_dialect("pos").pack(message)).fields.keys() == message.fields.keys()
    )


@pytest.mark.parametrize("kind", [kind for kind in PAYMENTS if kind.reversible], ids=lambda kind: kind.name)
def test_a_reversal_says_what_it_takes_back(kind):
    bought = Purchase(PAN, "4912", "", 1_000)
    message = pos.reversal("10000001", "802440354110001", 7, BATCH, bought, "98", kind)
    assert kind_reversed(texts(message)) is kind


def test_the_mix_is_whole():
    assert [kind for kind, _ in MIX] == list(PAYMENTS)
    assert sum(weight for _, weight in MIX) == pytest.approx(1.0)


def test_totals_are_what_counts(drawer):
    sale, foreign = receipt(stan=1), receipt(stan=2, amount_minor=300, pan=FOREIGN)
    for kept in (sale, foreign, receipt(stan=3, amount_minor=50)):
        drawer.keep(kept, SALE, None)
    drawer.keep(receipt(REFUND, 4, 20), REFUND, sale)
    drawer.keep(receipt(VOID, 5), VOID, sale)
    assert drawer.totals(PAYMENT_KINDS) == (Side(50, 1, 20, 1), Side(300, 1, 0, 0))
    assert [item.stan for item in drawer.items()] == ["000002", "000003", "000004"]
    drawer.close()
    assert drawer.totals(PAYMENT_KINDS) == (Side(), Side())


def test_a_receipt_is_built_upon_once(drawer):
    preauth = receipt(PAYMENT_KINDS["preauth"])
    drawer.keep(preauth, PAYMENT_KINDS["preauth"], None)
    orders = [drawer.next(BATCH) for _ in range(300)]
    assert sum(order.original is preauth for order in orders) == 1
    assert all(order.original is None for order in orders if order.kind is SALE)


def test_a_void_is_of_this_batch(drawer):
    drawer.keep(receipt(batch="000006"), SALE, None)
    orders = [drawer.next(BATCH) for _ in range(300)]
    assert not any(order.kind is VOID for order in orders)


def test_a_completion_stays_within_the_tolerance(drawer):
    kinds = PAYMENT_KINDS["preauth"]
    for stan in range(150):
        drawer.keep(receipt(kinds, stan, 1_000), kinds, None)
    amounts = {
        order.purchase.amount_minor for _ in range(900) if (order := drawer.next(BATCH)).kind is COMPLETION
    }
    assert amounts == {1_000, 1_100}
