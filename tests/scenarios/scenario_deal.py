"""One payment of a line: what its terminal sends, and what bank and terminal must see of it, always."""

from dataclasses import dataclass, field

import msgspec
from edge_bank import Asked
from edge_till import POS, Till
from scenario_lines import Step

from posswitch.base.card import luhn_digit
from posswitch.base.codes import APPROVALS
from posswitch.codec import Message, swap_tpdu
from posswitch.crypto.signon import WorkingKeys
from posswitch.scheme.kinds import PAYMENT_KINDS, Kind, answer_mti
from posswitch.sim.peers import pos
from posswitch.sim.peers.customer import UNKNOWN_RANGE, Purchase, pan_at

ACQUIRER, CENTRE = "48020000", "00010000"
UNSIGNED = frozenset({"97", "A0", "77"})  # refusals for which the centre may have no key
_REPEATED = (3, 4, 11, 25, 41, 42, 49)
_LEFT_OUT = {"0830": (42,), "0330": (49,)}  # the first: a line of its own waits for it
_SECRETS = frozenset({26, 35, 36, 52, 53})
_BINARY = frozenset({52, 55, 62, 64})


@dataclass
class Deal:
    """A payment that a line has begun."""

    kind: Kind
    till: Till
    batch: str
    stan: int
    purchase: Purchase
    request: Message
    payload: bytes
    original: "Deal | None" = None
    asked: Asked | None = None
    auth: str = ""  # what the bank said
    answer: dict[int, str | bytes] = field(default_factory=dict)
    told_mti: str = ""

    @property
    def receipt(self) -> pos.Receipt:
        """What the terminal keeps; an unanswered one keeps what it can."""
        rrn, auth, date = (str(self.answer.get(number, "")) for number in (37, 38, 13))
        return pos.Receipt(
            self.kind.name, self.purchase, self.batch, self.stan, rrn or "0" * 12, auth or "000000", date
        )

    @property
    def key(self) -> tuple[str, str]:
        """MTI and trace number of its answer."""
        return answer_mti(self.request.mti), str(self.request.fields.get(11, ""))

    def original_data(self) -> str:
        """Field 90 of whatever builds on this payment or takes it back."""
        assert self.asked is not None
        asked = self.asked
        return f"{asked.message.mti}{asked[11]}{asked[7]}{ACQUIRER.zfill(11)}{CENTRE.zfill(11)}"


def card_of(step: Step, bought: Purchase, foreign_pan: str) -> Purchase:
    """The customer's card, with what a line says is odd about it."""
    pan, changed = bought.pan, {}
    match step.choices.get("card", ""):
        case "expired":
            changed = {"expiry": "1912"}
        case "bad-luhn":
            changed = {"pan": pan[:-1] + str((int(pan[-1]) + 1) % 10)}
        case "unknown-bin":
            changed = {"pan": pan_at(UNKNOWN_RANGE, int(pan[-6:-1]))}
        case "short":
            changed = {"pan": pan[:11] + luhn_digit(pan[:11])}
        case "long":  # no bank has cards of this length under this prefix
            changed = {"pan": (body := pan[:6] + pan[6:].rjust(11, "0")[:11]) + luhn_digit(body)}
        case "foreign":
            changed = {"pan": foreign_pan}
    return msgspec.structs.replace(bought, **changed)


def request_of(step: Step, kind: Kind, till: Till, stan: int, purchase: Purchase, original) -> Message:
    """The terminal's message, unsigned."""
    options = step.options
    by_hand = "manual" in options
    keys = WorkingKeys(till.pik or bytes(16), till.mak)
    base = original.receipt if original is not None else None
    message = pos.payment(
        kind, till.id, till.fitting.merchant, stan, till.batch, purchase, keys, base,
        swiped=not by_hand and "no-card" not in options,
    )  # fmt: skip
    if by_hand:
        message.fields[2], message.fields[14] = purchase.pan, purchase.expiry
        message.fields[22] = "011" if purchase.pin else "012"
    if "no-track" in options:
        del message.fields[35]
    if "other-track" in options:
        message.fields[35] = purchase.track2.replace(purchase.pan[-5:-1], "0000")
    return changed(message, step.changes)


def changed(message: Message, changes: dict[int, str | None]) -> Message:
    """With fields replaced or left out."""
    for number, value in changes.items():
        if value is None:
            message.fields.pop(number, None)
        else:
            message.fields[number] = bytes.fromhex(value) if number in _BINARY else value
    return message


