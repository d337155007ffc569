"""Good input to begin from, made by the product's own builders, with the places where a byte decides most."""

from functools import cache
from typing import NamedTuple

from posswitch.base.errors import CodecError
from posswitch.codec import Dialect, Message, framed, pack_tlv
from posswitch.codec.column import Column, read_steps
from posswitch.scheme.kinds import PAYMENT_KINDS, answer_mti
from posswitch.sim.peers import cups

from . import switchboard as board
from .dialect_files import DIALECTS, FILES

_SOME = 3  # of what is much alike, one in so many
_OFTEN = 3  # a length is hit more often than a bitmap, which costs a new plan


class Seed(NamedTuple):
    """Bytes, and the indexes in them of bitmaps and length prefixes."""

    data: bytes
    hot: tuple[int, ...] = ()


CHIP = pack_tlv(
    [
        ("9F26", bytes(range(8))),
        ("5A", bytes.fromhex("6222021234567894")),
        ("57", bytes.fromhex("6222021234567894D2912201")),
        ("9F10", b"\x07\x01\x01\x03"),
        ("70", pack_tlv([("5F24", b"\x29\x12\x31"), ("BF0C", pack_tlv([("9F4D", bytes(130))]))])),
        ("9F36", b"\x00\x34"),
    ]
)
_ODD_FIELDS: dict[int, str | bytes] = {
    2: "6222021234567894",
    28: "D00000100",
    35: "6222021234567894=29122011234567890",
    36: "996222021234567894=1561560500050000000000",
    43: "解放路超市         ",
    44: "62220212",
    45: "B6222021234567894^ZHANG/SAN^2912201",
    48: "card 6222-0212-3456-7894",
    52: bytes.fromhex("0123456789ABCDEF"),
    54: "0001156C000000012345",
    55: CHIP,
    62: bytes(40),
    63: "CUP 6222021234567894",
    90: "0200" + "000001" + "0615100000" + "00048020000" + "00000010000",
}


@cache
def messages() -> tuple[Message, ...]:
    """What terminals ask, what banks are asked, what they answer; and one message of odd fields."""
    odd = [Message("0200", _ODD_FIELDS), Message("0810", {62: bytes(40)})]
    return (*board.requests(), *bank_messages(), *odd)


@cache
def bank_messages() -> tuple[Message, ...]:
    """Requests, reversals and advices as each bank gets them, and its answers."""
    found = [_read("90010000", board.dresser.management("90010000", "0820", "000001", board.NOW, "301"))]
    found.append(cups.management_answer(found[0], "90010000", "00"))
    for flight in board.flights:
        asked = [board.dresser.reversal(flight, repeat=False)] if flight.request.pan_box else []
        if flight.request.pan_box and PAYMENT_KINDS[flight.request.kind].advice:
            asked.append(board.dresser.advice(flight, repeat=True))
        asked.append(board.dresser.request(flight, board.waiting.get(flight.ticket)))
        for work in asked:
            request = _read(flight.request.bank, board.outcome(work))
            answer = cups.answer(request, flight.request.bank, "00", "A12345", "0615")
            cups.sign(answer, board.ZAK)
            found += [request, answer]
    return tuple(found)


def _read(bank: str, payload: bytes) -> Message:
    return board.voices[bank].unpack(payload)[0]


@cache
def payloads(dialect: Dialect) -> tuple[Seed, ...]:
    """Every message as far as this dialect can write it, then all its fields in a few messages."""
    whole = [fitted(dialect, message) for message in messages()] + list(_of_all_fields(dialect))
    found = {dialect.pack(message): message for message in whole}
    return tuple(seed_of(dialect, payload, message) for payload, message in found.items())


def fitted(dialect: Dialect, message: Message) -> Message:
    """The message with the fields that the dialect can write."""
    header = message.header if len(message.header) == dialect.header_bytes else bytes(dialect.header_bytes)
    fields = {
        number: value for number, value in message.fields.items() if _fits(dialect, header, number, value)
    }
    return Message(message.mti, fields, header)


def _fits(dialect: Dialect, header: bytes, number: int, value: str | bytes) -> bool:
    try:
        dialect.pack(Message("0200", {number: value}, header))
    except CodecError:
        return False
    return True


