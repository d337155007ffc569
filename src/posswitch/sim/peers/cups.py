"""What a bank says: answers, signed, and packed in its own dialect."""

from posswitch.codec import Dialect, Message, cups_header
from posswitch.codec.header import CUPS_HEADER_BYTES
from posswitch.crypto.mab import interbank_text
from posswitch.crypto.mac import mac_by_name, same
from posswitch.scheme.interbank import ANSWER_FIELDS, mac_text
from posswitch.scheme.kinds import answer_mti

_MANAGEMENT_ANSWER = (7, 11, 33, 70)
USUAL_MAC = "x9.19"


def answer(request: Message, bank: str, code: str, auth: str, date: str) -> Message:
    """The answer to a sale or reversal: what must be repeated, field 39, settlement date, `auth` if any."""
    fields = {field: request.fields[field] for field in ANSWER_FIELDS if field in request.fields}
    fields |= {15: date, 39: code, 100: bank}
    if auth:
        fields[38] = auth
    return Message(answer_mti(request.mti), fields)


def management_answer(request: Message, bank: str, code: str) -> Message:
    """The answer to a sign-on or echo."""
    fields = {field: request.fields[field] for field in _MANAGEMENT_ANSWER if field in request.fields}
    return Message(answer_mti(request.mti), {**fields, 39: code, 100: bank})


def sign(message: Message, zak: bytes, how: str = USUAL_MAC) -> None:
    """Sets field 128."""
    message.fields[128] = _mac(message, zak, how)


def signature_fits(message: Message, zak: bytes, how: str = USUAL_MAC) -> bool:
    """True when field 128 is there and is the MAC of the fields that it covers."""
    mac = message.fields.get(128)
    return isinstance(mac, bytes) and same(mac, _mac(message, zak, how))


def packed(dialect: Dialect, message: Message, destination: str, source: str) -> bytes:
    """The payload; with the 46-byte header where the dialect has it."""
    message.header = bytes(dialect.header_bytes)
    payload = dialect.pack(message)
    if dialect.header_bytes != CUPS_HEADER_BYTES:
        return payload
    body = payload[CUPS_HEADER_BYTES:]
    return cups_header(destination, source, len(body)) + body


def _mac(message: Message, zak: bytes, how: str) -> bytes:
    return mac_by_name(how, zak, interbank_text(mac_text(message)))
