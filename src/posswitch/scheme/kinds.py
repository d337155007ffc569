"""What a message is and what follows from it: one row a kind, for both sides."""

import msgspec

from posswitch.codec import Message

REVERSE, REPEAT, FORGET = "reverse", "repeat", "forget"
DEBIT, CREDIT = "debit", "credit"
IN_BATCH, BY_RECEIPT, BY_AUTH = "in-batch", "by-receipt", "by-auth"
WHOLE, PART, TOLERANT = "whole", "part", "tolerant"


class Kind(msgspec.Struct, frozen=True):
    """A kind of message.

    `terminal` names it on the POS side as (MTI, F3, F25, F60.1 or F60.3) with "" for any; `bank` is its
    MTI towards the bank ("" = ends here); `need` and `need_one` are the mandatory text fields from a
    terminal, `mac` adds field 64 (without it the field is verified where it is sent).

    `on_unknown` is what an outcome that nobody knows leads to: an opposite message (reverse), the same one
    until it is acknowledged (repeat), nothing (forget). `totals` is the side of a batch that it counts on
    and whether it adds to it or takes away. `original` is how the payment it builds on is found, `of` the
    kinds that this may be, `takes` how much of it: the whole, a part, the whole within a tolerance.
    """

    name: str
    name_zh: str
    terminal: tuple[str, str, str, str]
    bank: str = ""
    need: tuple[int, ...] = ()
    need_one: tuple[int, ...] = ()
    mac: bool = True
    on_unknown: str = FORGET
    totals: tuple[str, int] | None = None
    original: str = ""
    of: tuple[str, ...] = ()
    takes: str = ""
    binding: bool = True  # whether a missing or exhausted original refuses it
    limited: bool = False  # whether it takes from its card's limits
    told: str = ""  # the kind that its terminal knows it as, where that is another

    @property
    def reversible(self) -> bool:
        """Whether a terminal may take it back with a 0400."""
        return self.on_unknown == REVERSE or self.told != ""

    @property
    def final(self) -> bool:
        """Whether nobody can take it back: an advice of the terminal itself."""
        return self.advice and not self.reversible

    @property
    def as_told(self) -> str:
        """The kind as its terminal knows it."""
        return self.told or self.name

    @property
    def advice(self) -> bool:
        """Whether it tells what has already happened: durable once accepted, then told until acknowledged."""
        return self.on_unknown == REPEAT


_MONEY = (3, 4, 11, 22, 25, 41, 42, 49, 60)  # what every message about an amount carries
_CARD = (2, 35)
_RECEIPT, _AUTH, _ORIGINAL = (37,), (38,), (61,)


def _needs(*more: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(sum(more, _MONEY)))


