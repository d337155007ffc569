"""The end of a terminal's day: totals, uploads, what differs, the next batch."""

import pytest
from world import World

from posswitch.engine.events import BatchTotaled, Item, ItemsUploaded, TerminalSignedOff, UploadEnded
from posswitch.engine.state import CLOSED, TRADING, UPLOADING
from posswitch.journal.batches import read_batches
from posswitch.scheme.settlement import Side

TERMINAL, MERCHANT, BATCH = "T0000001", "M00000000000001", "000001"


def head(world: World, stan: str = "900000", batch: str = BATCH) -> tuple[int, str, str, str, str]:
    return world.ticket(), TERMINAL, MERCHANT, batch, stan


def totaled(world: World, domestic: Side, foreign: Side) -> str:
    """The flags that a settlement with these totals is answered with."""
    world.submit(BatchTotaled(*head(world), domestic, foreign, f"00{BATCH}201"))
    return world.answers[-1].answer.flags


def uploaded(world: World, *items: tuple[str, int]) -> None:
    rows = tuple(Item(stan, amount_minor, b"", False) for stan, amount_minor in items)
    world.submit(ItemsUploaded(*head(world), rows, f"00{BATCH}201"))


def ended(world: World) -> None:
    world.submit(UploadEnded(*head(world), 0, f"00{BATCH}202"))


@pytest.fixture
def shop(world: World) -> World:
    """A signed-on terminal with two sales, one of them voided, a refund, a foreign sale and a decline."""
    world.sign_on(TERMINAL)
    world.sale(amount_minor=5_000)
    world.answer("00")
    kept = world.payment
    world.sale(amount_minor=7_000)
    world.answer("00")
    world.build("void")
    world.answer("00")
    world.build("refund", kept, amount_minor=1_000)
    world.sale(amount_minor=3_000, foreign=True)
    world.answer("00")
    world.sale(amount_minor=9_000)
    world.answer("51")
    return world


DOMESTIC, FOREIGN = Side(5_000, 1, 1_000, 1), Side(3_000, 1, 0, 0)


def phase(world: World) -> str:
    return world.state.sessions[TERMINAL].phase


def test_totals_that_agree_close_the_batch_and_the_next_sign_on_begins_another(shop):
    assert totaled(shop, DOMESTIC, FOREIGN) == "11"
    assert shop.answers[-1].answer.sides == (DOMESTIC, FOREIGN)
    assert phase(shop) == CLOSED
    shop.sign_on(TERMINAL)
    assert shop.answers[-1].answer.batch == "000002"
    assert (shop.state.sessions[TERMINAL].batch, phase(shop)) == ("000002", TRADING)


def test_a_settlement_that_comes_again_gets_the_same_answer(shop):
    assert totaled(shop, DOMESTIC, FOREIGN) == totaled(shop, DOMESTIC, FOREIGN) == "11"
    shop.sign_on(TERMINAL)
    assert totaled(shop, DOMESTIC, FOREIGN) == "11"
    assert shop.state.sessions[TERMINAL].batch == "000002"


@pytest.mark.parametrize(
    ("domestic", "foreign", "flags"),
    [
        (Side(5_000, 2, 1_000, 1), FOREIGN, "21"),
        (Side(5_001, 1, 1_000, 1), FOREIGN, "21"),
        (DOMESTIC, Side(), "12"),
        (Side(), Side(), "22"),
    ],
)
def test_totals_that_differ_ask_for_an_upload(shop, domestic, foreign, flags):
    assert totaled(shop, domestic, foreign) == flags
    assert phase(shop) == UPLOADING


def test_every_difference_is_named(shop):
    totaled(shop, Side(5_000, 1, 0, 0), FOREIGN)
    sale, refund, foreign = "000001", "000004", "000005"
    uploaded(shop, (sale, 5_000), (foreign, 3_100), ("000777", 100), ("000006", 9_000))
    ended(shop)
    assert phase(shop) == CLOSED
    (view,) = read_batches(shop.folder, TERMINAL)
    found = {one.stan: (one.ours_minor, one.theirs_minor, one.ours_state) for one in view.differences}
    assert found == {
        refund: (1_000, None, "advising"),
        foreign: (3_000, 3_100, "approved"),
        "000777": (None, 100, ""),
        "000006": (None, 9_000, "declined"),
    }


def test_what_nobody_knows_yet_is_reported_as_open(shop):
    shop.sale(amount_minor=100)
    shop.timer()
    totaled(shop, DOMESTIC, FOREIGN)
    (view,) = read_batches(shop.folder)
    assert view.totals.open == (shop.row().request.stan,)


def test_the_end_of_an_upload_without_totals_closes_nothing(shop):
    ended(shop)
    assert phase(shop) == TRADING
    assert read_batches(shop.folder) == []


def test_a_sign_off_keeps_the_batch_and_forgets_the_keys(shop):
    shop.submit(TerminalSignedOff(shop.ticket(), TERMINAL, "900001", f"00{BATCH}002"))
    assert shop.state.sessions[TERMINAL].tak == b""
    shop.sign_on(TERMINAL)
    assert shop.answers[-1].answer.batch == BATCH


def test_batches_survive_a_restart(shop):
    totaled(shop, Side(), FOREIGN)
    uploaded(shop, ("000001", 5_000))
    shop.restart()
    assert shop.state.sessions[TERMINAL].uploaded == ("000001",)
    ended(shop)
    (view,) = read_batches(shop.folder)
    assert [one.stan for one in view.differences] == ["000004", "000005"]


def test_the_last_batch_number_is_followed_by_the_first(world):
    world.sign_on(TERMINAL)
    world.state.sessions[TERMINAL] = type(world.state.sessions[TERMINAL])("999999", b"", b"", CLOSED)
    assert world.state.sessions[TERMINAL].next_batch == "000001"
