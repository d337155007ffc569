"""The HSMs of a world: one in the node's process, or two behind the network; and how they fail."""

import asyncio
import random
from collections.abc import Callable

from posswitch.base.errors import HsmDown
from posswitch.base.registry import Address
from posswitch.crypto.commands import Command, Hsm, Mac, MacFits, TranslatePin, Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.edge.hsm_link import NetworkHsm
from posswitch.sim.city import HOST
from posswitch.sim.peers.hsm_box import HsmBox, Mood
from posswitch.sim.world.clock import WorldClock

_AT = (Address(HOST, 30_001), Address(HOST, 30_002))
_TIMEOUT_S, _SLOW_S = 0.2, 0.3
_AWAY_RATE = 0.2
_MOODS = (Mood.SLOW, Mood.SILENT, Mood.ILL, Mood.GARBAGE)
_REFUSES_RATE = 0.5  # of what the one in the process is asked: it may take a MAC and then refuse the PIN


class BrittleHsm(SoftHsm):
    """Refuses what a payment needs when `broken` says so."""

    broken: Callable[[], bool]

    def do(self, command: Command) -> object:
        """See SoftHsm."""
        if _needed(command) and self.broken():
            raise HsmDown("the HSM does not answer")
        return super().do(command)


def _needed(command: Command) -> bool:
    """Whether it stops a payment before it is sent."""
    if isinstance(command, Mac | MacFits):
        return isinstance(command, Mac) == (command.usage is Usage.ZAK)
    return isinstance(command, TranslatePin)


class Keyroom:
    """All HSMs of a world; `keeper` wraps the keys of its configuration."""

    def __init__(self, root: bytes, seed: int, entropy: random.Random, *, network: bool) -> None:
        self._root = root
        self._entropy = entropy
        self._broken = False
        self.boxes = [
            HsmBox(root, random.Random(f"hsm {seed} {number}"), _SLOW_S)
            for number in range(len(_AT) if network else 0)
        ]
        self.keeper = self.boxes[0] if self.boxes else SoftHsm(root, entropy.randbytes)

    def __repr__(self) -> str:
        return f"<keyroom {self.boxes or self.keeper!r}>"

    async def open(self) -> None:
        """Those behind the network listen."""
        for box, at in zip(self.boxes, _AT, strict=False):
            await box.open(at.host, at.port)

    def hsm(self, clock: WorldClock) -> Hsm:
        """What a new life of the node asks."""
        if self.boxes:
            return NetworkHsm(_AT, _TIMEOUT_S, clock.tick_ns)
        brittle = BrittleHsm(self._root, clock.entropy)
        brittle.broken = lambda: self._broken and self._entropy.random() < _REFUSES_RATE
        return brittle

    def fail(self) -> float:
        """One of them or all are away, silent, slow, ill, or talk nonsense; for how many seconds."""
        self._broken = True
        for box in self.boxes[: self._entropy.randint(1, 2)]:
            if self._entropy.random() < _AWAY_RATE:
                box.away()
            else:
                box.mood = self._entropy.choice(_MOODS)
        return self._entropy.uniform(0.05, 1.0 + len(self.boxes))

    def mend(self) -> None:
        """All of them are well."""
        self._broken = False
        for box in self.boxes:
            box.mood = Mood.WELL
            asyncio.get_running_loop().create_task(box.back())
