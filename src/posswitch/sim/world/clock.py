"""The world's time and chance, as one life of a process sees them."""

import random

from posswitch.sim.world.loop import WorldLoop


class WorldClock:
    """A Clock: the machine's wall clock as it stood at the start, then the loop's time."""

    def __init__(self, loop: WorldLoop, machine_ns: int, entropy: random.Random) -> None:
        """`machine_ns`: what the machine's clock says now."""
        self._loop = loop
        self._began_ns = machine_ns - loop.ns
        self.entropy = entropy.randbytes

    def wall_ns(self) -> int:
        """See Clock."""
        return self._began_ns + self._loop.ns

    def tick_ns(self) -> int:
        """See Clock."""
        return self._loop.ns

    def rest(self, span_ns: int) -> None:
        """Nothing waits here: what arrives in the same virtual instant shares a turn."""
