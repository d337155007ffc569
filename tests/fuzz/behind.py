"""Behind the codec: what becomes of a payload that a terminal or a bank sent, as far as its answer."""

import msgspec

from posswitch.base.errors import PosswitchError
from posswitch.codec import Message
from posswitch.edge.admit import POS, Direct, Dropped
from posswitch.edge.hear import ANSWERS
from posswitch.engine.decide import decide
from posswitch.engine.effects import Answer
from posswitch.engine.events import AnswerArrived, Event, RequestArrived
from posswitch.engine.facts import NO_FACTS
from posswitch.scheme.kinds import answer_mti, text

from . import switchboard as board

_BANKS = tuple(board.BANKS)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode
_TRACK_MIN = 14  # shorter ones, and blocks of plain characters, may stand elsewhere by chance
_ANSWER = Answer("00", "616611000001", "A12345", "0615", board.BATCH, "11")


def let_in(payload: bytes) -> bool:
    """A terminal's payload: admitted, decided, dressed for its bank, answered; or refused with an answer."""
    try:
        admitted = board.admitted(payload)
    except PosswitchError:  # the front door expects it: nothing is said about why
        admitted = board.admission.refusal(POS.unpack(payload), "96")
    if isinstance(admitted, Dropped):
        return False
    if isinstance(admitted, Direct):
        told = board.outcome(board.dresser.refusal(admitted.message, admitted.code, admitted.keys, board.NOW))
        assert POS.unpack(told).fields[39] == admitted.code, "the refusal says something else"
        return False
    ticket = board.tickets.get(admitted.ticket)
    assert ticket is not None
    board.tickets.sweep(1 << 62)
    _recorded(admitted, POS.unpack(payload))
    decide(board.state, admitted, NO_FACTS, board.NOW_NS, board.rules)
    told = POS.unpack(board.outcome(board.dresser.response(admitted, _ANSWER, ticket, board.NOW)))
    assert told.fields[39] == _ANSWER.code, "the answer says something else"
    if isinstance(admitted, RequestArrived):
        for bank in (admitted.bank,) if admitted.bank else _BANKS:
            _forwarded(admitted, ticket, bank)
    return True


def _recorded(event: Event, message: Message) -> None:
    """The event as the journal keeps it is the same when read, and holds no track and no PIN block."""
    record = _encode(event)
    assert _decode(record) == event, "the record reads differently"
    track, pin_block = text(message, 35), message.fields.get(52, b"")
    if len(track) >= _TRACK_MIN and not track.isdecimal():
        assert track.encode() not in record, "a track is in the record"
    if isinstance(pin_block, bytes) and pin_block and not pin_block.isascii():
        assert pin_block not in record, "a PIN block is in the record"


def _forwarded(event: RequestArrived, ticket: object, bank: str) -> None:
    """What the release does, with the errors that it expects."""
    flight = board.flight_of(event, 1, bank)
    for dress in (
        lambda: board.dresser.request(flight, ticket),
        lambda: board.dresser.reversal(flight, repeat=False),
        lambda: board.dresser.advice(flight, repeat=True),
    ):
        try:
            payload = board.outcome(dress())
        except PosswitchError:
            continue
        board.voices[flight.request.bank].unpack(payload)


def heard(data: bytes) -> bool:
    """A byte for the bank, then what it sent: an answer that is decided, management that is answered."""
    bank = _BANKS[(data[0] if data else 0) % len(_BANKS)]
    read = board.hearing.read(bank, data[1:])
    if isinstance(read, Dropped):
        return False
    message, unread = read
    if unread:
        board.outcome(board.hearing.returned(bank, message))
    elif message.mti in ("0820", "0800") and 70 in message.fields:
        stan = text(message, 11) or "000000"
        board.dresser.management(bank, answer_mti(message.mti), stan, board.NOW, text(message, 70), "00")
    elif message.mti in ANSWERS:
        event = board.outcome(board.hearing.verified(bank, message))
        if not isinstance(event, Dropped):
            assert _decode(_encode(event)) == event, "the record reads differently"
            decide(board.state, event, NO_FACTS, board.NOW_NS, board.rules)
            return isinstance(event, AnswerArrived)
    return False
