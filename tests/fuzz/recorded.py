"""What people do with recorded bytes: explain, convert, compare, cut, find what fits."""

from posswitch.base.errors import CodecError
from posswitch.codec import Dialect, Framer, Message, examine, load_dialect, picture_text
from posswitch.codec.compare import Spoken, differences
from posswitch.codec.convert import convert
from posswitch.codec.cut import FRAMINGS, NO_FRAMING, cut
from posswitch.codec.fit import dialect_file, fits
from posswitch.codec.reassembly import reassemble

from .checks import masked, pans_hidden_in, sane
from .dialect_files import DIALECTS, place

_DIALECTS = tuple(DIALECTS.values())


def _read(dialect: Dialect, payload: bytes) -> Message | CodecError:
    try:
        return dialect.unpack(payload)
    except CodecError as error:
        sane(error, payload)
        return error


def _chosen(data: bytes, at: int) -> Dialect:
    return _DIALECTS[(data[at] if at < len(data) else 0) % len(_DIALECTS)]


def explained(data: bytes) -> bool:
    """A byte for the dialect, then a payload: a picture of it, or what is wrong with it."""
    dialect, payload = _chosen(data, 0), data[1:]
    message = _read(dialect, payload)
    if isinstance(message, CodecError):
        assert str(examine(dialect, payload, message)).encode()
        return False
    masked(message)
    pans_hidden_in(message, picture_text(dialect, message))
    assert picture_text(dialect, message, reveal=True)
    return True


def converted(data: bytes) -> bool:
    """A byte for each of two dialects, then a payload of the first: the second reads what becomes of it."""
    one, other, payload = _chosen(data, 0), _chosen(data, 1), data[2:]
    message = _read(one, payload)
    if isinstance(message, CodecError):
        return False
    there = convert(message, other)
    assert other.pack(there.message) == there.payload, "message and bytes are not the same"
    assert other.unpack(there.payload).fields.keys() == there.message.fields.keys(), "a field is lost"
    for difference in differences(Spoken(one, message), Spoken(other, there.message)):
        assert str(difference).encode()
    for note in there.notes:
        assert str(note).encode()
    return True


def cut_up(data: bytes) -> bool:
    """Any bytes under each framing: every byte is in a frame, lost, open or a prefix."""
    found = False
    for framing in FRAMINGS:
        result = cut([data], framing)
        kept = sum(map(len, result.frames))
        assert kept + result.lost + result.open <= len(data), "more bytes than there were"
        if framing != NO_FRAMING and result.frames and not result.lost and not result.open:
            assert [frame for frame in Framer(framing, len(data)).feed(data) if frame] == result.frames
        found |= framing != NO_FRAMING and bool(result.frames)
    size = 1 + (data[0] & 31 if data else 0)
    pieces = [(at, data[at : at + size]) for at in range(0, len(data), size)]
    assert b"".join(reassemble(pieces[::-1] + pieces)) == data, "disorder is not put right"
    return found


def fitted(data: bytes) -> bool:
    """Any recording: what fits it can be written as a dialect file that is one."""
    found = fits([data])
    for fit in found[:1]:
        path = place("fit.toml")
        path.write_text(dialect_file(fit), "utf-8")
        load_dialect(str(path))
    return bool(found)
