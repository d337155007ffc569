"""What can go wrong in a world: how often each fault comes, drawn from the seed."""

import random
from typing import NamedTuple

import msgspec

from posswitch.sim.peers.line import WORSE_FAULTS, Fault
from posswitch.sim.peers.manners import ADVICE_MANNERS, REVERSAL_MANNERS, SALE_MANNERS, Manner


class Strike(NamedTuple):
    """A fault of the node's machine or its surroundings, and the mean seconds from one to the next."""

    name: str
    every_s: float


STRIKES = (
    Strike("kill", 1.5),
    Strike("power-cut", 4.0),
    Strike("write-fails", 5.0),
    Strike("disk-broken", 4.0),
    Strike("disk-full", 4.0),
    Strike("disk-fills", 5.0),
    Strike("clock-step", 3.0),
    Strike("key-change", 0.5),
    Strike("bank-away", 4.0),
    Strike("bank-asks-key", 2.0),
    Strike("bank-loses-key", 6.0),
    Strike("hsm-fails", 3.0),
    Strike("terminal-hangs-up", 0.3),
    Strike("restart", 4.0),
)
# Where these strike, a centre may have told an approval to a line that had ended already, and nobody knows.
UNLIKE_VANISHING = frozenset({"kill", "power-cut", "write-fails", "disk-broken", "disk-full", "duplicate"})
_VANISHING_RATE, _CARDS_TRIED_RATE = 0.2, 0.25
MIDNIGHT_S = 2.0 - 3600.0  # the business date has changed, the calendar's is about to
_UNSURE = Manner("unsure", 0.03, effect=0.5, codes=("09", "68", "98"), insists=True)
_AGED_RATE, _NETWORK_HSM_RATE, _POLICY_RATE = 0.3, 0.3, 0.4
_CHOSEN_RATE = 0.5  # of the kinds that a seed could have
_STRENGTHS = (0.3, 1.0, 1.0, 3.0)


class Mix(msgspec.Struct, frozen=True):
    """What one seed has drawn: kinds and how often, lines, how banks behave, how big the city is."""

    strikes: tuple[Strike, ...]
    lines: tuple[Fault, ...]
    sales: tuple[Manner, ...]
    reversals: tuple[Manner, ...]
    advices: tuple[Manner, ...]
    terminals: int
    payments_a_second: float
    seconds_to_cutover: float
    aged: bool = False  # the journal is that of a switch whose trace and reference numbers soon begin anew
    network_hsm: bool = False  # keys lie in two HSMs behind the network
    policy: bool = False  # limits, a stand-in and a pause of a bank are in force
    vanishing: bool = False  # terminals may leave without a word: only where that cannot go unnoticed
    cards_tried: bool = False  # at some terminals, which guards then bar

    def __str__(self) -> str:
        parts = [f"{strike.name} every {strike.every_s:.1f} s" for strike in self.strikes]
        parts += [f"{fault.name} {fault.rate:.2%}" for fault in self.lines]
        banks = ", ".join(manner.name for manner in (*self.sales, *self.reversals, *self.advices))
        parts += [
            f"banks {banks}",
            f"{self.terminals} terminals",
            f"cut-over in {self.seconds_to_cutover:.1f} s",
        ]
        if self.aged:
            parts.append("numbers wrap")
        if self.network_hsm:
            parts.append("HSMs behind the network")
        if self.policy:
            parts.append("limits, stand-in and a pause")
        if self.vanishing:
            parts.append("terminals vanish")
        if self.cards_tried:
            parts.append("cards are tried")
        return "; ".join(parts)


def draw(entropy: random.Random, seed: int) -> Mix:
    """A mix: each kind is there or not, weak or strong."""
    tried = random.Random(f"cards tried {seed}").random() < _CARDS_TRIED_RATE

    def chosen(always: int, rows: tuple[Manner, ...]) -> tuple[Manner, ...]:
        more = [
            row._replace(weight=row.weight * entropy.choice(_STRENGTHS))
            for row in rows[always:]
            if entropy.random() < _CHOSEN_RATE
        ]
        return (*rows[:always], *more)

    vanishing = entropy.random() < _VANISHING_RATE
    to_cutover_s = entropy.choice((0.5, 2.0, 8.0, 3600.0, MIDNIGHT_S))
    spared = UNLIKE_VANISHING if vanishing else frozenset[str]()
    return Mix(
        tuple(
            strike._replace(every_s=strike.every_s / entropy.choice(_STRENGTHS))
            for strike in STRIKES
            if entropy.random() < _CHOSEN_RATE and strike.name not in spared
        ),
        tuple(
            fault._replace(rate=fault.rate * entropy.choice(_STRENGTHS))
            for fault in WORSE_FAULTS
            if entropy.random() < _CHOSEN_RATE and fault.name not in spared
        ),
        chosen(2, (*SALE_MANNERS, _UNSURE)),
        chosen(1, REVERSAL_MANNERS),
        chosen(1, ADVICE_MANNERS),
        entropy.randint(4, 60),
        entropy.choice((100.0, 400.0, 2000.0)),
        to_cutover_s,
        entropy.random() < _AGED_RATE,
        entropy.random() < _NETWORK_HSM_RATE,
        entropy.random() < _POLICY_RATE,
        vanishing,
        tried,
    )
