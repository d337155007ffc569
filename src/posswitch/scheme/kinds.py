"""What a message is and what follows from it: one row a kind, for both sides."""

import msgspec

from posswitch.codec import Message


class Kind(msgspec.Struct, frozen=True):
    """A kind of message.

    `terminal` names it on the POS side as (MTI, F3, F25, F60.1 or F60.3) with "" for any; `bank` is its
    MTI towards the bank ("" = ends here); `need` and `need_one` are the mandatory text fields from a
    terminal, `mac` adds field 64.
    """

    name: str
    terminal: tuple[str, str, str, str]
    bank: str
    need: tuple[int, ...]
    need_one: tuple[int, ...] = ()
    mac: bool = True


SALE = Kind(
    "sale", ("0200", "000000", "00", "22"), "0200",
    need=(3, 4, 11, 22, 25, 41, 42, 49, 60), need_one=(2, 35),
)  # fmt: skip
REVERSAL = Kind(
    "reversal", ("0400", "000000", "00", "22"), "0420",
    need=(3, 4, 11, 22, 25, 39, 41, 42, 49, 60),
)  # fmt: skip
SIGN_ON = Kind("sign-on", ("0800", "", "", "003"), "", need=(11, 41, 42, 60), mac=False)
ECHO = Kind("echo", ("0820", "", "", "301"), "", need=(41, 42, 60), mac=False)

KINDS = (SALE, REVERSAL, SIGN_ON, ECHO)
_BY_TERMINAL = {kind.terminal: kind for kind in KINDS}
_FINANCIAL = frozenset(kind.terminal[0] for kind in KINDS if kind.mac)

# Field 39 of a bank that concerns the line between bank and centre, not the terminal behind it.
HOP_CODES = {"A0": "96", "C1": "96", "77": "96"}
# With these a bank says that it does not know either: an unknown outcome, not a decline.
OUTCOME_UNKNOWN = frozenset({"09", "68", "98"})
# The bank's word that ends a reversal at once, and those that end it once no original can come.
REVERSAL_DONE = frozenset({"00"})
REVERSAL_UNKNOWN = frozenset({"12", "21", "22", "25"})

# Network management towards banks, field 70.
SIGN_ON_CODE, ECHO_CODE = "001", "301"


def text(message: Message, field: int) -> str:
    """A text field of a message, empty when absent or unreadable."""
    value = message.fields.get(field, "")
    return value if isinstance(value, str) else ""


def texts(message: Message) -> dict[int, str]:
    """All text fields of a message; what is binary or unreadable is absent."""
    return {field: value for field, value in message.fields.items() if type(value) is str}


def answer_mti(mti: str) -> str:
    """The MTI that answers `mti`: third digit plus one, the repeat digit dropped (ISO 8583:1987)."""
    return f"{mti[:2]}{int(mti[2]) + 1}{int(mti[3]) & ~1}"


def is_request(mti: str) -> bool:
    """True for MTIs that ask something (third digit even)."""
    return mti[2] in "024"


def kind_from_terminal(mti: str, had: dict[int, str]) -> Kind | None:
    """The kind of a terminal's message by MTI, F3, F25 and F60, or None when it is not offered."""
    f60 = had.get(60, "")
    if mti in _FINANCIAL:
        return _BY_TERMINAL.get((mti, had.get(3, ""), had.get(25, ""), f60[0:2]))
    return _BY_TERMINAL.get((mti, "", "", f60[8:11]))


def missing_field(kind: Kind, had: dict[int, str]) -> int | None:
    """The first mandatory field that a terminal's message lacks or nobody can read, or None."""
    for field in kind.need:
        if field not in had:
            return field
    if kind.need_one and not any(field in had for field in kind.need_one):
        return kind.need_one[0]
    return None


def batch_of(had: dict[int, str]) -> str:
    """F60.2, the terminal's batch number (6 digits)."""
    return had.get(60, "")[2:8]
