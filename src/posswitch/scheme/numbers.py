"""Numbers that identify: retrieval reference numbers and system trace audit numbers."""

from posswitch.base.moment import Stamp

STAN_MAX = 999_999
_STAN_SKIP = STAN_MAX // 2
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS = tuple(high + low for high in _DIGITS for low in _DIGITS)
RRN_SERIALS = 36**7  # then the number begins anew; day and year tell the two apart


def next_stan(stan: int) -> int:
    """The trace number after `stan`; 999999 is followed by 1, 0 is not used."""
    return stan % STAN_MAX + 1


def skipped_stan(stan: int) -> int:
    """A trace number far from those that followed `stan` in a journal that was lost."""
    return (stan + _STAN_SKIP - 1) % STAN_MAX + 1


def make_rrn(at: Stamp, node: str, payment: int) -> str:
    """Field 37 (an12): year digit, day of year, node, the payment's number in base 36."""
    rest, low = divmod(payment % RRN_SERIALS, 1296)
    rest, middle = divmod(rest, 1296)
    top, high = divmod(rest, 1296)
    serial = f"{_DIGITS[top]}{_PAIRS[high]}{_PAIRS[middle]}{_PAIRS[low]}"
    return f"{at.year_digit}{at.day_of_year}{node}{serial}"


def payment_of_rrn(rrn: str, node: str, last: int) -> int:
    """The newest payment up to number `last` that an RRN of this node can mean, or 0."""
    if len(rrn) != 12 or rrn[4] != node or any(char not in _DIGITS for char in rrn[5:]):
        return 0
    return max(0, last - (last - int(rrn[5:], 36)) % RRN_SERIALS)


def batch_prefix(acquirer: str, terminal: str, batch: str) -> str:
    """What the repeat keys of all payments of a terminal's batch begin with."""
    return f"{acquirer}|{terminal}|{batch}|"


def repeat_key(acquirer: str, terminal: str, batch: str, stan: str, mti: str) -> str:
    """What makes a repeat a repeat; of the MTI its class: a reversal has its original's."""
    return f"{acquirer}|{terminal}|{batch}|{stan}|{mti[1]}"
