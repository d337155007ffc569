"""The tables `[[limit]]`, `[[route]]`, `[[pause]]` and `[[standin]]`."""

from typing import Annotated

import msgspec

from posswitch.base.amount import CNY
from posswitch.base.policy import CARD, ORDER

MINOR_MAX, COUNT_MAX, LIST_MAX = 10**12, 10**9, 100


def _text(pattern: str, expected: str) -> msgspec.Meta:
    return msgspec.Meta(pattern=rf"\A{pattern}\Z", description=expected)


_Id = Annotated[str, _text("[!-9;-~]{1,32}", "write 1 to 32 ASCII characters without blanks or colons")]
_Bank = Annotated[str, _text("[0-9]{8,11}", "write 8 to 11 digits")]
_Beginnings = Annotated[
    list[str], msgspec.Meta(max_length=LIST_MAX, description=f"list at most {LIST_MAX} beginnings")
]
_Kinds = Annotated[list[str], msgspec.Meta(max_length=LIST_MAX, description="list kinds of payment")]
_Banks = Annotated[
    list[str], msgspec.Meta(min_length=1, max_length=16, description="list 1 to 16 banks by their id")
]
_Some = Annotated[list[str], msgspec.Meta(max_length=16, description="list at most 16 banks by their id")]
_Numbers = Annotated[
    list[Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]],
    msgspec.Meta(max_length=16, description="list a whole number for each bank of `to`"),
]
_Minor = Annotated[int, msgspec.Meta(ge=0, le=MINOR_MAX)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
_Hours = Annotated[
    str,
    _text("(([01][0-9]|2[0-3])[0-5][0-9]-([01][0-9]|2[0-3])[0-5][0-9])?", 'write hours such as "0700-2300"'),
]
_Currency = Annotated[str, _text("[0-9]{3}", "write 3 digits between quotes, such as 156")]
_When = Annotated[str, msgspec.Meta(max_length=32, description='write a time such as "2026-10-01 02:00"')]
_Words = Annotated[str, _text(r"[^\x00-\x1f\x7f]{0,100}", "write at most 100 characters")]
_Choice = Annotated[str, msgspec.Meta(max_length=100, description="write a name")]


class LimitTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[[limit]]`."""

    id: _Id
    of: _Choice = CARD
    only: _Beginnings = []
    kinds: _Kinds = []
    currency: _Currency = CNY
    single_minor: _Minor = 0
    day_minor: _Minor = 0
    day_count: _Count = 0
    month_minor: _Minor = 0
    month_count: _Count = 0
    burst_count: _Count = 0
    burst_seconds: Annotated[int, msgspec.Meta(ge=4, le=86400)] = 600
    hours: _Hours = ""
    refund_percent: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    code: Annotated[str, _text("([0-9A-Z]{2})?", "write a DE39 such as 61, or leave it out")] = ""
    trial: bool = False


class RouteTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[[route]]`."""

    id: _Id
    to: _Banks
    rank: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 100
    kinds: _Kinds = []
    bins: _Beginnings = []
    banks: _Some = []
    merchants: _Beginnings = []
    entries: _Beginnings = []
    currency: Annotated[str, _text("([0-9]{3})?", "write 3 digits between quotes, such as 156")] = ""
    from_minor: _Minor = 0
    to_minor: _Minor = 0
    hours: _Hours = ""
    choose: _Choice = ORDER
    split: _Numbers = []
    cost: _Numbers = []


class PauseTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[[pause]]`."""

    id: _Bank
    begin: _When = ""
    end: _When = ""
    reason: _Words = ""


class StandInTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[[standin]]`."""

    id: _Bank
    single_minor: Annotated[int, msgspec.Meta(ge=1, le=MINOR_MAX)]
    card_day_minor: Annotated[int, msgspec.Meta(ge=1, le=MINOR_MAX)]
    day_minor: Annotated[int, msgspec.Meta(ge=1, le=MINOR_MAX)]
    kinds: _Kinds = msgspec.field(default_factory=lambda: ["sale"])
    pins: bool = False
