"""The two headers: TPDU addresses of the POS frame and the 46-byte header between banks."""

from functools import lru_cache
from typing import NamedTuple

from posswitch.base.errors import CodecError

TPDU_BYTES = 5  # identifier 1, destination 2, source 2
CUPS_HEADER_BYTES = 46
_VERSION = b"\x02"  # current version, production
_ID_BYTES = 11
_TOTAL_AT, _DESTINATION_AT, _SOURCE_AT, _REJECT_AT = 2, 6, 17, 41


class CupsHeader(NamedTuple):
    """What a switch reads in the header; `reject_code` other than 00000 = the message came back unread."""

    destination: str
    source: str
    total_bytes: int  # the header is counted
    reject_code: str


def swap_tpdu(header: bytes) -> bytes:
    """The POS header of an answer: destination and source of the TPDU change places; CodecError if short."""
    if len(header) < TPDU_BYTES:
        raise CodecError("too short for a TPDU", None, len(header))
    return header[:1] + header[3:5] + header[1:3] + header[5:]


@lru_cache(maxsize=256)
def _around_total(destination: str, source: str) -> tuple[bytes, bytes]:
    """What stands before and after the total length."""
    reserved, batch, transaction, user, not_rejected = b"000", b"0", b"00000000", b"0", b"00000"
    return (
        bytes((CUPS_HEADER_BYTES,)) + _VERSION,
        _id_bytes(destination) + _id_bytes(source) + reserved + batch + transaction + user + not_rejected,
    )


def cups_header(destination: str, source: str, body_bytes: int) -> bytes:
    """The header before `body_bytes` of message; ids are 1 to 11 digits; CodecError if one does not fit."""
    total_bytes = CUPS_HEADER_BYTES + body_bytes
    if not CUPS_HEADER_BYTES <= total_bytes <= 9999:
        raise CodecError(f"a body of {body_bytes} bytes does not fit a 4-digit total")
    before, after = _around_total(destination, source)
    return before + b"%04d" % total_bytes + after


def read_cups_header(payload: bytes) -> CupsHeader:
    """The header at the start of a payload; CodecError (field None, offset) when it is not one."""
    if len(payload) < CUPS_HEADER_BYTES:
        raise CodecError("shorter than the header of 46 bytes", None, len(payload))
    if payload[0] != CUPS_HEADER_BYTES:
        raise CodecError("the header length is not 46", None, 0)
    return CupsHeader(
        _read_id(payload, _DESTINATION_AT),
        _read_id(payload, _SOURCE_AT),
        int(_digits(payload, _TOTAL_AT, 4)),
        _digits(payload, _REJECT_AT, 5),
    )


def _id_bytes(institution: str) -> bytes:
    if not (institution.isascii() and institution.isdecimal() and len(institution) <= _ID_BYTES):
        raise CodecError("an institution id is 1 to 11 digits")
    return institution.encode("ascii").ljust(_ID_BYTES)


def _read_id(payload: bytes, at: int) -> str:
    length = len(payload[at : at + _ID_BYTES].rstrip(b" "))
    if not length:
        raise CodecError("an empty institution id", None, at)
    return _digits(payload, at, length)


def _digits(payload: bytes, at: int, length: int) -> str:
    chunk = payload[at : at + length]
    if not chunk.isdigit():
        bad = next(index for index, byte in enumerate(chunk) if not 48 <= byte <= 57)
        raise CodecError("not a digit", None, at + bad)
    return chunk.decode("ascii")
