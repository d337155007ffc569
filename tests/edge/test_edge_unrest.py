"""The node of the proving ground has the gauges of the real one."""

import re

from edge_town import until

from posswitch.sim.unrest.town import Plan
from posswitch.sim.unrest.world import World

# What only a real machine has, and what each has counted by chance.
_BY_CHANCE = re.compile(r"^count\.|^bank\.N\.[a-z]+-|^misfit_|^link\.N\.(late|echo|lost|refused)")


def kinds_of(gauges):
    """The names of gauges, whatever the bank and link."""
    plain = {re.sub(r"\.\d{8}\.\d+\.", ".N.", name) for name in gauges}
    plain = {re.sub(r"\.\d{8}(?=\.|$)", ".N", name) for name in plain}
    return {name for name in plain if not _BY_CHANCE.match(name)}


async def test_the_simulated_node_has_every_gauge_of_the_real_one(switch):
    await switch.approved(await switch.till(), switch.bought())
    await until(lambda: any(name.endswith(".answered") for name in switch.gauges()))
    real = kinds_of(switch.gauges())
    *_, last = World(Plan(1, 40.0, 34.0)).run(4)
    simulated = kinds_of(last.tick.gauges)
    assert real - simulated == set()
    tls = {name for name in simulated - real if "certificate" in name}
    assert simulated - real == tls
