"""A bank against a scripted centre: one posting a sale, reversals once, and every manner visible."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from posswitch.base.bounds import Timers
from posswitch.base.errors import CodecError
from posswitch.codec import Message, load_dialect, read_cups_header
from posswitch.crypto.ciphers import tdes_encrypt
from posswitch.crypto.pinblock import encode_iso0
from posswitch.scheme.interbank import original_data
from posswitch.sim.peers import cups
from posswitch.sim.peers.bank import Bank
from posswitch.sim.peers.bank_link import BankLink
from posswitch.sim.peers.book import Book, read_book
from posswitch.sim.peers.manners import ACK, APPROVE, REVERSAL_MANNERS, SALE_MANNERS, Manner, Mood
from posswitch.sim.peers.scrutiny import Charter

BANK, CENTRE, ACQUIRER = "90010000", "00010000", "48020000"
ZPK, ZAK = bytes(range(16)), bytes(range(16, 32))
PAN, PIN = "6290010000000211", "123456"
CUPS = load_dialect("cups")
QUICK = Timers(bank=0.01, centre=0.02, terminal=0.03, flight_max=0.1, reversal=0.01)


class Counter(BankLink):
    """The centre's end: keeps what the bank sends."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, payload: bytes) -> None:
        self.sent.append(payload)


class Desk:
    """A bank, a link to it and its ledger."""

    def __init__(self, folder: Path, sale: Manner = APPROVE, reversal: Manner = ACK, seed: int = 1) -> None:
        self.path = folder / "ledger-90010000.jsonl"
        self.bank = Bank(
            Charter(BANK, ZPK, ZAK, lambda pan: PIN),
            Book(self.path),
            random.Random(seed),
            lambda: 1_800_000_000 * 10**9,
            QUICK,
            (sale,),
            (reversal,),
        )
        self.link = Counter()

    def ask_unread(self, message: Message, zak: bytes = ZAK) -> None:
        """Sends a request."""
        cups.sign(message, zak)
        self.bank.arrived(self.link, cups.packed(CUPS, message, BANK, CENTRE))

    def ask(self, message: Message, zak: bytes = ZAK) -> list[Message]:
        """Sends a request; the answers that come at once."""
        before = len(self.link.sent)
        self.ask_unread(message, zak)
        return [CUPS.unpack(payload) for payload in self.link.sent[before:]]

    def kinds(self) -> list[str]:
        return [entry["kind"] for entry in read_book(self.path)]


def sale(stan: int = 7, amount: int = 1234, pin: str = PIN, expiry: str = "4912") -> Message:
    return Message(
        "0200",
        {
            2: PAN, 3: "000000", 4: f"{amount:012d}", 7: "0115103000", 11: f"{stan:06d}", 12: "103000",
            13: "0115", 14: expiry, 18: "5411", 22: "021", 25: "00", 26: "12", 32: ACQUIRER, 33: CENTRE,
            37: "601510000001", 41: "10000001", 42: "802440354110001", 43: " " * 40, 49: "156",
            52: tdes_encrypt(ZPK, encode_iso0(pin, PAN)), 53: "2600000000000000",
        },
    )  # fmt: skip


def reversal(stan: int = 7, amount: int = 1234, mti: str = "0420") -> Message:
    original = sale(stan, amount)
    fields = {field: value for field, value in original.fields.items() if field not in (14, 26, 52, 53)}
    fields[90] = original_data("0200", stan, "0115103000", ACQUIRER, CENTRE)
    fields |= {7: "0115103002", 11: f"{stan + 500_000:06d}"}
    return Message(mti, fields)


def codes(answers: list[Message]) -> list[object]:
    return [answer.fields[39] for answer in answers]


