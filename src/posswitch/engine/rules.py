"""What decisions depend on besides state and facts."""

import msgspec

from posswitch.base.bounds import Timers
from posswitch.base.registry import Limits


class Rules(msgspec.Struct, frozen=True):
    """The configuration's timers and limits."""

    timers: Timers
    limits: Limits
