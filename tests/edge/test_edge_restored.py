"""A switch that lost its disk goes on from its backup: it sells, and tells banks nothing by itself."""

import asyncio
import shutil

from edge_kept import Kept
from edge_town import until

from posswitch.engine.lifecycle import APPROVED, NEEDS_OWNER


async def test_a_restored_switch_serves(lone_switch):
    town = lone_switch
    till = await town.till()
    first = await town.approved(till, town.bought())
    open_till = await town.till()
    await town.forwarded(open_till, town.bought())
    kept = Kept(town)
    kept.backup()  # of a running switch, with a payment under way
    await town.supervisor.stop()  # what happens here is lost with the disk
    shutil.rmtree(kept.data)
    assert kept.restore().open == 1
    told = town.banks[0].waiting("0420", open_till.id)
    await town.started_again()
    await asyncio.sleep(1.0)  # a reversal would go out at once
    assert town.verdicts(open_till.id)[-1].state == NEEDS_OWNER
    assert town.banks[0].waiting("0420", open_till.id) == told
    till = await town.redialled(till)
    await till.sign_on()
    second = await town.approved(till, town.bought())
    assert second.fields[37] != first.fields[37]
    await until(lambda: town.verdicts(till.id)[-1].state == APPROVED)
    assert kept.backup().records > 2
