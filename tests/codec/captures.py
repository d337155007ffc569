"""Seeded recordings with a known answer: framing, dialect file, messages, and some noise."""

import random
from typing import Any, NamedTuple

from posswitch.base.errors import CodecError
from posswitch.codec import BUILT_IN, Dialect, Message, framed
from posswitch.codec.profile import dialect_of

from .traffic import draw_message

_EBCDIC = dict.fromkeys(("text", "numeric", "mti", "length_indicator"), "ebcdic")
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "pos": [
        *({}, {}, {}),  # most networks do as the standard says
        {"header_bytes": 5},
        {"header_bytes": 0},
        {"length_indicator": "ascii"},
        {"length_indicator": "binary"},
        {"left_aligned_fixed": []},
        {"odd_LLnumeric_pad": "left"},
    ],
    "cups": [
        *({}, {}, {}),
        {"header_bytes": 0},
        {"header_bytes": 20},
        {"binary_fields": "hex-ascii"},
        {"bitmap": "hex-ascii"},
        _EBCDIC,
    ],
    "iso87a": [
        *({}, {}),
        {"bitmap_fixed_128": True},
        {"header_bytes": 5},
        {"bitmap": "binary"},
        {"binary_fields": "raw"},
    ],
    "iso87b": [
        *({}, {}),
        {"header_bytes": 5},
        {"length_indicator": "binary"},
        {"numeric": "ascii", "length_indicator": "ascii"},
        {"text": "ebcdic"},
    ],
}
FRAMINGS = ("none", "bin2", "bin2self", "ascii4", "bcd2", "bin4")


class Recording(NamedTuple):
    """What a generator made: the answer, and the chunks that were recorded."""

    framing: str
    name: str
    changes: dict[str, Any]
    dialect: Dialect
    payloads: list[bytes]
    chunks: list[bytes]


def recording(seed: int) -> Recording:
    """The recording of a seed."""
    rng = random.Random(f"capture {seed}")
    name = rng.choice(list(VARIANTS))
    changes = rng.choice(VARIANTS[name])
    dialect = dialect_of(name, {"base": name} | changes)
    payloads = [dialect.pack(_shaped(rng, dialect, name)) for _ in range(rng.randint(1, 20))]
    framing = rng.choice(FRAMINGS)
    if framing == "none":
        chunks = list(payloads)
        if len(chunks) > 3 and rng.random() < 0.3:
            chunks[-1] = chunks[-1][: rng.randrange(20, len(chunks[-1]))]
    else:
        stream = b"".join(framed(framing, payload) for payload in payloads)
        if len(payloads) > 1 and rng.random() < 0.4:
            stream = stream[: -rng.randrange(1, 40)]
        if len(payloads) > 3 and rng.random() < 0.2:
            stream = framed(framing, payloads[0])[rng.randrange(5, 40) :] + stream
        chunks = [stream]
    return Recording(framing, name, changes, dialect, payloads, chunks)


def _shaped(rng: random.Random, dialect: Dialect, name: str) -> Message:
    """A message that the dialect can write."""
    message = draw_message(rng, BUILT_IN[name])
    message.fields = {n: v for n, v in message.fields.items() if n in dialect.columns}
    have, want = message.header, dialect.header_bytes
    if want == 5:
        have = bytes.fromhex("6000030000")
    message.header = (have + rng.randbytes(want))[:want] if want else b""
    try:
        dialect.pack(message)
    except CodecError:
        return _shaped(rng, dialect, name)
    return message