def _of_all_fields(dialect: Dialect) -> list[Message]:
    header = bytes(dialect.header_bytes)
    fields: dict[int, str | bytes] = {}
    for number, column in dialect._columns.items():
        fields[number] = next(value for value in _values(column) if _fits(dialect, header, number, value))
    numbers = sorted(fields)
    parts = [numbers[at : at + 16] for at in range(0, len(numbers), 16)]
    return [
        Message("0200", {number: fields[number] for number in part}, header) for part in [numbers, *parts]
    ]


def _values(column: Column) -> list[str | bytes]:
    units = min(len(column.prefixes) - 1, 7) if column.prefixes else column.units
    return ["1" * units, "C" + "1" * (units - 1), "Ab" * (units // 2) + "c" * (units % 2), b"\x01" * units]


def seed_of(dialect: Dialect, payload: bytes, message: Message) -> Seed:
    """The payload with its bitmap and the prefixes of its variable fields marked."""
    columns = [dialect._columns[number] for number in sorted(message.fields)]
    start = dialect._bitmap_at
    wide = payload[start] >= dialect._wide_from
    at = start + dialect._half_bytes * (2 if wide else 1)
    hot = list(range(start, at))
    for _, extents, prefix_bytes, _, width, _, _ in read_steps(columns):
        behind = at + prefix_bytes
        if extents is not None:
            hot += _OFTEN * list(range(at, behind))
            at = behind + extents[payload[at:behind]][1]
        else:
            at += width
    assert at == len(payload)
    return Seed(payload, tuple(hot))


def from_banks() -> list[Seed]:
    """What the hearing gets: which bank, then its payload."""
    found = []
    said = bank_messages()[::_SOME]
    for index, bank in enumerate(board.BANKS):
        dialect = DIALECTS[board.BANKS[bank].removesuffix(".toml")]
        for message in said:
            for part in (
                message,
                Message(answer_mti(message.mti), {**message.fields, 39: "00", 54: "1" * 20}),
            ):
                written = fitted(dialect, part)
                payload = cups.packed(dialect, written, board.config.centre, bank)
                seed = seed_of(dialect, payload, written)
                found.append(Seed(bytes((index,)) + payload, tuple(at + 1 for at in seed.hot)))
    return list(dict.fromkeys(found))


def streams(prefix: str) -> list[Seed]:
    """How it is cut, then frames one behind the other."""
    bodies = [b"", b"0800", bytes(63), bytes(64), bytes(200)]
    stream, hot = b"", []
    for body in bodies[:4]:
        frame = framed(prefix, body)
        hot += range(len(stream) + 1, len(stream) + 1 + len(frame) - len(body))
        stream += frame
    return [Seed(bytes((cut,)) + stream + framed(prefix, bodies[-1]), tuple(hot)) for cut in (4, 7, 60, 255)]


def headers() -> list[Seed]:
    """Headers of both kinds."""
    from_bank = cups.packed(DIALECTS["cups"], Message("0800", {11: "000001"}), "90010000", "00010000")
    return [Seed(from_bank), Seed(from_bank[:46]), Seed(board.pos.HEADER)]


def dialect_texts() -> list[Seed]:
    """Every dialect file with a payload that it reads behind a zero."""
    found = []
    for name, text in FILES.items():
        best = max((seed.data for seed in payloads(DIALECTS[name])), key=len)
        found += [Seed(text.encode() + b"\0" + best), Seed(text.encode())]
    found.append(
        Seed(b'{"base": "cups", "header_bytes": 0, "fields": {"48": {"prefix": "LL", "max": 12}}}\0')
    )
    return found


WORDS = tuple(
    b"ascii|bcd|ebcdic|binary|hex-ascii|raw|latin-1|gb18030|gbk|utf-8|cp037|cp500|left|right|LL|LLL|LLLLLL|fixed|"
    b"x+n|ans|z|n|b|LLVAR|bcd 2|binary 1|binary 6|length 2 bytes bcd, ascii|ascii 6|LL ascii|fields|custom|"
    b"field_overrides|base|prefix|encoding|length|max|header_bytes|true|false|-1|0|1|99999999999999999999|1.5|"
    b"nan|inf|1979-05-27|[]|{}|[[|]]|\"\"|'''|\\u0000|\\ud800|#|\n|=|\xef\xbb\xbf|0x7fffffffffffffff|128|129|65|2".split(
        b"|"
    )
)
