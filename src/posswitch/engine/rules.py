"""What decisions depend on besides state and facts."""

import msgspec

from posswitch.base.bounds import Timers
from posswitch.base.registry import Limits, Registry


class Rules(msgspec.Struct, frozen=True):
    """The configuration's timers and limits; the registry as it is in force."""

    timers: Timers
    limits: Limits
    registry: Registry = msgspec.field(default_factory=Registry)
