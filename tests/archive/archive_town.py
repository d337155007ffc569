"""A small journal under a configuration, its backup, and both ends of a restore."""

import os
import time
from pathlib import Path

from posswitch.archive.backup import Backup, Written
from posswitch.archive.inspection import Inspection, inspect
from posswitch.archive.reading import Sealed
from posswitch.archive.restore import Restored, Until, restore
from posswitch.archive.segment import Sealer
from posswitch.archive.shelf import Shelf
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.journal.chain import Chain
from posswitch.journal.verify import verify
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.busy_days import BusyDays
from posswitch.sim.city import build_city


class Town:
    """Pays, keeps, and brings back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config_file = folder / "posswitch.toml"
        self.config = load_config(self.config_file)
        vault = Vault(read_secret(self.config.secret), os.urandom)
        self.key = journal_key(vault)
        self.chain = Chain(self.key)
        self.data = self.config.data
        self.shelf = Shelf(folder / "archive")
        self.sealed = Sealed(self.config.node, Sealer(vault.derive("archive"), os.urandom))

    def pay(self, purchases: int, open_at_the_end: int = 0) -> None:
        """Approved purchases and a restart: two records each and one."""
        days = BusyDays(self.data, self.key, self.config.node, seed=time.time_ns())
        days.write(purchases, 2)
        days.ask(open_at_the_end)
        days.close()

    def backup(self) -> Written:
        """What is new, kept."""
        self.shelf.create()
        with self.shelf.locked():
            return Backup(self.data, self.chain, self.shelf, self.sealed, time.time_ns).run()

    def look(self) -> Inspection:
        """The archive by itself."""
        return inspect(self.shelf, self.sealed, self.chain)

    def restore(self, data: Path | None = None, **until: int) -> Restored:
        """Into another folder, or `data`."""
        into = data or self.folder / "restored"
        return restore(self.shelf, self.sealed, self.key, into, Until(**until), time.time_ns())

    def verify(self, data: Path | None = None) -> list[str]:
        """What `verify` says of a data folder."""
        return verify(data or self.folder / "restored", self.key, self.config.node)

    def segments(self) -> list[Path]:
        """The archive's journal segments, in order."""
        return sorted(self.shelf.folder.glob("0*.seg"))


def town_in(folder: Path) -> Town:
    """The town of a folder, founded when there is none."""
    if not (folder / "posswitch.toml").exists():
        build_city(folder, 1, 4)
    return Town(folder)
