"""The count: every class of payment, planted in the books."""

import json
from pathlib import Path

import pytest

from posswitch.sim.peers.book import Book, read_book
from posswitch.sim.report import OUTCOMES, count

PAN, TERMINAL = "6290010000000211", "10000001"


class Planted:
    """Two books to plant rows in; the amount names the payment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Book(folder / "ledger-90010000.jsonl")
        self.slips = Book(folder / "slips-shop.jsonl")

    def bank(self, amount: int, *kinds: str, manner: str = "approve", pan: str = PAN) -> None:
        for kind in kinds:
            mti = "0420" if kind == "reverse" else "0200"
            self.ledger.append(
                {
                    "mti": mti,
                    "kind": kind,
                    "pan": pan,
                    "terminal": TERMINAL,
                    "amount": amount,
                    "manner": manner,
                    "payment": "sale",
                    "dialect": "cups",
                }
            )

    def slip(self, amount: int, outcome: str, sent_ns: int = 0, latency_ms: float = 5.0) -> None:
        self.slips.append(
            {
                "pan": PAN, "terminal": TERMINAL, "amount": amount, "outcome": outcome, "sent_ns": sent_ns,
                "latency_ms": latency_ms, "dialect": "pos", "kind": "sale",
            }
        )  # fmt: skip


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


@pytest.mark.parametrize(
    ("kinds", "slips", "outcome"),
    [
        (["post"], ["approved"], "approved"),
        (["none"], ["declined"], "declined"),
        ([], ["declined"], "declined"),
        (["post", "reverse"], ["declined"], "declined"),
        (["post", "reverse"], ["neither"], "reversed"),
        (["none"], ["neither"], "reversed"),
        ([], ["neither"], "reversed"),
        ([], ["approved"], "lost"),
        (["none"], ["approved"], "lost"),
        (["post", "reverse"], ["approved"], "lost"),
        (["post"], ["declined"], "lost"),
        (["post"], ["neither"], "lost"),
        (["post"], ["open"], "lost"),
        (["post"], [], "lost"),
        (["reverse"], ["neither"], "lost"),
        (["post", "post"], ["approved"], "duplicated"),
        (["post", "post", "reverse"], ["approved"], "duplicated"),
        (["post", "post"], [], "duplicated"),
        ([], ["open"], "unknown"),
        (["none"], [], "unknown"),
        (["post", "reverse"], [], "unknown"),
        ([], ["declined", "declined"], "unknown"),
    ],
)
def test_every_class_is_told_apart(
    planted: Planted, kinds: list[str], slips: list[str], outcome: str
) -> None:
    planted.bank(100, *kinds)
    for slip in slips:
        planted.slip(100, slip)
    report = count(planted.folder)
    assert report["purchases"] == 1
    assert {name: report[name] for name in OUTCOMES if report[name]} == {outcome: 1}


def test_the_join_takes_card_terminal_and_amount(planted: Planted) -> None:
    planted.bank(100, "post", pan="6290020000000219")
    planted.slip(100, "approved")
    report = count(planted.folder)
    assert (report["purchases"], report["lost"]) == (2, 2)


def test_figures_and_tallies(planted: Planted) -> None:
    for number in range(100):
        planted.bank(number, "post", manner="slow" if number % 2 else "approve")
        planted.slip(number, "approved", sent_ns=number * 10**9, latency_ms=float(number))
    planted.bank(100, "none", manner="silent")
    planted.bank(100, "reverse", manner="ack")
    planted.slip(100, "open", sent_ns=100 * 10**9, latency_ms=10_000.0)
    report = count(planted.folder)
    assert report["purchases"] == sum(report[name] for name in OUTCOMES) == 101
    assert (report["p50_ms"], report["p99_ms"]) == (49.0, 98.0)
    assert report["tps"] == pytest.approx(1.0, abs=0.05)
    assert report["manners"] == {"approve": 50, "silent": 1, "slow": 50}
    assert report["reversal_manners"] == {"ack": 1}
    assert report["dialects"] == {"cups": 101, "pos": 101}
    assert report["kinds"] == {"sale": 101}


def test_empty_books_are_zero(tmp_path: Path) -> None:
    report = count(tmp_path)
    assert report["purchases"] == 0
    assert json.dumps(report)


def test_a_line_that_was_cut_short_is_no_entry(tmp_path: Path) -> None:
    book = Book(tmp_path / "ledger-1.jsonl")
    book.append({"amount": 1})
    book.close()
    with (tmp_path / "ledger-1.jsonl").open("ab") as file:
        file.write(b'{"amount": 2')
    assert list(read_book(tmp_path / "ledger-1.jsonl")) == [{"amount": 1}]
