"""What banks exchange: which fields a request carries, what the MAC covers, what an answer must repeat."""

from posswitch.codec import Message

# Fields of field 128's text, in order; then, of field 90, MTI, STAN and F7 (the first 20 digits).
MAC_FIELDS = (2, 3, 4, 7, 11, 18, 25, 28, 32, 33, 38, 39, 41, 42)
MAC_FIELDS_MANAGEMENT = (7, 11, 39, 53, 70, 100)
ORIGINAL, ORIGINAL_DIGITS_IN_MAC = 90, 20

REVERSAL_ANSWER = "0430"

# What an answer repeats of its request.
ANSWER_FIELDS = (2, 3, 4, 7, 11, 12, 13, 14, 18, 25, 32, 33, 37, 41, 42, 49)


def mac_text(message: Message) -> list[str]:
    """The values that field 128 covers, in order; absent fields are skipped."""
    fields = message.fields
    covered = MAC_FIELDS_MANAGEMENT if message.mti[1] == "8" else MAC_FIELDS
    values = [message.mti]
    values += [value for field in covered if isinstance(value := fields.get(field), str)]
    original = fields.get(ORIGINAL)
    if isinstance(original, str):
        values.append(original[:ORIGINAL_DIGITS_IN_MAC])
    return values


def original_data(mti: str, stan: int, f7: str, acquirer: str, forwarder: str) -> str:
    """Field 90 (n42): MTI 4, STAN 6, F7 10, F32 11, F33 11, institutions filled with zeros at the left."""
    return f"{mti}{stan:06d}{f7}{acquirer:0>11}{forwarder:0>11}"
