"""A terminal against a scripted centre: it takes back every sale whose outcome it does not know."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from sim_waiting import until

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.registry import Address
from posswitch.codec import Framer, Message, framed, load_dialect, swap_tpdu
from posswitch.crypto.ciphers import tdes_decrypt
from posswitch.crypto.pinblock import decode_iso0
from posswitch.crypto.signon import pack_f62
from posswitch.scheme.kinds import SALE, answer_mti, batch_of, kind_from_terminal, missing_field, texts
from posswitch.sim.peers import desk as desk_room
from posswitch.sim.peers import pos
from posswitch.sim.peers.book import Book, read_book
from posswitch.sim.peers.customer import Customers, Purchase, Range
from posswitch.sim.peers.terminal import Fitting, Terminal

HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_room, "_PAUSE_S", 0.01)


POS = load_dialect("pos")
TMK, PIK, MAK = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 40))
BATCH = "000041"
PURCHASE = Purchase("6290010000000211", "4912", "123456", 1234)

Word = Callable[[Message], "bytes | None"]  # a payload, b"" to cut the connection, None for silence


def signed_on(request: Message, f62: bytes | None = None) -> bytes:
    """0810 with working keys."""
    fields = {field: request.fields[field] for field in (11, 41, 42)}
    fields |= {39: "00", 60: f"00{BATCH}003", 62: f62 or pack_f62(TMK, PIK, MAK)}
    return POS.pack(Message("0810", fields, swap_tpdu(request.header)))


def says(code: str, *, mak: bytes | None = MAK, **other: str) -> Word:
    """An answer with this field 39, signed unless `mak` is None; f11="…" replaces field 11."""

    def word(request: Message) -> bytes:
        kept = (3, 4, 11, 25, 41, 42, 49, 60)
        fields = {field: request.fields[field] for field in kept if field in request.fields}
        fields |= {39: code, 37: "601510000001", **{int(name[1:]): value for name, value in other.items()}}
        answer = Message(answer_mti(request.mti), fields, swap_tpdu(request.header))
        return POS.pack(answer) if mak is None else pos.signed(POS, answer, mak)

    return word


def silence(request: Message) -> bytes | None:
    return None


def cut(request: Message) -> bytes | None:
    return b""


def balanced(request: Message) -> bytes:
    """0510: the same totals here."""
    totals = str(request.fields[48])
    return says("00", f48=f"{totals[:30]}1{totals[31:61]}1")(request)  # type: ignore[return-value]


class Centre:
    """Answers the n-th request of each MTI with the n-th word of its script, then with the last."""

    def __init__(self, **script: list[Word]) -> None:
        usual = {"m0100": [says("00", f38="123456")], "m0220": [says("00")], "m0500": [balanced]}
        self.script = {"m0800": [signed_on], "m0400": [says("00")], **usual, **script}
        self.heard: list[Message] = []
        self.payloads: list[bytes] = []
        self.connections = 0

    def answer(self, payload: bytes) -> bytes | None:
        request = POS.unpack(payload)
        self.heard.append(request)
        self.payloads.append(payload)
        words = self.script[f"m{request.mti}"]
        return (words.pop(0) if len(words) > 1 else words[0])(request)

    @property
    def mtis(self) -> list[str]:
        return [message.mti for message in self.heard]

    def open(self) -> asyncio.Protocol:
        self.connections += 1
        return _Desk(self)


class _Desk(asyncio.Protocol):
    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.framer = Framer("bin2", FRAME_BYTES_MAX)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for payload in self.framer.feed(data):
            answer = self.centre.answer(payload)
            if answer:
                self.transport.write(framed("bin2", answer))  # type: ignore[attr-defined]
            elif answer is not None:
                self.transport.close()


class Shop:
    """One terminal that sells once."""

    def __init__(self, folder: Path, centre: Centre, *, keeps_connection: bool = True) -> None:
        self.centre = centre
        self.path = folder / "slips-shop.jsonl"
        self.keeps_connection = keeps_connection
        self.terminal: Terminal

    def run(self, *purchases: Purchase) -> list[str]:
        return asyncio.run(self._run(purchases or (PURCHASE,)))

    async def fitted(self) -> Terminal:
        server = await asyncio.get_running_loop().create_server(self.centre.open, HOST, 0)
        address = Address(HOST, server.sockets[0].getsockname()[1])
        entropy = random.Random(1)
        self.terminal = Terminal(
            Fitting("10000001", "802440354110001", TMK),
            address,
            Customers(1, (Range("629001", 16),), entropy),
            Book(self.path),
            entropy,
            lambda: 1_800_000_000 * 10**9,
            0.2,
            keeps_connection=self.keeps_connection,
        )
        return self.terminal

    async def _run(self, purchases: tuple[Purchase, ...]) -> list[str]:
        async with asyncio.timeout(30):
            terminal = await self.fitted()
            await terminal.sign_on()
            return [await terminal.sell(purchase) for purchase in purchases]

    def slips(self) -> list[tuple[str, str]]:
        return [(slip["outcome"], slip["code"]) for slip in read_book(self.path)]


@pytest.mark.parametrize("keeps_connection", [True, False])
def test_an_approved_sale_prints_a_slip(tmp_path: Path, keeps_connection: bool) -> None:
    centre = Centre(m0200=[says("00", f38="123456")])
    shop = Shop(tmp_path, centre, keeps_connection=keeps_connection)
    assert shop.run() == ["approved"]
    assert centre.mtis == ["0800", "0200"]
    assert centre.connections == (1 if keeps_connection else 2)
    (slip,) = read_book(shop.path)
    assert (slip["pan"], slip["terminal"], slip["amount"]) == (PURCHASE.pan, "10000001", 1234)
    assert (slip["outcome"], slip["auth"], slip["rrn"]) == ("approved", "123456", "601510000001")


def test_a_sale_is_what_the_centre_expects(tmp_path: Path) -> None:
    centre = Centre(m0200=[says("00")])
    Shop(tmp_path, centre).run()
    request = centre.heard[-1]
    assert kind_from_terminal(request.mti, texts(request)) is SALE
    assert missing_field(SALE, texts(request)) is None
    assert batch_of(texts(request)) == BATCH
    assert pos.signature_fits(centre.payloads[-1], MAK)
    block = request.fields[52]
    assert isinstance(block, bytes)
    assert decode_iso0(tdes_decrypt(PIK, block), PURCHASE.pan) == PURCHASE.pin


@pytest.mark.parametrize("code", ["51", "91", "05", "54", "94"])
def test_a_declined_sale_is_not_reversed(tmp_path: Path, code: str) -> None:
    centre = Centre(m0200=[says(code)])
    shop = Shop(tmp_path, centre)
    assert shop.run() == ["declined"]
    assert centre.mtis == ["0800", "0200"]
    assert shop.slips() == [("declined", code)]


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (silence, "98"),
        (cut, "98"),
        (lambda request: b"\x60garbage", "98"),
        (says("00", mak=bytes(8)), "A0"),
        (says("00", mak=None), "98"),
        (says("51", mak=None), "98"),
        (says("00", f11="999999"), "98"),
        (says("00", f4="000000009999"), "98"),
        (says("00", f60="22000042000"), "98"),
        (says("98"), "98"),
        (says("68"), "98"),
        (says("96"), "96"),
    ],
)
def test_an_unknown_outcome_is_taken_back(tmp_path: Path, word: Word, why: str) -> None:
    centre = Centre(m0200=[word])
    shop = Shop(tmp_path, centre)
    assert shop.run() == ["neither"]
    assert centre.mtis == ["0800", "0200", "0400"]
    sale, reversal = centre.heard[1:]
    assert reversal.fields[39] == why
    for field in (2, 3, 4, 11, 22, 25, 41, 42, 49, 60):
        assert reversal.fields[field] == sale.fields[field]
    assert 35 not in reversal.fields
    assert 52 not in reversal.fields
    assert pos.signature_fits(centre.payloads[-1], MAK)


@pytest.mark.parametrize("end", ["00", "12", "25"])
def test_a_reversal_is_repeated_until_it_is_confirmed_and_only_then_comes_the_next_sale(
    tmp_path: Path, end: str
) -> None:
    unusable = [
        silence,
        cut,
        says("00", mak=bytes(8)),
        says("25", mak=None),
        says("96"),
        says("97", mak=None),
    ]
    centre = Centre(m0200=[silence, says("00")], m0400=[*unusable, says(end)])
    shop = Shop(tmp_path, centre)
    assert shop.run(PURCHASE, PURCHASE) == ["neither", "approved"]
    assert centre.mtis == ["0800", "0200", *["0400"] * 7, "0200"]
    reversals = [message.fields for message in centre.heard if message.mti == "0400"]
    assert all(fields[11] == centre.heard[1].fields[11] for fields in reversals)
    assert centre.heard[-1].fields[11] != centre.heard[1].fields[11]


def test_stale_keys_at_a_reversal_lead_to_a_sign_on_and_the_same_reversal(tmp_path: Path) -> None:
    other = bytes(range(40, 48))
    again = [signed_on, lambda request: signed_on(request, pack_f62(TMK, PIK, other))]
    centre = Centre(m0800=again, m0200=[silence], m0400=[says("A0", mak=None), says("00", mak=other)])
    assert Shop(tmp_path, centre).run() == ["neither"]
    assert centre.mtis == ["0800", "0200", "0400", "0800", "0400"]
    assert centre.heard[-1].fields[60] == centre.heard[1].fields[60]
    assert pos.signature_fits(centre.payloads[-1], other)


@pytest.mark.parametrize(("code", "signs_on"), [("A0", True), ("77", True), ("97", False), ("03", False)])
def test_unsigned_refusals_are_declines(tmp_path: Path, code: str, signs_on: bool) -> None:
    centre = Centre(m0200=[says(code, mak=None)])
    shop = Shop(tmp_path, centre)
    assert shop.run() == ["declined"]
    assert centre.mtis == ["0800", "0200"] + ["0800"] * signs_on
    assert shop.slips() == [("declined", code)]


def test_keys_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    f62 = bytearray(pack_f62(TMK, PIK, MAK))
    f62[3] ^= 1
    bad = [lambda request: signed_on(request, bytes(f62)), silence, says("97", mak=None), signed_on]
    centre = Centre(m0800=bad, m0200=[says("00")])
    assert Shop(tmp_path, centre).run() == ["approved"]
    assert centre.mtis == ["0800"] * 4 + ["0200"]
    stans = [message.fields[11] for message in centre.heard]
    assert len(set(stans)) == len(stans)


def test_an_answer_for_another_address_is_no_answer(tmp_path: Path) -> None:
    def unswapped(request: Message) -> bytes:
        payload = says("00")(request)
        assert payload is not None
        return request.header + payload[len(request.header) :]

    assert Shop(tmp_path, Centre(m0200=[unswapped])).run() == ["neither"]


def test_a_sale_that_cannot_be_ended_is_left_in_the_book(tmp_path: Path) -> None:
    shop = Shop(tmp_path, Centre(m0200=[silence], m0400=[silence]))

    async def scene() -> None:
        terminal = await shop.fitted()
        trading = asyncio.create_task(terminal.trade(0.01, asyncio.Event()))
        async with asyncio.timeout(30):
            await until(lambda: "0200" in shop.centre.mtis)
            assert terminal.in_flight() is not None
            await until(lambda: shop.centre.mtis.count("0400") > 1)
        assert terminal.in_flight() is None
        trading.cancel()
        await asyncio.gather(trading, return_exceptions=True)

    asyncio.run(scene())
    assert shop.slips() == [("open", "")]


def test_closing_lets_the_customer_finish(tmp_path: Path) -> None:
    shop = Shop(tmp_path, Centre(m0200=[says("00")], m0820=[says("00", mak=None)]))

    async def scene() -> None:
        terminal = await shop.fitted()
        closing = asyncio.Event()
        trading = asyncio.create_task(terminal.trade(0.002, closing))
        async with asyncio.timeout(30):
            await until(lambda: terminal.counts["approved"] >= 300)
            closing.set()
            await trading
        assert terminal.sale is None

    asyncio.run(scene())
    assert {outcome for outcome, _ in shop.slips()} == {"approved"}
    asked = [mti for mti in shop.centre.mtis if mti in ("0100", "0200", "0220")]
    assert len(asked) == len(shop.slips())
    assert shop.centre.mtis[-3:] == ["0500", "0800", "0820"]


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    shop = Shop(tmp_path, Centre(m0200=[says("00")]))
    shop.run()
    shown = repr((shop.terminal, shop.terminal._fitting, PURCHASE))
    for secret in (repr(TMK), repr(MAK), PURCHASE.pan, PURCHASE.pin):
        assert secret not in shown
