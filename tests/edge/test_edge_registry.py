"""The registry changes while the node serves: a new terminal, a bank that moved, and what differs is said."""

import time

import pytest
from edge_till import Till
from edge_town import Town, until

from posswitch.codec import Message, load_dialect
from posswitch.crypto.commands import Usage
from posswitch.office.desk import Desk
from posswitch.office.drift import read_drift
from posswitch.office.onboard import onboarding
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.sim.peers.terminal import Fitting

NEW, MERCHANT = "20000001", "802440354110001"
TMK = bytes(range(16))


@pytest.fixture
def desk(switch: Town) -> Desk:
    return Desk(load_config(switch.city.config), SystemClock())


async def in_force(town: Town, version: int) -> None:
    """Returns when the node has journaled so many versions of the registry."""
    events = "RegistryChanged"
    await until(lambda: sum(type(row.event).__name__ == events for row in town.records()) >= version)


def ordered(desk: Desk) -> None:
    wrapped = desk.hsm.wrap(Usage.TMK, TMK)
    plan = onboarding(desk, {"id": NEW, "merchant": MERCHANT}, None, wrapped)
    desk.activate(plan, "tester", "a new till")


async def test_a_terminal_that_is_onboarded_sells_without_a_restart(switch, desk):
    ordered(desk)
    await in_force(switch, 1)
    till = Till(Fitting(NEW, MERCHANT, TMK), await switch.cable())
    await till.sign_on()
    await switch.approved(till, switch.bought())


async def test_what_was_ordered_survives_a_kill(switch, desk):
    await in_force(switch, 1)
    switch.supervisor.kill()
    await until(lambda: switch.supervisor.restarts == 1)
    await switch.linked(since_ns=time.time_ns())
    till = Till(Fitting(NEW, MERCHANT, TMK), await switch.cable())
    till.stan = 500  # its batch goes on
    await till.sign_on()
    await switch.approved(till, switch.bought())


async def test_a_terminal_with_another_shop_is_refused_and_said(switch, desk):
    till = await switch.till()
    bought = switch.bought()
    other = next(shop.id for shop in switch.city.merchants if shop.id != till.fitting.merchant)
    answer = await till.answered(till.sale(bought, changes={42: other}))
    assert answer.fields[39] == "03"
    config = load_config(switch.city.config)
    await until(lambda: (till.id, "merchant", other) in told(config.data))


async def test_a_terminal_in_another_dialect_is_said(switch, desk):
    till = await switch.till()
    dialect = load_dialect("iso87a")
    fields = {11: "000001", 41: till.id, 42: till.fitting.merchant}
    till.cable.put(dialect.pack(Message("0800", fields)))
    config = load_config(switch.city.config)
    await until(lambda: (till.id, "dialect", "iso87a") in told(config.data))


def told(folder) -> list[tuple[str, str, str]]:
    return [(row.terminal, row.what, row.sent) for row in read_drift(folder)]