SALE = Kind(
    "sale", "消费", ("0200", "000000", "00", "22"), "0200",
    need=_needs(), need_one=_CARD, on_unknown=REVERSE, totals=(DEBIT, 1), limited=True,
)  # fmt: skip
VOID = Kind(
    "void", "消费撤销", ("0200", "200000", "00", "23"), "0200",
    need=_needs(_RECEIPT, _ORIGINAL), on_unknown=REVERSE, totals=(DEBIT, -1),
    original=IN_BATCH, of=("sale",), takes=WHOLE,
)  # fmt: skip
REFUND = Kind(
    "refund", "退货", ("0220", "200000", "00", "25"), "0220",
    need=_needs(_RECEIPT, _ORIGINAL), need_one=_CARD, on_unknown=REPEAT, totals=(CREDIT, 1),
    original=BY_RECEIPT, of=("sale", "completion", "completion-notice", "offline-sale"), takes=PART,
)  # fmt: skip
BALANCE = Kind(
    "balance", "余额查询", ("0200", "310000", "00", "01"), "0200",
    need=(3, 11, 22, 25, 41, 42, 60), need_one=_CARD,
)  # fmt: skip
PREAUTH = Kind(
    "preauth", "预授权", ("0100", "030000", "06", "10"), "0100",
    need=_needs(), need_one=_CARD, on_unknown=REVERSE, limited=True,
)  # fmt: skip
PREAUTH_VOID = Kind(
    "preauth-void", "预授权撤销", ("0100", "200000", "06", "11"), "0100",
    need=_needs(_AUTH), need_one=_CARD, on_unknown=REVERSE,
    original=BY_AUTH, of=("preauth",), takes=WHOLE,
)  # fmt: skip
COMPLETION = Kind(
    "completion", "预授权完成请求", ("0200", "000000", "06", "20"), "0200",
    need=_needs(_AUTH), need_one=_CARD, on_unknown=REVERSE, totals=(DEBIT, 1),
    original=BY_AUTH, of=("preauth",), takes=TOLERANT,
)  # fmt: skip
COMPLETION_VOID = Kind(
    "completion-void", "预授权完成撤销", ("0200", "200000", "06", "21"), "0200",
    need=_needs(_RECEIPT, _ORIGINAL), on_unknown=REVERSE, totals=(DEBIT, -1),
    original=IN_BATCH, of=("completion",), takes=WHOLE,
)  # fmt: skip
COMPLETION_NOTICE = Kind(
    "completion-notice", "预授权完成通知", ("0220", "000000", "06", "24"), "0220",
    need=_needs(_AUTH), need_one=_CARD, on_unknown=REPEAT, totals=(DEBIT, 1),
    original=BY_AUTH, of=("preauth",), takes=TOLERANT, binding=False,
)  # fmt: skip
OFFLINE_SALE = Kind(
    "offline-sale", "离线结算", ("0220", "000000", "00", "30"), "0220",
    need=_needs(), need_one=_CARD, on_unknown=REPEAT, totals=(DEBIT, 1),
)  # fmt: skip
# A sale that the centre approved itself while the bank could not be asked: the bank is told afterwards.
STOOD_IN = Kind(
    "stood-in", "代授权消费", SALE.terminal, "0220",
    need=_needs(), need_one=_CARD, on_unknown=REPEAT, totals=(DEBIT, 1), limited=True, told="sale",
)  # fmt: skip
REVERSAL = Kind("reversal", "冲正", ("0400", "", "", ""), "0420", need=_needs((39,)))
SIGN_ON = Kind("sign-on", "签到", ("0800", "", "", "003"), need=(11, 41, 42, 60), mac=False)
SIGN_OFF = Kind("sign-off", "签退", ("0820", "", "", "002"), need=(11, 41, 42, 60), mac=False)
ECHO = Kind("echo", "回响测试", ("0820", "", "", "301"), need=(41, 42, 60), mac=False)
SETTLEMENT = Kind("settlement", "批结算", ("0500", "", "", "201"), need=(11, 41, 42, 48, 60), mac=False)
UPLOAD = Kind("upload", "批上送", ("0320", "", "", "201"), need=(11, 41, 42, 48, 60), mac=False)
UPLOAD_END = Kind("upload-end", "批上送结束", ("0320", "", "", "202"), need=(11, 41, 42, 48, 60), mac=False)

# In the order of the POS table; payments first.
PAYMENTS = (
    SALE, VOID, REFUND, BALANCE, PREAUTH, PREAUTH_VOID, COMPLETION, COMPLETION_VOID, COMPLETION_NOTICE,
    OFFLINE_SALE,
)  # fmt: skip
KINDS = (*PAYMENTS, REVERSAL, SIGN_ON, SIGN_OFF, ECHO, SETTLEMENT, UPLOAD, UPLOAD_END)
ASKED_KINDS = {kind.name: kind for kind in PAYMENTS}  # what terminals ask, and rules may name
PAYMENT_KINDS = {**ASKED_KINDS, STOOD_IN.name: STOOD_IN}
_BY_TERMINAL = {kind.terminal: kind for kind in KINDS}
# What some makers send for the same kind: the answer repeats it, the bank gets the usual form.
_BY_TERMINAL |= {
    ("0200", "300000", "00", "01"): BALANCE,
    ("0200", "190000", "00", "22"): SALE,
    ("0320", "", "", "207"): UPLOAD_END,  # the end of an upload after a batch that balanced
}
SIGN_ON_LAYOUTS = ("001", "003", "004")  # field 60.3: single, double, double and track keys
_BY_TERMINAL |= {("0800", "", "", layout): SIGN_ON for layout in SIGN_ON_LAYOUTS}
_MTIS = frozenset(kind.terminal[0] for kind in KINDS)
_WITH_PROCESSING = frozenset(kind.terminal[0] for kind in PAYMENTS)
_REVERSIBLE = {key[1:]: kind for key, kind in _BY_TERMINAL.items() if kind.reversible}
COMPLETION_PERCENT_MAX = 115  # of the amount that was authorised
ORIGINAL_DAYS_MAX = 30  # a pre-authorisation that is older has expired

