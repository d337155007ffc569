"""What banks exchange: which fields a request carries, what the MAC covers, what an answer must repeat."""

from collections.abc import Iterator

from posswitch.codec import Message

# Fields of field 128's text, in order; of field 90 only MTI, STAN and F7 (the first 20 digits).
MAC_FIELDS = (2, 3, 4, 7, 11, 18, 25, 28, 32, 33, 38, 39, 41, 42, 90)
MAC_FIELDS_MANAGEMENT = (7, 11, 39, 53, 70, 100)
ORIGINAL_DIGITS_IN_MAC = 20

# An answer that differs from its request in one of these is evidence, not an answer.
ANSWER_MUST_REPEAT = (2, 3, 4, 37, 41, 42)
ANSWER_FIELDS = (2, 3, 4, 7, 11, 12, 13, 14, 18, 25, 32, 33, 37, 41, 42, 49)


def mac_text(message: Message) -> Iterator[str]:
    """The values that field 128 covers, in order; absent fields are skipped."""
    yield message.mti
    management = message.mti[1] == "8"
    fields = message.fields
    for field in MAC_FIELDS_MANAGEMENT if management else MAC_FIELDS:
        value = fields.get(field)
        if isinstance(value, str):
            yield value[:ORIGINAL_DIGITS_IN_MAC] if field == 90 else value


def original_data(mti: str, stan: int, f7: str, acquirer: str, forwarder: str) -> str:
    """Field 90 (n42): MTI 4, STAN 6, F7 10, F32 11, F33 11, institutions filled with zeros at the left."""
    return f"{mti}{stan:06d}{f7}{acquirer:0>11}{forwarder:0>11}"
