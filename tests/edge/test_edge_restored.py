"""A switch that lost its disk goes on from its backup: it sells, and tells banks nothing by itself."""

import asyncio
import os
import shutil
import time

from edge_town import until

from posswitch.archive.backup import Backup
from posswitch.archive.reading import Sealed
from posswitch.archive.restore import Until, restore
from posswitch.archive.segment import Sealer
from posswitch.archive.shelf import Shelf
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.engine.lifecycle import APPROVED, NEEDS_OWNER
from posswitch.journal.chain import Chain
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret


class Kept:
    """The backup of a town's switch."""

    def __init__(self, town):
        config = load_config(town.city.config)
        vault = Vault(read_secret(config.secret), os.urandom)
        self.data, self.key = config.data, journal_key(vault)
        self.shelf = Shelf(town.city.folder / "archive")
        self.sealed = Sealed(config.node, Sealer(vault.derive("archive"), os.urandom))

    def backup(self):
        self.shelf.create()
        with self.shelf.locked():
            return Backup(self.data, Chain(self.key), self.shelf, self.sealed, time.time_ns).run()

    def restore(self):
        return restore(self.shelf, self.sealed, self.key, self.data, Until(), time.time_ns())


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