def test_a_good_sale_is_posted_and_answered_with_everything_repeated(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    request = sale()
    (answer,) = desk.ask(request)
    assert (answer.mti, answer.fields[39]) == ("0210", "00")
    assert len(str(answer.fields[38])) == 6
    for field in (2, 3, 4, 7, 11, 12, 13, 18, 25, 32, 33, 37, 41, 42, 49):
        assert answer.fields[field] == request.fields[field]
    assert cups.signature_fits(answer, ZAK)
    header = read_cups_header(desk.link.sent[0])
    assert (header.destination, header.source, header.total_bytes) == (CENTRE, BANK, len(desk.link.sent[0]))
    (entry,) = read_book(desk.path)
    assert (entry["kind"], entry["pan"], entry["amount"], entry["stan"]) == ("post", PAN, 1234, "000007")


def test_a_duplicate_is_answered_as_before_and_posted_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    first, second = desk.ask(sale()), desk.ask(sale())
    assert first[0].fields == second[0].fields
    assert desk.kinds() == ["post"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [(sale(pin="999999"), "55"), (sale(expiry="1912"), "54")],
)
def test_a_bank_has_its_own_reasons(tmp_path: Path, request_: Message, code: str) -> None:
    desk = Desk(tmp_path)
    assert codes(desk.ask(request_)) == [code]
    assert desk.kinds() == ["none"]


def test_a_pin_under_another_key_is_a_wrong_pin(tmp_path: Path) -> None:
    request = sale()
    request.fields[52] = tdes_encrypt(ZAK, encode_iso0(PIN, PAN))
    assert codes(Desk(tmp_path).ask(request)) == ["55"]


def test_a_bad_mac_posts_nothing_and_is_answered_a0_with_a_good_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for request in (sale(), reversal()):
        (answer,) = desk.ask(request, zak=ZPK)
        assert answer.fields[39] == "A0"
        assert cups.signature_fits(answer, ZAK)
    assert desk.kinds() == []


def test_a_request_without_a_mac_or_a_needed_field_posts_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.bank.arrived(desk.link, cups.packed(CUPS, sale(), BANK, CENTRE))
    short = sale()
    del short.fields[37]
    assert codes(desk.ask(short)) == ["30"]
    assert CUPS.unpack(desk.link.sent[0]).fields[39] == "A0"
    assert desk.kinds() == []


def test_damaged_and_misrouted_messages_stay_unanswered(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    request = sale()
    cups.sign(request, ZAK)
    good = cups.packed(CUPS, request, BANK, CENTRE)
    for payload in (b"\0", good[:-1], good[:100], cups.packed(CUPS, request, "90020000", CENTRE)):
        desk.bank.arrived(desk.link, payload)
    assert desk.link.sent == []
    assert desk.kinds() == []
    assert desk.bank.counts == {"unreadable": 3, "misrouted": 1}


def test_a_reversal_takes_back_once_and_says_so_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ask(sale())
    assert codes(desk.ask(reversal())) == ["00"]
    assert codes(desk.ask(reversal(mti="0421"))) == ["00"]
    assert desk.kinds() == ["post", "reverse", "none"]


def test_an_unknown_original_is_not_remembered(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (answer,) = desk.ask(reversal())
    assert (answer.mti, answer.fields[39]) == ("0430", "25")
    assert codes(desk.ask(sale())) == ["00"]
    assert codes(desk.ask(reversal(mti="0421"))) == ["00"]
    assert desk.kinds() == ["none", "post", "reverse"]


def test_a_reversal_of_another_amount_or_of_another_party_has_no_effect(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ask(sale())
    assert codes(desk.ask(reversal(amount=1235))) == ["64"]
    stranger = reversal()
    stranger.fields[90] = original_data("0200", 7, "0115103000", ACQUIRER, "99999999")
    assert codes(desk.ask(stranger)) == ["30"]
    assert desk.kinds() == ["post", "none"]


def test_sign_on_and_echo_are_answered(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for code in ("001", "301"):
        request = Message("0820", {7: "0115103000", 11: "000001", 33: CENTRE, 70: code})
        desk.bank.arrived(desk.link, cups.packed(CUPS, request, BANK, CENTRE))
        answer = CUPS.unpack(desk.link.sent[-1])
        assert (answer.mti, answer.fields[39], answer.fields[70]) == ("0830", "00", code)


def by_name(name: str, manners: tuple[Manner, ...] = SALE_MANNERS) -> Manner:
    return next(manner for manner in manners if manner.name == name)


def played(desk: Desk, *messages: Message) -> tuple[list[bytes], list[float]]:
    """Everything the bank sends to these requests, and the delays it wanted; none is waited for."""

    async def scene() -> list[float]:
        loop = asyncio.get_running_loop()
        delays: list[float] = []

        def at_once(delay: float, send: Callable[[bytes], None], payload: bytes) -> None:
            delays.append(delay)
            send(payload)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "call_later", at_once)
            for message in messages:
                desk.ask_unread(message)
        return delays

    return desk.link.sent, asyncio.run(scene())


@pytest.mark.parametrize(
    ("name", "answers", "kind"),
    [
        ("approve", 1, "post"),
        ("decline", 1, "none"),
        ("slow", 1, "post"),
        ("garbage", 1, "post"),
        ("wrong_field", 1, "post"),
        ("bad_mac", 1, "post"),
        ("late", 1, "post"),
        ("late_decline", 1, "none"),
        ("twice", 2, "post"),
    ],
)
def test_every_manner_shows(tmp_path: Path, name: str, answers: int, kind: str) -> None:
    desk = Desk(tmp_path, by_name(name))
    request = sale()
    sent, delays = played(desk, request)
    assert len(sent) == answers
    assert desk.kinds() == [kind]
    if name == "garbage":
        with pytest.raises(CodecError):
            CUPS.unpack(sent[0])
        return
    answer = CUPS.unpack(sent[0])
    assert cups.signature_fits(answer, ZAK) == (name != "bad_mac")
    assert (answer.fields[39] == "00") == (kind == "post")
    same_fields = all(answer.fields[field] == request.fields[field] for field in (4, 11, 41))
    assert same_fields == (name != "wrong_field")
    late, slow = name.startswith("late"), name == "slow"
    assert all(delay > QUICK.centre if late else 0 < delay < QUICK.bank for delay in delays)
    assert bool(delays) == (late or slow)


def test_garbage_is_never_readable(tmp_path: Path) -> None:
    for seed in range(60):
        desk = Desk(tmp_path, by_name("garbage"), seed=seed)
        desk.ask_unread(sale())
        with pytest.raises(CodecError):
            CUPS.unpack(desk.link.sent[0])


def test_a_silent_bank_posts_half_of_what_it_never_answers(tmp_path: Path) -> None:
    desk = Desk(tmp_path, by_name("silent"))
    for stan in range(1, 101):
        assert desk.ask(sale(stan)) == []
    kinds = desk.kinds()
    assert 30 < kinds.count("post") < 70
    desk.bank.heal()
    taken_back = [codes(desk.ask(reversal(stan))) for stan in range(1, 101)]
    assert taken_back.count(["00"]) == kinds.count("post")
    assert taken_back.count(["25"]) == kinds.count("none")


@pytest.mark.parametrize(
    ("name", "effect"), [("busy", "none"), ("bad_mac", "reverse"), ("garbage", "reverse")]
)
def test_reversals_meet_manners_too(tmp_path: Path, name: str, effect: str) -> None:
    desk = Desk(tmp_path, reversal=by_name(name, REVERSAL_MANNERS))
    desk.ask(sale())
    desk.ask_unread(reversal())
    assert desk.kinds() == ["post", effect]
    desk.bank.heal()
    assert codes(desk.ask(reversal(mti="0421"))) == ["00"]
    assert desk.kinds().count("reverse") == 1


def test_healed_banks_only_approve(tmp_path: Path) -> None:
    desk = Desk(tmp_path, by_name("decline"))
    desk.bank.heal()
    assert all(codes(desk.ask(sale(stan))) == ["00"] for stan in range(1, 50))
    assert codes(desk.ask(sale(60, pin="1111"))) == ["55"]


def test_manners_come_as_often_as_the_table_says() -> None:
    entropy = random.Random(1)
    assert sum(manner.weight for manner in SALE_MANNERS) == pytest.approx(1.0)
    assert sum(manner.weight for manner in REVERSAL_MANNERS) == pytest.approx(1.0)
    mood = Mood(SALE_MANNERS)
    drawn = [mood.draw(entropy).name for _ in range(20_000)]
    for manner in SALE_MANNERS:
        assert manner.weight > 0.015
        assert 0.8 < drawn.count(manner.name) / (20_000 * manner.weight) < 1.2


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.ask(sale())
    shown = repr((desk.bank, desk.bank.charter, list(desk.bank._entries.values())))
    for secret in (PAN, PIN, ZPK.hex(), repr(ZPK), repr(ZAK)):
        assert secret not in shown
