"""A town: banks, cards, merchants and terminals, who pays where with what, how often that fails.

All of it is drawn from one seed. Shares are kept as cumulative tables, so that a draw is one search.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posswitch.base.codes import CODES
from posswitch.diagnose.signals import Site
from posswitch.scheme.kinds import PAYMENT_KINDS, PAYMENTS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BANKS, MERCHANTS, TERMINALS, CARDS = 20, 400, 2000, 100_000
REGIONS = (
    "beijing", "shanghai", "guangdong", "zhejiang", "jiangsu", "shandong", "sichuan", "hubei", "henan",
    "fujian", "hunan", "yunnan",
)  # fmt: skip
SOURCES = ("acq-east", "acq-south", "acq-north", "isv-retail", "isv-hotel")
_SOURCE_SHARES = (0.4, 0.25, 0.15, 0.12, 0.08)
MODELS = tuple(f"{model}/{firmware}" for model in (
    "A920", "N910", "S90", "V240", "D210", "MF919", "K300", "QR65"
) for firmware in ("3.1", "3.2"))  # fmt: skip
_NEWER = 0.65  # of a model's terminals have the newer firmware
ENTRIES = ("051", "052", "071", "072", "021", "022", "012", "032")
_ENTRY_SHARES = (0.37, 0.015, 0.12, 0.31, 0.11, 0.045, 0.01, 0.02)
KINDS = tuple(kind.name for kind in PAYMENTS)
EDGE_KINDS = tuple(sorted({kind.terminal[0] for kind in PAYMENTS} | {"0400", "0800", "0820", "0500", "0320"}))
OTHER_KINDS = ("reversal", "sign-on", "settlement", "upload", "upload-end")
ADVICES = frozenset(name for name, kind in PAYMENT_KINDS.items() if kind.advice)

# By trade: share of the merchants, median and spread of amounts (natural logarithms, minor units), kinds.
_USUAL = {"sale": 0.9, "void": 0.02, "refund": 0.015, "balance": 0.06, "offline-sale": 0.005}
_HOTEL = {
    "sale": 0.3, "void": 0.02, "refund": 0.01, "balance": 0.03, "preauth": 0.33, "preauth-void": 0.04,
    "completion": 0.2, "completion-void": 0.01, "completion-notice": 0.06,
}  # fmt: skip
TRADES = (
    (0.34, 8.6, 0.9, _USUAL),  # groceries
    (0.24, 9.3, 0.8, _USUAL),  # restaurants
    (0.12, 10.2, 0.4, _USUAL),  # petrol stations
    (0.14, 10.6, 1.0, _USUAL),  # department stores
    (0.10, 11.2, 0.8, _HOTEL),
    (0.06, 12.2, 1.1, _USUAL),  # electronics
)

# What banks say of their own accord, as shares of what they are asked; each bank has its own measure of each.
DECLINES = {
    "51": 0.030, "55": 0.012, "05": 0.008, "61": 0.004, "54": 0.002, "14": 0.0015, "57": 0.001, "65": 0.001,
    "62": 0.0005, "75": 0.0005, "38": 0.0003, "01": 0.0002, "41": 0.0001, "43": 0.0001,
}  # fmt: skip
FAILURES = {"96": 0.0015, "91": 0.001, "98": 0.0008, "30": 0.0001}
SILENT = 0.0002  # of them are never answered
# What the centre says without asking anybody: for any payment, and for one that builds on another.
HERE = {"54": 0.001, "61": 0.001, "14": 0.0005, "15": 0.0005}
HERE_ORIGINAL = {"25": 0.015, "12": 0.008, "64": 0.004}
EDGE = {"77": 0.0005, "A0": 0.0001, "30": 0.00005, "97": 0.00002}
UNHEARD_OF = "ZZ"  # a code that is in no table
_ANSWER_MS = (45.0, 260.0)  # medians of the fastest and the slowest bank
_ANSWER_SPREAD = 0.35


class Plan(NamedTuple):
    """Which town, how busy, and when it begins: hours since Monday 0:00."""

    seed: int
    tps: float
    hour: float


class Bank(NamedTuple):
    """One bank: how many links lead to it, how fast it answers, what it says of its own accord."""

    id: str
    links: int
    answer_ms: float
    spread: float


def cumulative(shares: Floats) -> Floats:
    """Rows of shares as rows that end in 1."""
    return np.cumsum(shares / shares.sum(-1, keepdims=True), axis=-1)


class Names:
    """Numbers of names, as a node gives them; 0 is the empty name. A closed one takes no new name."""

    def __init__(self) -> None:
        self.list: list[str] = [""]
        self.closed = False
        self._ids: dict[str, int] = {"": 0}

    def __repr__(self) -> str:
        return f"<{len(self.list)} names>"

    def __getitem__(self, name: str) -> int:
        found = self._ids.get(name)
        if found is None:
            assert not self.closed, name
            found = self._ids[name] = len(self.list)
            self.list.append(name)
        return found

    def all(self, names: "tuple[str, ...] | list[str]") -> Ints:
        """The numbers of several."""
        return np.array([self[name] for name in names], np.int64)


class Town:
    """Everything that does not change. Arrays are indexed by the place of a bank, BIN, merchant, terminal."""

    def __init__(self, seed: int) -> None:
        chance = np.random.default_rng((seed, 1))
        self.names = Names()
        self.codes = {code: self.names[code] for code in (*CODES, UNHEARD_OF)}
        self._found_banks(chance)
        self._open_shops(chance)
        self._put_up_terminals(chance)
        self.kind_ids, self.entry_ids = self.names.all(KINDS), self.names.all(ENTRIES)
        self.edge_kind_ids = self.names.all([PAYMENT_KINDS[name].terminal[0] for name in KINDS])
        self.names.all([*EDGE_KINDS, *OTHER_KINDS])
        self.asks = np.array([name not in ADVICES for name in KINDS])
        self.builds = np.array([bool(PAYMENT_KINDS[name].original) for name in KINDS])
        self.money = np.array([name != "balance" for name in KINDS])
        self.has_pin = np.array([entry[2] == "1" for entry in ENTRIES])
        self._settle_habits(chance)
        self.sources = SOURCES
        self.names.closed = True

    def __deepcopy__(self, memo: dict[int, object]) -> "Town":
        """Worlds that part ways stay in the same town."""
        return self

    def __repr__(self) -> str:
        return f"<town of {len(self.banks)} banks, {len(self.terminals)} terminals>"

    @property
    def sites(self) -> dict[str, Site]:
        """What is registered of each terminal."""
        return {
            name: Site(MODELS[model], REGIONS[region], SOURCES[source])
            for name, model, region, source in zip(
                self.terminals,
                self.terminal_model.tolist(),
                self.merchant_region[self.terminal_merchant].tolist(),
                self.merchant_source[self.terminal_merchant].tolist(),
                strict=True,
            )
        }

    def _found_banks(self, chance: np.random.Generator) -> None:
        medians = np.geomspace(*_ANSWER_MS, BANKS)[chance.permutation(BANKS)]
        links = chance.choice([1, 2, 2, 2, 3], BANKS)
        self.banks = [
            Bank(f"{9001 + place}0000", int(links[place]), float(medians[place]), _ANSWER_SPREAD)
            for place in range(BANKS)
        ]
        self.bank_ids = self.names.all([bank.id for bank in self.banks])
        self.bank_shares = 1 / np.arange(1, BANKS + 1)
        counts = chance.integers(3, 7, BANKS)
        self.bins: list[str] = []
        self.bin_bank = np.repeat(np.arange(BANKS), counts)
        self.bins = [f"62{1700 + place:04d}" for place in range(int(counts.sum()))]
        self.bin_ids = self.names.all(self.bins)
        shares = np.zeros((BANKS, int(counts.max())))
        self.first_bin = np.concatenate(([0], np.cumsum(counts)[:-1]))
        for bank, count in enumerate(counts):
            shares[bank, :count] = 1 / np.arange(1, count + 1) ** 1.2
        self.bin_table = cumulative(shares)
        self.decline_codes = [*DECLINES, *FAILURES]
        usual = np.array([*DECLINES.values(), *FAILURES.values()])
        own = np.exp(chance.normal(0.0, 0.3, (BANKS, len(usual))))
        self.decline_shares = usual * own / own.mean(0)
        self.decline_ids = self.names.all(self.decline_codes)
        self.declines_pin = np.array([code in ("55", "75", "38") for code in self.decline_codes])

    def _open_shops(self, chance: np.random.Generator) -> None:
        self.merchants = [f"8024403{5000 + place:04d}0001" for place in range(MERCHANTS)]
        self.merchant_ids = self.names.all(self.merchants)
        regions = cumulative(chance.dirichlet(np.full(len(REGIONS), 6.0)))
        self.merchant_region = np.searchsorted(regions, chance.random(MERCHANTS))
        sources = cumulative(np.array(_SOURCE_SHARES))
        self.merchant_source = np.searchsorted(sources, chance.random(MERCHANTS))
        trades = cumulative(np.array([trade[0] for trade in TRADES]))
        self.merchant_trade = np.searchsorted(trades, chance.random(MERCHANTS))
        self.merchant_weight = np.exp(chance.normal(0.0, 0.9, MERCHANTS))
        self.amount_median = np.array([trade[1] for trade in TRADES])
        self.amount_spread = np.array([trade[2] for trade in TRADES])
        self.kind_table = cumulative(
            np.array([[trade[3].get(kind, 0.0) for kind in KINDS] for trade in TRADES])
        )

    def _put_up_terminals(self, chance: np.random.Generator) -> None:
        self.terminals = [f"{10_000_001 + place}" for place in range(TERMINALS)]
        self.terminal_ids = self.names.all(self.terminals)
        spare = chance.choice(
            MERCHANTS, TERMINALS - MERCHANTS, p=self.merchant_weight / self.merchant_weight.sum()
        )
        self.terminal_merchant = np.concatenate((np.arange(MERCHANTS), np.sort(spare)))
        liked = chance.dirichlet(np.full(len(MODELS) // 2, 1.5), len(SOURCES))  # a source buys what it likes
        source = self.merchant_source[self.terminal_merchant]
        model = (cumulative(liked)[source] < chance.random(TERMINALS)[:, None]).sum(1)
        self.terminal_model = 2 * model + (chance.random(TERMINALS) < _NEWER)
        own = np.bincount(self.terminal_merchant, minlength=MERCHANTS)[self.terminal_merchant]
        weight = self.merchant_weight[self.terminal_merchant] / own * np.exp(chance.normal(0, 0.3, TERMINALS))
        self.terminal_shares = weight / weight.sum()
        self.terminal_table = cumulative(weight)

    def _settle_habits(self, chance: np.random.Generator) -> None:
        """Which banks' cards are carried in which region, how they are read where, whose they are."""
        home = np.exp(chance.normal(0.0, 0.45, (len(REGIONS), BANKS)))
        self.bank_table = cumulative(self.bank_shares * home)
        ways = np.array(_ENTRY_SHARES) * np.exp(chance.normal(0.0, 0.2, (len(TRADES), len(ENTRIES))))
        self.entry_table = cumulative(ways)
        self.cards = chance.integers(1, 1 << 31, CARDS)
        self.card_trait = chance.random(CARDS)  # something about it that nobody registers
