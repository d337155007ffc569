"""A city with a journal that the real engine has written: days of payments of real (invented) cards."""

import importlib
import os
import sys
from pathlib import Path

from posswitch.base.moment import NS_PER_S, business_day, stamp
from posswitch.base.registry import Registry
from posswitch.crypto.vault import Vault
from posswitch.edge.start import journal_key
from posswitch.engine.rules import Rules
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.city import CONFIG_FILE, build_city

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

World = importlib.import_module("world").World

CARDS = ("6290010000293584", "6290010000139720", "6290010000000002")
BANKS = ("90010000", "90020000", "90030000")
SHOP, OTHER_SHOP = "802440354110001", "802440359120002"
TILL = "10000001"
DAY_S = 86_400


def build(folder, terminals=3, more=""):
    """A city whose business date turns half a day from now, whenever the tests run."""
    city = build_city(folder, 1, terminals)
    turns = stamp(SystemClock().wall_ns() + DAY_S * NS_PER_S // 2).time
    text = city.config.read_text().replace("[node]\n", f'[node]\ncutover = "{turns[:2]}:{turns[2:4]}"\n', 1)
    city.config.write_text(text + more)
    return city


class Traffic(World):
    """One node of a city: its key, its limits and routes (`rows`), so many days before now."""

    def __init__(self, folder, *rows, ago_s=DAY_S / 24):
        self.config = load_config(folder / CONFIG_FILE, serve=False)
        self.vault = Vault(read_secret(self.config.secret), os.urandom)
        self.key, self.node = journal_key(self.vault), self.config.node
        self._began_ns = SystemClock().wall_ns() - int(ago_s * NS_PER_S)
        registry = Registry([*self.config.registry.rows, *rows])
        super().__init__(self.config.data, Rules(self.config.timers, self.config.limits, registry))

    def _open(self):
        self.at_ns = max(self.at_ns, self._began_ns)
        self.serving = dict.fromkeys(self.config.registry.banks, True)
        super()._open()
        self._stan = self.state.seq
        self.turn_day_if_due()

    def wait(self, seconds):
        super().wait(seconds)
        self.turn_day_if_due()

    def turn_day_if_due(self):
        """As a node does."""
        today = business_day(self.at_ns, self.config.cutover_s)
        if today > self.state.day:
            self.turn_day(today)

    def pay(self, card=0, amount_minor=1000, outcome="00", **changes):
        """A sale of a card, told `outcome` by its bank ("" = not yet); what its terminal is told."""
        pan = CARDS[card]
        box, mark = self.vault.seal_pan(pan, 600)
        row = self.rules.registry.bin_of(pan)
        told = len(self.told)
        about = {
            "pan_box": box, "pan_print": mark, "last_four": pan[-4:], "bank": row.bank, "bin": row.prefix,
            "terminal": TILL, "merchant": SHOP, "amount_minor": amount_minor,
        }  # fmt: skip
        self.sale(**(about | changes))
        if len(self.told) == told and outcome:
            self.answer(outcome)
        return self.told[-1] if len(self.told) > told else ""
