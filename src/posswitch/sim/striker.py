"""Strikes the switch while payments are in flight: when, and how many each blow met."""

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Protocol

from posswitch.edge.start import serving_pid
from posswitch.settings.config import Config
from posswitch.sim.streets import Streets

_LOOK_S = 0.005  # how often it looks for payments in flight
_CHOOSY_SECONDS, _SALE_SECONDS_MAX, _AWAY_SECONDS_MAX = 3.0, 20.0, 60.0
_SPREAD = 0.4  # of the pause between two blows, either way


class Switch(Protocol):
    """A switch that comes back by itself after a blow."""

    async def start(self) -> None:
        """Returns when it is ready."""

    def kill(self) -> None:
        """The blow; nothing of what runs there is asked."""

    async def stop(self) -> None:
        """Lets it drain and end."""


class Striker:
    """Kills only a switch that serves; keeps what each blow met and how long the switch was away."""

    def __init__(self, config: Config, streets: Streets, switch: Switch, seed: int) -> None:
        self._config = config
        self._streets = streets
        self._switch = switch
        self._entropy = random.Random(f"{seed}/striker")  # noqa: S311 - shapes a simulation
        self._struck_pid: int | None = None
        self._serves_since_ns = 0
        self.in_flight: list[int] = []
        self.away_seconds: list[float] = []

    def __repr__(self) -> str:
        return f"Striker({len(self.in_flight)} blows)"

    def moments(self, blows: int, seconds: float) -> Iterator[float]:
        """When each blow falls, in seconds from the beginning: evenly, but for chance."""
        for number in range(1, blows + 1):
            yield seconds * (number + self._entropy.uniform(-_SPREAD, _SPREAD)) / (blows + 1)

    async def strike(self) -> bool:
        """One blow while sales sent to this life are in flight; False when none came in time.

        One of the sales is already posted by its bank, unless that is rare.
        """
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while loop.time() < begin + _SALE_SECONDS_MAX:
            sales = self._streets.in_flight(self._serves_since_ns)
            choosy = loop.time() < begin + _CHOOSY_SECONDS
            pid = serving_pid(self._config)
            if pid and sales and (self._streets.at_a_bank(sales) or not choosy):
                self._struck_pid = pid
                self._switch.kill()
                self.in_flight.append(len(sales))
                return True
            await asyncio.sleep(_LOOK_S)
        return False

    def blow(self) -> int | None:
        """One blow now, whatever is in flight: how many sales it met; None when nobody serves."""
        pid = serving_pid(self._config)
        if pid is None:
            return None
        met = len(self._streets.in_flight(self._serves_since_ns))
        self._struck_pid = pid
        self._switch.kill()
        self.in_flight.append(met)
        return met

    async def recovered(self) -> bool:
        """Waits until the switch serves again and notes how long it was away; False when it stays away."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while loop.time() < begin + _AWAY_SECONDS_MAX:
            pid = serving_pid(self._config)
            if pid not in (None, self._struck_pid):
                self._serves_since_ns = time.time_ns()
                self.away_seconds.append(round(loop.time() - begin, 3))
                return True
            await asyncio.sleep(_LOOK_S)
        return False
