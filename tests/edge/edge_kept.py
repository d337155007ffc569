"""The backup of a town's switch, and the restore."""

import os
import time

from posswitch.archive.backup import Backup
from posswitch.archive.reading import Sealed
from posswitch.archive.restore import Until, restore
from posswitch.archive.segment import Sealer
from posswitch.archive.shelf import Shelf
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
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