def declared(message: Message) -> Message:
    """The same message, saying itself that it was sent before (xxx1)."""
    return Message(f"{message.mti[:3]}1", dict(message.fields), message.header)


def packed(message: Message, step: Step, mak: bytes, old_mak: bytes) -> bytes:
    """Signed as the line says."""
    if "no-mac" in step.options:
        return POS.pack(message)
    payload = pos.signed(POS, message, (old_mak if "old-mac" in step.options else mak) or bytes(8))
    if "bad-mac" in step.options:
        payload = payload[:-1] + bytes((payload[-1] ^ 1,))
    if 64 in step.changes:
        raise AssertionError("say no-mac or bad-mac")
    return payload


def check_answer(payload: bytes, request: Message, till: Till, *, signed: bool) -> Message:
    """What holds for every answer: it repeats its request, and is signed when the terminal has a key."""
    answer = POS.unpack(payload)
    assert answer.mti == answer_mti(request.mti)
    assert answer.header == swap_tpdu(pos.HEADER)
    for number in _REPEATED:
        if number in request.fields and number not in _LEFT_OUT.get(answer.mti, ()):
            assert answer.fields.get(number) == request.fields[number], f"field {number} of the answer"
    if 64 in answer.fields:
        assert pos.signature_fits(payload, till.mak), "the centre's MAC does not fit"
    else:
        assert not signed or answer.fields[39] in UNSIGNED, f"{answer.fields[39]} without a MAC"
    if answer.fields[39] not in APPROVALS:
        assert {38, 54, 62}.isdisjoint(answer.fields), "a refusal gives nothing away"
    return answer


def check_paid(deal: Deal, answer: Message) -> None:
    """What the answer to a payment adds."""
    if deal.asked is not None and answer.fields[39] not in (*UNSIGNED, "94"):
        assert answer.fields[37] == deal.asked[37], "one RRN everywhere"
        assert answer.fields[2] == deal.purchase.pan if 2 in answer.fields else 2 not in deal.request.fields
    if answer.fields[39] in APPROVALS:
        assert answer.fields.get(38, "") == ("" if deal.kind.advice else deal.auth)


def check_asked(deal: Deal, asked: Asked) -> None:
    """What holds for everything that a bank is asked."""
    kind, sent = deal.kind, deal.request.fields
    assert asked[2] == deal.purchase.pan
    assert (asked[3], asked[25]) == (kind.terminal[1], kind.terminal[2])
    assert (asked[32], asked[33]) == (ACQUIRER, CENTRE)
    _same(asked, sent, (4, 22, 41, 42, 49) if 4 in kind.need else (22, 41, 42))
    if kind.advice:
        assert _SECRETS.isdisjoint(asked.message.fields), "an advice tells no secret"
    elif deal.purchase.pin and 52 in sent:
        assert asked[52] != sent[52]
    else:
        assert 52 not in asked.message.fields
    if not kind.advice:
        track = sent.get(35)
        assert str(asked.message.fields.get(35)).replace("D", "=") == str(track).replace("D", "=")
    stands = deal.original is not None and deal.original.asked is not None
    if stands and kind.binding:
        assert asked[90] == deal.original.original_data()
        assert asked.message.fields.get(38, "") == deal.original.auth
    elif not stands:
        assert 90 not in asked.message.fields
        assert asked.message.fields.get(38) == sent.get(38)


def check_again(deal: Deal, asked: Asked) -> None:
    """A repeated advice is the same one, under the same numbers."""
    assert deal.asked is not None
    check_asked(deal, asked)
    _same(asked, deal.asked.message.fields, (7, 11, 12, 13, 37))


def check_taken_back(deal: Deal, asked: Asked) -> None:
    """A reversal names its original, repeats it, and tells no secret."""
    assert deal.asked is not None
    assert asked[90] == deal.original_data()
    _same(asked, deal.asked.message.fields, (2, 3, 4, 12, 13, 14, 18, 22, 25, 32, 33, 37, 41, 42, 43, 49))
    assert _SECRETS.isdisjoint(asked.message.fields)
    assert (asked[7], asked[11]) != (deal.asked[7], deal.asked[11])


def _same(asked: Asked, other: dict[int, str | bytes], fields: tuple[int, ...]) -> None:
    got = asked.message.fields
    assert {number: got.get(number) for number in fields} == {number: other.get(number) for number in fields}


def kind_named(verb: str, row: tuple[str, str, str, str]) -> Kind:
    """A kind that the centre does not offer, as a terminal would send it."""
    like = PAYMENT_KINDS["sale"]
    return msgspec.structs.replace(like, name=verb, terminal=row)
