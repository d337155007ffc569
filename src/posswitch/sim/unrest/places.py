"""Where something is wrong: dimensions and values, which requests that means, how much that is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posswitch.sim.unrest.bank import Door
from posswitch.sim.unrest.line import Line
from posswitch.sim.unrest.town import ENTRIES, KINDS, MODELS, REGIONS, SOURCES, Plan, Town
from posswitch.sim.unrest.traffic import Batch, Traffic
from posswitch.sim.unrest.world import World

Mask = NDArray[np.bool_]
Place = Mapping[str, str]  # as an incident names it

LINKS_MAX = 16
_BANDS = 4
_COUNT = 40_000  # of the requests that shares are taken from
_BAND_BITS = (10, 17, 20)  # as `diagnose.signals` has them


class Spot(NamedTuple):
    """A place: (dimension, index) pairs; none: everywhere. A link is (bank, index) folded into one number."""

    at: tuple[tuple[str, int], ...] = ()

    def mask(self, batch: Batch) -> Mask:
        """Which requests are there; a link's are those of its bank."""
        found = np.ones(len(batch), bool)
        for dim, index in self.at:
            if dim == "link":
                found &= batch.bank == index // LINKS_MAX
            elif dim == "band":
                found &= band_of(batch.amount) == index
            else:
                found &= getattr(batch, dim) == index
        return found

    def get(self, dim: str) -> int:
        """Its index in a dimension, -1 when it has none there."""
        return dict(self.at).get(dim, -1)

    def lines(self, world: World) -> list[Line]:
        """The links there."""
        return [line for door in self.doors(world) for line in door.lines if self._has(door, line)]

    def doors(self, world: World) -> list[Door]:
        """The banks there."""
        link = self.get("link")
        bank = link // LINKS_MAX if link >= 0 else self.get("bank")
        return [world.node.doors[bank]] if bank >= 0 else world.node.doors

    def _has(self, door: Door, line: Line) -> bool:
        link = self.get("link")
        return link < 0 or line is door.lines[link % LINKS_MAX]

    def place(self, town: Town) -> dict[str, str]:
        """In names."""
        return {dim: name_of(town, dim, index) for dim, index in self.at}


def band_of(amounts: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """The band of each amount, as diagnosis has them."""
    bits = np.where(amounts > 0, np.floor(np.log2(np.maximum(amounts, 1))).astype(np.int64) + 1, 0)
    return np.searchsorted(_BAND_BITS, bits)


def name_of(town: Town, dim: str, index: int) -> str:
    """What people call it."""
    if dim == "link":
        return f"{town.banks[index // LINKS_MAX].id}/{index % LINKS_MAX}"
    return str(index) if dim == "band" else _values(town, dim)[index]


def _values(town: Town, dim: str) -> Sequence[str]:
    return {
        "bank": [bank.id for bank in town.banks],
        "bin": town.bins,
        "merchant": town.merchants,
        "terminal": town.terminals,
        "region": REGIONS,
        "source": SOURCES,
        "model": MODELS,
        "kind": KINDS,
        "entry": ENTRIES,
    }[dim]


def index_of(town: Town, dim: str, name: str) -> int:
    """Its index; ValueError when there is none."""
    return list(_values(town, dim)).index(name)


def size_of(town: Town, dim: str) -> int:
    """How many values a dimension has."""
    return _BANDS if dim == "band" else len(_values(town, dim))


def terminals_at(town: Town, spot: Spot) -> NDArray[np.int64]:
    """The terminals there."""
    merchant = town.terminal_merchant
    found = np.ones(len(town.terminals), bool)
    for dim, index in spot.at:
        column = {
            "terminal": np.arange(len(town.terminals)),
            "merchant": merchant,
            "model": town.terminal_model,
            "region": town.merchant_region[merchant],
            "source": town.merchant_source[merchant],
        }.get(dim)
        if column is not None:
            found &= column == index
    return np.flatnonzero(found)


class Population:
    """Ordinary requests of a town: what share of them is where, how alike two places are."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._batch = Traffic(town, Plan(0, 1.0, 0.0).seed, 1.0).people(_COUNT, 0.0, 1.0)
        banks = self._batch.bank
        links = np.array([bank.links for bank in town.banks])[banks]
        self._link = banks * LINKS_MAX + np.arange(_COUNT) % links

    def __repr__(self) -> str:
        return f"<{_COUNT} requests of {self._town!r}>"

    def share(self, spot: Spot) -> float:
        """Of all requests."""
        return float(self.mask(spot.place(self._town)).mean())

    def mask(self, place: Place) -> Mask:
        """Which requests are at a place; none where one of its names is not known."""
        found = np.ones(_COUNT, bool)
        for dim, name in place.items():
            if dim == "node":
                continue
            found &= self._at(dim, name)
        return found

    def _at(self, dim: str, name: str) -> Mask:
        town, batch = self._town, self._batch
        if dim == "link":
            bank, _, index = name.partition("/")
            ids = [one.id for one in town.banks]
            return (
                self._link == ids.index(bank) * LINKS_MAX + int(index)
                if bank in ids and index.isdecimal()
                else np.zeros(_COUNT, bool)
            )
        if dim == "band":
            return band_of(batch.amount) == int(name) if name.isdecimal() else np.zeros(_COUNT, bool)
        try:
            return np.asarray(getattr(batch, dim) == list(_values(town, dim)).index(name))
        except (KeyError, ValueError):
            return np.zeros(_COUNT, bool)

    def alike(self, one: Place, other: Place) -> float:
        """Jaccard's index of their requests; of two places without any: whether they are the same."""
        a, b = self.mask(one), self.mask(other)
        union = int((a | b).sum())
        return int((a & b).sum()) / union if union else float(dict(one) == dict(other))

    def meet(self, one: Place, other: Place) -> bool:
        """Whether any request is at both."""
        return bool((self.mask(one) & self.mask(other)).any()) or dict(one) == dict(other)

    def within(self, inner: Place, outer: Place) -> float:
        """How many times as much as `outer` a place takes in."""
        return float(self.mask(inner).sum()) / max(float(self.mask(outer).sum()), 1.0)
