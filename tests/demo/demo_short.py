"""A short demonstration with short timers, around the product's own node or a planted one."""

import asyncio
import functools
import sys
from pathlib import Path
from typing import Any

import pytest

from posswitch.base.bounds import Timers
from posswitch.edge.supervisor import Supervisor
from posswitch.sim import demo
from posswitch.sim.city import City, build_city

PLANTED = Path(__file__).parent / "planted"
TIMERS = Timers(
    bank=0.8, centre=1.6, terminal=3.2, reversal=0.3, reversal_max=0.6, flight_max=3.2,
    connect=1.0, echo=5.0, drain=3.0,
)  # fmt: skip


def counted(folder: Path, seconds: float, kills: int = 0, bug: str = "", tls: bool = False) -> dict[str, Any]:
    """The report."""
    options = demo.DemoOptions(
        data=folder, seconds=seconds, tps=120, kills=kills, seed=11, live=False, tls=tls
    )
    command = (sys.executable, str(PLANTED / f"{bug}.py")) if bug else None

    def switch_in(city: City) -> Supervisor:
        return Supervisor(city.config, command)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "build_city", functools.partial(build_city, timers=TIMERS))
        patch.setattr(demo, "DRAIN_SECONDS_MAX", 20.0)
        return asyncio.run(demo.run_demo(options, switch_in))
