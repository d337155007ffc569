"""Peers under an onlooker's eyes: nonsense breaks nothing, and nothing secret or unsafe is shown."""

import asyncio
import contextlib
import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from posswitch.base.bounds import Timers
from posswitch.base.errors import CodecError, PosswitchError
from posswitch.base.registry import Address
from posswitch.codec import Message, framed, load_dialect, swap_tpdu
from posswitch.crypto.mac import cup_mac
from posswitch.crypto.signon import WorkingKeys, pack_f62
from posswitch.scheme.interbank import original_data
from posswitch.scheme.kinds import COMPLETION, PREAUTH, REFUND, SALE, VOID, answer_mti
from posswitch.scheme.settlement import Side
from posswitch.sim import solo, telling
from posswitch.sim.peers import cups, pos
from posswitch.sim.peers import desk as desk_room
from posswitch.sim.peers.bank import Bank
from posswitch.sim.peers.bank_link import BankLink
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.customer import Purchase
from posswitch.sim.peers.desk import Desk, Exchange, GaveUp, Pause, Reply
from posswitch.sim.peers.drawer import Drawer
from posswitch.sim.peers.manners import ACK, REVERSAL_MANNERS, SALE_MANNERS, Manner
from posswitch.sim.peers.scrutiny import Charter
from posswitch.sim.peers.seen import Seen
from posswitch.sim.peers.terminal import Fitting, Terminal

KEYS = WorkingKeys(bytes(range(16)), b"")
BANK, CENTRE, ACQUIRER = "90010000", "00010000", "48020000"
ZPK, ZAK = bytes(range(16)), bytes(range(16, 32))
PAN = "6290010000000211"
ODD = "0123456789AZaz =.-²٣\x1b\0\x7f\xff中"
AT_NS = 1_800_000_000 * 10**9
QUICK = Timers(bank=0.001, centre=0.002, terminal=0.003, flight_max=0.01, reversal=0.01)


