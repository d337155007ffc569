"""A sale that goes out to its bank, and the rules and the time under which it is decided."""

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Limits
from posswitch.engine.decide import Rules
from posswitch.engine.events import RequestArrived
from posswitch.sim.city import SHORT_TIMERS

START_NS = 1_800_000_000 * NS_PER_S
RULES = Rules(SHORT_TIMERS, Limits())
IDENTITY = "1/48020000/00010000"  # of the node that takes it


def sale(number):
    """The sale of a STAN, at the city's first terminal."""
    return RequestArrived(
        0, "sale", f"48020000|10000001|000001|{number:06d}|2", "10000001", "802440354110001", "000001",
        f"{number:06d}", 1000 + number, "156", "000000", "022", "00", "4912", bytes(44), b"%016d" % number,
        16, "0211", True, "90010000", "5411", "22000001000601", False, "v",
    )  # fmt: skip
