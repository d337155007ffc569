"""A kind of fault as a row: what it is called and why it happens, where it can be, what it does."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from posswitch.sim.unrest.blows import RAMP, STEP, Hit
from posswitch.sim.unrest.places import Population, Spot
from posswitch.sim.unrest.town import Town
from posswitch.sim.unrest.world import Blow

Shape = tuple[str, ...]  # the dimensions of a place, one may be `dim=value`; none: everywhere
ANY = (0.05, 0.2, 0.5, 1.0)
WHOLE = (1.0,)
MOST = (0.5, 1.0)


class Scene(NamedTuple):
    """Where it plays: for choices that a kind has to make itself."""

    town: Town
    population: Population
    tps: float  # now
    room: float  # events a second that the node can do
    chance: np.random.Generator


class Kind(NamedTuple):
    """One row. `same`: kinds that a node cannot tell from it; `truth`: where it is not the place it hits."""

    id: str
    cause: str
    shapes: tuple[Shape, ...]
    blows: Callable[[Hit, Scene], list[Blow]]
    severities: tuple[float, ...] = WHOLE
    forms: tuple[str, ...] = (STEP,)
    same: tuple[str, ...] = ()
    truth: Callable[[Spot, Scene], tuple[dict[str, str], ...]] | None = None
    seconds: float = 0.0  # it needs to show itself; 0: as its rate and severity say
    plan: int = -1  # of `cases.PLANS`, where only one will do
    causes: tuple[str, ...] = ()  # that are right as well
    variant: str = ""  # tells rows of one id apart

    @property
    def key(self) -> str:
        """What it is found by."""
        return f"{self.id}~{self.variant}" if self.variant else self.id


STEP_OR_RAMP = (STEP, RAMP)
EVERYWHERE: Shape = ()
BANK, LINK, BIN, MERCHANT, TERMINAL, REGION, SOURCE, MODEL, KIND, ENTRY = (
    (dim,)
    for dim in ("bank", "link", "bin", "merchant", "terminal", "region", "source", "model", "kind", "entry")
)
BANK_ENTRY, BANK_KIND, REGION_BANK, MODEL_KIND = (
    ("bank", "entry"), ("bank", "kind"), ("region", "bank"), ("model", "kind"),
)  # fmt: skip
CHIPS = ("entry=051", "entry=071", "entry=072")  # what has a cryptogram