class Deaf(BankLink):
    """A link that leads nowhere."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, payload: bytes) -> None:
        self.sent.append(payload)


def whole(entropy: random.Random, stan: int) -> Message:
    """A request, of any kind, that might come back again."""
    mti, processing, condition = entropy.choice(
        [("0200", "000000", "00"), ("0200", "310000", "00"), ("0220", "200000", "00"),
         ("0100", "030000", "06"), ("0200", "200000", "00"), ("0420", "000000", "00"),
         ("0421", "000000", "00"), ("0820", "", "")]
    )  # fmt: skip
    if not processing:
        return Message(
            mti, {7: "0115103000", 11: f"{stan:06d}", 33: CENTRE, 70: entropy.choice(["001", "101"])}
        )
    fields: dict[int, str | bytes] = {
        2: PAN, 3: processing, 4: "000000001234", 7: "0115103000", 11: f"{stan:06d}", 14: "4912",
        25: condition, 32: ACQUIRER, 33: CENTRE, 37: "601510000001",
        41: "10000001", 42: "802440354110001", 49: "156",
        52: entropy.randbytes(8),
    }  # fmt: skip
    if mti[1] == "4" or processing == "200000":
        fields[90] = original_data("0200", entropy.randrange(1, stan + 1), "0115103000", ACQUIRER, CENTRE)
    if entropy.random() < 0.5:
        del fields[52]
    return Message(mti, fields)


def spoiled(message: Message, entropy: random.Random) -> Message:
    """One or two fields full of odd characters."""
    for field in entropy.sample(sorted(message.fields), entropy.randrange(3)):
        was = message.fields[field]
        if isinstance(was, str):
            size = len(was) if entropy.random() < 0.8 else entropy.randrange(1, 12)
            message.fields[field] = "".join(entropy.choice(ODD) for _ in range(size))
    if entropy.random() < 0.1:
        del message.fields[entropy.choice(sorted(message.fields))]
    return message


@pytest.mark.parametrize("dialect_name", ["cups", "iso87a", "iso87b"])
def test_signed_nonsense_never_breaks_a_bank(dialect_name: str) -> None:
    entropy = random.Random(17)
    dialect = load_dialect(dialect_name)
    shown: list[str] = []

    def watch(seen: Seen) -> None:
        shown.extend((telling.bank_line(seen, 1), json.dumps(telling.bank_object(seen, 1))))

    async def scene() -> int:
        bank = Bank(
            Charter(BANK, ZPK, ZAK, lambda pan: "", dialect_name),
            Book(Path(os.devnull)), entropy, lambda: AT_NS, QUICK, SALE_MANNERS, REVERSAL_MANNERS,
            watch=watch,
        )  # fmt: skip
        link, asked = Deaf(), 0
        for stan in range(1, 3000):
            request = spoiled(whole(entropy, stan), entropy)
            try:
                cups.sign(request, ZAK)
                payload = cups.packed(dialect, request, BANK, CENTRE)
            except CodecError:
                continue  # nobody can send that
            asked += 1
            bank.arrived(link, payload)
        await asyncio.sleep(0.05)
        assert len(link.sent) > asked / 3
        return asked

    assert asyncio.run(scene()) > 1000
    assert all(line.isprintable() for line in shown)
    assert not any(PAN in line or ZPK.hex() in line.lower() for line in shown)


def sale_of_the_watched() -> Message:
    return pos.payment(SALE, "10000001", "8" * 15, 7, "000041", Purchase(PAN, "4912", "", 1234), KEYS)


def test_answers_of_nonsense_are_told_safely() -> None:
    entropy = random.Random(19)
    request = sale_of_the_watched()
    for _ in range(2000):
        fields: dict[int, str | bytes] = {
            field: "".join(entropy.choice(ODD) for _ in range(entropy.choice([2, 20, 40, 62])))
            for field in entropy.sample([4, 11, 37, 38, 39, 48, 54, 60], 5)
        }
        if entropy.random() < 0.3:
            fields[entropy.choice([38, 54])] = b"\xff\x00"
        answer = Message(entropy.choice(["0210", "0510"]), fields)
        exchange = Exchange(request, Reply(answer), 1.5, (f"x\x1b[2J {PAN}",))
        lines = telling.exchange_lines(exchange)
        assert all(line.isprintable() for line in lines)
        assert PAN not in "".join(lines) + json.dumps(telling.exchange_object(exchange))


@pytest.mark.parametrize(
    ("request_", "advised"),
    [
        (pos.sign_on("10000001", "8" * 15, 7, "000041"), False),
        (pos.settlement("10000001", "8" * 15, 7, "000041", Side(), Side()), False),
        (sale_of_the_watched(), True),
    ],
    ids=["sign-on", "settlement", "sale"],
)
def test_a_cashier_is_advised_about_payments_only(request_: Message, advised: bool) -> None:
    lines = telling.exchange_lines(
        Exchange(request_, Reply(Message(answer_mti(request_.mti), {39: "96"})), 1.5)
    )
    assert any("Cashier" in line for line in lines) is advised


def answered(request: Message, entropy: random.Random, tmk: bytes) -> bytes:
    """A good answer, or one with up to four bytes of it changed and perhaps signed as if it were good."""
    pik, mak = bytes(range(16, 32)), bytes(range(32, 40))
    fields = {
        field: value for field, value in request.fields.items() if field in (3, 4, 11, 25, 41, 42, 49, 60)
    }
    fields |= {37: "601510000001", 38: "123456", 39: entropy.choice(["00", "00", "00", "51", "96"])}
    if entropy.random() < 0.2:
        del fields[entropy.choice([37, 38, 39])]
    if request.mti == "0800":
        fields |= {39: "00", 60: "00000041003", 62: pack_f62(tmk, pik, mak)}
    if request.mti == "0500":
        fields |= {48: "".join(entropy.choice("0123") for _ in range(62))}
    answer = Message(answer_mti(request.mti), fields, swap_tpdu(request.header))
    pos_dialect = load_dialect("pos")
    signed = request.mti in ("0100", "0200", "0220", "0400", "0500", "0320")
    payload = pos.signed(pos_dialect, answer, mak) if signed else pos_dialect.pack(answer)
    if entropy.random() < 0.3:
        spoilt = bytearray(payload)
        for _ in range(entropy.randrange(1, 5)):
            spoilt[entropy.randrange(len(spoilt))] = entropy.randrange(256)
        payload = bytes(spoilt)
        if entropy.random() < 0.5:
            payload = payload[:-8] + cup_mac(mak, payload[11:-8])
    return payload


def test_a_centre_of_nonsense_never_breaks_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_room, "_PAUSE_OF_FEW_S", 0.001)
    entropy, tmk, shown = random.Random(23), bytes(range(16)), []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                payload = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                answer = answered(load_dialect("pos").unpack(payload), entropy, tmk)
                writer.write(framed("bin2", answer))
        writer.close()

    def watch(seen: Exchange | str) -> None:
        shown.extend([seen] if isinstance(seen, str) else telling.exchange_lines(seen))

    async def scene() -> list[bool]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        centre = Address("127.0.0.1", server.sockets[0].getsockname()[1])
        good = []
        for round_ in range(60):
            customer = solo.Regular(PAN, "4912", "123456")
            terminal = Terminal(
                Fitting("10000001", "8" * 15, tmk), centre, customer, Book(Path(os.devnull)),
                random.Random(round_), lambda: AT_NS, 0.02, keeps_connection=True, forgetful_rate=0.0,
                tries=3, watch=watch,
            )  # fmt: skip
            steps = solo.read_steps(["preauth:1", "completion", "sale:2", "void", "refund", "settle"], 10)
            good.append(await solo.Solo(terminal, customer, lambda result: None).run(steps))
        server.close()
        return good

    assert len(asyncio.run(scene())) == 60
    assert len(shown) > 300
    assert all(line.isprintable() for line in shown)


def test_a_balance_and_totals_are_told_in_words() -> None:
    request = pos.echo("10000001", "8" * 15, "000041")
    told = telling.exchange_object(
        Exchange(
            request, Reply(Message("0210", {39: "00", 54: "0002156C0000000123450001156D000000000001"})), 1
        )
    )
    assert told["balances"] == ["available CNY 123.45", "ledger CNY -0.01"]


def desk_remarks(answer: Message) -> list[str]:
    """What a desk says of an answer that it does not take."""
    desk = Desk(Address("127.0.0.1", 1), 1.0, Counter(), keeps_connection=True)
    request = pos.echo("10000001", "8" * 15, "000041")
    assert desk._read(load_dialect("pos").pack(answer), request, signed=False) is None
    return desk._remarks


@pytest.mark.parametrize(
    ("mti", "changed", "remark"),
    [
        ("0810", {}, "its MTI is not 0830"),
        ("0830", {41: "10000002"}, "field 41 is another"),
        ("0830", {60: "00000042301"}, "the batch in field 60 is another"),
    ],
)
def test_why_an_answer_is_not_believed(mti: str, changed: dict[int, str], remark: str) -> None:
    request = pos.echo("10000001", "8" * 15, "000041")
    answer = Message(mti, {**request.fields, 39: "00", **changed}, swap_tpdu(request.header))
    assert desk_remarks(answer) == [f"an answer that belongs to something else: {remark}"]
    assert answer_mti("0820") == "0830"


def test_few_tries_end_and_many_do_not() -> None:
    few, endless = Pause(random.Random(1), 2, "sign-on"), Pause(random.Random(1))
    few.spend()
    with pytest.raises(GaveUp, match="sign-on"):
        few.spend()
    for _ in range(100):
        endless.spend()


class Fixed:
    """Nobody comes."""

    def next(self) -> Purchase:
        raise AssertionError


def test_the_last_fitting_receipt_is_built_on_until_it_is_spent() -> None:
    drawer = Drawer(Fixed(), random.Random(1))
    receipts = [
        pos.Receipt(kind.name, Purchase(PAN, "4912", "", 100 + at), "000041", at, "r", "a", "0115")
        for at, kind in enumerate((SALE, SALE, PREAUTH))
    ]
    for receipt, kind in zip(receipts, (SALE, SALE, PREAUTH), strict=True):
        drawer.keep(receipt, kind, None)
    assert drawer.last_for(VOID, "000041") == receipts[1]
    drawer.spent(receipts[1])
    assert drawer.last_for(VOID, "000041") == receipts[0]
    assert drawer.last_for(REFUND, "000041") == receipts[0]
    drawer.spent(receipts[0])
    assert drawer.last_for(VOID, "000041") is not None, (
        "a spent one is better than none: it should be refused"
    )
    assert drawer.last_for(VOID, "000042") is None
    assert drawer.last_for(COMPLETION, "000042") == receipts[2]


@pytest.mark.parametrize(
    ("words", "minor"),
    [("12.34", 1234), ("0.01", 1), ("100", 10_000), ("9999999999.99", 999_999_999_999), ("0.29", 29)],
)
def test_amounts_are_read_exactly(words: str, minor: int) -> None:
    assert solo.read_amount(words) == minor


@pytest.mark.parametrize(
    "words", ["", ".5", "1.", "1.2", "1.234", "1e3", "١.٢٣", "-1", " 1", "1\n", "12345678901"]
)
def test_anything_else_is_no_amount(words: str) -> None:
    with pytest.raises(PosswitchError, match="amount"):
        solo.read_amount(words)


def test_a_mix_comes_after_the_sign_on() -> None:
    names = [step.name for step in solo.read_steps(["sign-on", "void", "settle"], 3, echo=True)]
    assert names == ["echo", "sign-on", "mix", "void", "settle"]


def test_a_code_that_insists_goes_before_the_banks_own_reasons() -> None:
    fixed = Manner("code", 1.0, codes=("00",), insists=True)
    bank = Bank(
        Charter(BANK, ZPK, ZAK, lambda pan: "1234"), Book(Path(os.devnull)), random.Random(1),
        lambda: AT_NS, QUICK, (fixed,), (ACK,), (fixed,),
    )  # fmt: skip
    request = whole(random.Random(1), 1)
    request.mti, request.fields[52], request.fields[3], request.fields[25] = "0200", bytes(8), "000000", "00"
    request.fields.pop(90, None)
    cups.sign(request, ZAK)
    link = Deaf()
    bank.arrived(link, cups.packed(load_dialect("cups"), request, BANK, CENTRE))
    assert load_dialect("cups").unpack(link.sent[0]).fields[39] == "00"
