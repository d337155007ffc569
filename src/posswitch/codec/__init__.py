"""Bytes to values and back: ISO 8583 messages in any dialect, frames, headers, TLV, masked views."""

from posswitch.codec.damage import Damage, examine, examine_text
from posswitch.codec.describe import decode_json, describe
from posswitch.codec.dialect import Dialect
from posswitch.codec.frame import PREFIXES, Framer, framed
from posswitch.codec.header import CupsHeader, cups_header, read_cups_header, swap_tpdu
from posswitch.codec.message import Message
from posswitch.codec.picture import picture, picture_text
from posswitch.codec.profile import BUILT_IN, field_names, load_dialect
from posswitch.codec.tlv import pack_tlv, unpack_tlv, walk_tlv

__all__ = [
    "BUILT_IN",
    "PREFIXES",
    "CupsHeader",
    "Damage",
    "Dialect",
    "Framer",
    "Message",
    "cups_header",
    "decode_json",
    "describe",
    "examine",
    "examine_text",
    "field_names",
    "framed",
    "load_dialect",
    "pack_tlv",
    "picture",
    "picture_text",
    "read_cups_header",
    "swap_tpdu",
    "unpack_tlv",
    "walk_tlv",
]
