"""Hand-made streams of ticks: a few banks, shops and terminals that pay, and what befalls them."""

import numpy as np

from posswitch.diagnose.signals import Atlas, Site, Tick
from posswitch.journal.vitals import WIDTH, Column, How

AT_NS = 1_800_000_000_000_000_000
TICK_S = 0.25
TICK_NS = int(TICK_S * 1e9)
BANKS = ("B1", "B2", "B3", "B4")
LINKS = 2
_SHOPS, _TERMINALS, _BINS = 30, 120, 3
_KINDS = ("sale", "void", "refund", "balance")
_SHARES = (0.85, 0.05, 0.05, 0.05)
_ENTRIES = ("051", "021", "071")
_CODES = ("00", "51", "05", "91", "96", "A0", "55", "30", "98", "61")


class Street:
    """What is paid there; the same seed pays the same."""

    def __init__(self, seed=1, banks=BANKS):
        self.chance = np.random.default_rng(seed)
        self.banks = banks
        self.names = ["", *banks]
        self.bins = {bank: [self.named(f"62{at}{number}") for number in range(_BINS)]
                     for at, bank in enumerate(banks)}  # fmt: skip
        self.shops = [self.named(f"M{number}") for number in range(_SHOPS)]
        self.terminals = [self.named(f"T{number}") for number in range(_TERMINALS)]
        self.kinds = [self.named(kind) for kind in _KINDS]
        self.entries = [self.named(entry) for entry in _ENTRIES]
        self.codes = {code: self.named(code) for code in _CODES}
        self.sites = {
            f"T{number}": Site(f"model {number % 4}", f"town {number % 5}", f"acquirer {number % 3}")
            for number in range(_TERMINALS)
        }

    def named(self, name):
        """The id of a name that nobody has used before."""
        self.names.append(name)
        return len(self.names) - 1

    def bank(self, name):
        return self.names.index(name)

    def atlas(self):
        found = Atlas(self.sites)
        found.know(self.names)
        return found

    def rows(self, count):
        """So many healthy outcomes: three in a hundred are declined by their banks."""
        draw = self.chance
        rows = np.zeros((count, WIDTH), np.int32)
        banks = draw.integers(0, len(self.banks), count)
        rows[:, Column.BANK] = banks + 1
        bins = np.array([self.bins[bank] for bank in self.banks])
        rows[:, Column.BIN] = bins[banks, draw.integers(0, _BINS, count)]
        terminals = draw.integers(0, _TERMINALS, count)
        rows[:, Column.TERMINAL] = np.array(self.terminals)[terminals]
        rows[:, Column.MERCHANT] = np.array(self.shops)[terminals % _SHOPS]
        rows[:, Column.KIND] = draw.choice(self.kinds, count, p=_SHARES)
        rows[:, Column.ENTRY] = draw.choice(self.entries, count)
        declined = draw.random(count) < 0.03
        rows[:, Column.CODE] = np.where(declined, self.codes["51"], self.codes["00"])
        rows[:, Column.HOW] = How.BANK
        rows[:, Column.BANK_US] = (80_000 * np.exp(0.3 * draw.standard_normal(count))).astype(np.int32)
        rows[:, Column.WAIT_US] = rows[:, Column.BANK_US] + 3000
        rows[:, Column.BAND] = draw.integers(7, 18, count)
        rows[:, Column.CARD] = draw.integers(1, 1 << 30, count)
        return rows

    def ticks(self, seconds, tps=60.0, spoil=None, gauges=None):
        """The stream: `spoil(rows, second)` gives what becomes of them, `gauges` changes those."""
        for number in range(int(seconds / TICK_S)):
            second = number * TICK_S
            rows = self.rows(int(self.chance.poisson(tps * TICK_S)))
            said = self.well()
            if spoil is not None:
                rows = spoil(rows, second)
            if gauges is not None:
                gauges(said, second)
            yield Tick(AT_NS + number * TICK_NS, TICK_S, np.ascontiguousarray(rows), said)

    def well(self):
        """Gauges of a healthy node."""
        said = {"began_s": AT_NS / 1e9 - 86_400, "hsm_ready": 1, "hsm_cap": 4096, "registry": 7}
        for bank in self.banks:
            said |= {f"bank.{bank}.cap": 500, f"bank.{bank}.links": LINKS, f"bank.{bank}.links_able": LINKS}
            for index in range(LINKS):
                said |= {f"link.{bank}.{index}.up": 1, f"link.{bank}.{index}.usual_ms": 80}
        return said

    # What befalls

    def silent(self, bank, rows, share=1.0):
        """Some of a bank's payments get no answer."""
        hit = (rows[:, Column.BANK] == self.bank(bank)) & (self.chance.random(len(rows)) < share)
        rows[hit, Column.CODE] = self.codes["98"]
        rows[hit, Column.HOW] = How.TIMER
        return rows

    def says(self, bank, code, rows, share=1.0):
        """A bank answers so."""
        hit = (rows[:, Column.BANK] == self.bank(bank)) & (self.chance.random(len(rows)) < share)
        rows[hit, Column.CODE] = self.codes[code]
        return rows

    def cut(self, bank, rows):
        """There is no link to a bank: the centre refuses at once."""
        hit = rows[:, Column.BANK] == self.bank(bank)
        rows[hit, Column.CODE] = self.codes["91"]
        rows[hit, Column.HOW] = How.HERE
        rows[hit, Column.BANK_US] = 0
        return rows

    def links_down(self, bank, said):
        """All its links are down."""
        for index in range(LINKS):
            said[f"link.{bank}.{index}.up"] = 0
            said[f"link.{bank}.{index}.refused"] = 5
        said[f"bank.{bank}.links_able"] = 0