# Field 39 of a bank that concerns the line between bank and centre, not the terminal behind it.
HOP_CODES = {"A0": "96", "C1": "96", "77": "96"}
# With these a bank says that it does not know either: an unknown outcome, not a decline.
OUTCOME_UNKNOWN = frozenset({"09", "68", "98"})
BAD_MAC = "A0"
# The PIN is wrong, or its block cannot be read.
WRONG_PIN = frozenset({"55", "99"})
# The bank's word that ends a reversal at once, and those that end it once no original can come.
REVERSAL_DONE = frozenset({"00"})
REVERSAL_UNKNOWN = frozenset({"12", "21", "22", "25"})

# With these a bank says that it cannot take an advice now, or that what arrived was damaged on the way
# (30, A0): it is told again. Any other refusal needs a person.
ADVICE_LATER = frozenset({"09", "30", "68", "90", "91", "92", "96", "98", "A0", "C1", "77"})

# Network management towards banks, field 70.
SIGN_ON_CODE, ECHO_CODE, CUTOVER_BEGINS, CUTOVER_ENDS = "001", "301", "201", "202"
KEY_EXCHANGE_CODE = "101"
KEY_WORDS = {"ZPK": "1", "ZAK": "2"}  # the first digit of field 53 of a key exchange


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


def is_declared_repeat(mti: str) -> bool:
    """True for an acquirer's xxx1: the same message, it says, was sent before (ISO 8583:1987)."""
    return mti[3:] == "1"


def _plain(mti: str) -> str:
    return f"{mti[:3]}0" if is_declared_repeat(mti) else mti


def kind_from_terminal(mti: str, had: dict[int, str]) -> Kind | None:
    """The kind of a terminal's message by MTI, F3, F25 and F60, or None when it is not offered."""
    mti = _plain(mti)
    if mti in _WITH_PROCESSING:
        return _BY_TERMINAL.get((mti, had.get(3, ""), had.get(25, ""), had.get(60, "")[0:2]))
    if mti == REVERSAL.terminal[0]:
        return REVERSAL if kind_reversed(had) else None
    return _BY_TERMINAL.get((mti, "", "", network_code(had)))


def kind_reversed(had: dict[int, str]) -> Kind | None:
    """The kind that a terminal's 0400 takes back: it repeats F3, F25 and F60.1 of its original."""
    return _REVERSIBLE.get((had.get(3, ""), had.get(25, ""), had.get(60, "")[0:2]))


def is_unnamed(mti: str, had: dict[int, str]) -> bool:
    """Whether a message lacks one of the fields that say of what kind it is."""
    mti = _plain(mti)
    naming = (3, 25, 60) if mti in _WITH_PROCESSING or mti == REVERSAL.terminal[0] else (60,)
    return mti in _MTIS and any(field not in had for field in naming)


def missing_field(kind: Kind, had: dict[int, str]) -> int | None:
    """The first mandatory field that a terminal's message lacks or nobody can read, or None."""
    for field in kind.need:
        if field not in had:
            return field
    if kind.need_one and not any(field in had for field in kind.need_one):
        return kind.need_one[0]
    return None


def network_code(had: dict[int, str]) -> str:
    """F60.3, what a message of management or of a batch is about (3 digits)."""
    return had.get(60, "")[8:11]


def batch_of(had: dict[int, str]) -> str:
    """F60.2, the terminal's batch number (6 digits)."""
    return had.get(60, "")[2:8]
