"""What the centre allows, and where it sends what: limits, routes, pauses of banks, stand-in, as rows."""

import msgspec

from posswitch.base.amount import CNY
from posswitch.base.moment import of_iso

CARD, ALL = "card", "all"
SCOPES = (CARD, "terminal", "merchant", "bin", "bank", ALL)  # what a limit counts by
ORDER, SPLIT, LEAST, COST = "order", "split", "least", "cost"
CHOICES = (ORDER, SPLIT, LEAST, COST)


class Limit(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What each `of` (each card, each merchant …) may do; a cap of 0 is none.

    `only` names beginnings of what is counted (of a card: its BIN), empty = all; without `kinds` it is about
    what takes money from a card. `hours` (`HHMM-HHMM`, Beijing time) is when it may, empty = always.
    `refund_percent` is the share of the day's sales that may be refunded. `code` is the DE39 of a refusal,
    empty = the usual one. A `trial` counts, says whom it would refuse, and refuses nobody.
    """

    id: str
    of: str = CARD
    only: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    currency: str = CNY
    single_minor: int = 0
    day_minor: int = 0
    day_count: int = 0
    month_minor: int = 0
    month_count: int = 0
    burst_count: int = 0
    burst_seconds: int = 600
    hours: str = ""
    refund_percent: int = 0
    code: str = ""
    trial: bool = False


class Route(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Where payments go that fit: to the banks of `to`; the fitting row with the smallest `rank` counts.

    Conditions that are left out fit everything: `bins` and `merchants` are beginnings, `banks` whose cards,
    `entries` beginnings of F22, `hours` as of a limit. `choose`: in the order of `to`, by `split` (shares),
    the one with less to do of two drawn ones (power of two choices, Mitzenmacher 2001), or by `cost`.
    """

    id: str
    to: tuple[str, ...]
    rank: int = 100
    kinds: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()
    banks: tuple[str, ...] = ()
    merchants: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    currency: str = ""
    from_minor: int = 0
    to_minor: int = 0  # 0 = any
    hours: str = ""
    choose: str = ORDER
    split: tuple[int, ...] = ()
    cost: tuple[int, ...] = ()


class Pause(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A bank that gets no new payment between two Beijing times (ISO 8601), empty = always, without end."""

    id: str  # the bank
    begin: str = ""
    end: str = ""
    reason: str = ""

    def holds(self, at_ns: int) -> bool:
        """Whether it does at that time; always where a time is none."""
        try:
            begins, ends = of_iso(self.begin) if self.begin else 0, of_iso(self.end) if self.end else 1 << 63
        except (ValueError, OverflowError):
            return True
        return begins <= at_ns < ends


class StandIn(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What the centre approves itself while a bank cannot be asked, as that bank has allowed it.

    A payment of one of `kinds`, at most `single_minor`; at most `card_day_minor` of a card and `day_minor`
    of the bank on one business date. The bank is told afterwards. `pins`: also with a PIN, which nobody
    has verified.
    """

    id: str  # the bank
    single_minor: int
    card_day_minor: int
    day_minor: int
    kinds: tuple[str, ...] = ("sale",)
    pins: bool = False


Policy = Limit | Route | Pause | StandIn


def within(hours: str, time: str) -> bool:
    """Whether a time (`HHMMSS`) lies in hours (`HHMM-HHMM`, the end excluded, also over midnight)."""
    if not hours:
        return True
    begin, end = hours[:4], hours[5:]
    return begin <= time[:4] < end if begin < end else not end <= time[:4] < begin
