"""A terminal alone: what it is told to do in a few words, done one after the other against any centre."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from posswitch.base.errors import PosswitchError
from posswitch.scheme.kinds import (
    BALANCE,
    ECHO,
    PAYMENT_KINDS,
    SETTLEMENT,
    SIGN_OFF,
    SIGN_ON,
    TOLERANT,
    WHOLE,
    Kind,
)
from posswitch.sim.peers.customer import Purchase
from posswitch.sim.peers.desk import GaveUp
from posswitch.sim.peers.drawer import Order
from posswitch.sim.peers.terminal import APPROVED, NEITHER, Terminal

MIX = "mix"
_SETTLE = "settle"
_ERRANDS = {SIGN_ON.name: SIGN_ON, ECHO.name: ECHO, _SETTLE: SETTLEMENT, SIGN_OFF.name: SIGN_OFF}
_FIRST = (SIGN_ON.name, ECHO.name)
_AMOUNT = re.compile(r"([0-9]{1,10})(?:\.([0-9]{2}))?")
_MIX_FROM_MINOR, _MIX_STRIDE, _MIX_SPAN = 100, 7_919, 100_000  # the stride shares no divisor with the span


# (outcome, whether the kind is reversed) → why it was not as asked
_WORDS = {
    (APPROVED, False): "",
    (APPROVED, True): "",
    (NEITHER, False): "no usable answer",
    (NEITHER, True): "outcome unknown; its reversal was confirmed",
}

_UNBALANCED = "the totals do not balance (this terminal knows only the payments of this run)"


class Step(NamedTuple):
    """One thing to do; `amount_minor` None = none, or all of what it builds on."""

    word: str
    name: str
    amount_minor: int | None = None
    times: int = 1

    @property
    def kind(self) -> Kind | None:
        """The kind of payment, or None when it is none."""
        return PAYMENT_KINDS.get(self.name)


class Result(NamedTuple):
    """How one step ended; `why` is in words when it was not as asked."""

    step: Step
    good: bool
    why: str = ""


def read_amount(words: str) -> int:
    """Yuan with two decimals or none to minor units, exactly; PosswitchError for anything else."""
    found = _AMOUNT.fullmatch(words)
    if found is None:
        raise PosswitchError(f"amount {words[:24]!r}: write yuan with two decimals, as 12.34")
    return int(found[1]) * 100 + int(found[2] or "0")


def read_steps(words: Sequence[str], mix: int = 0, *, echo: bool = False) -> list[Step]:
    """What `words` name, `mix` payments after the first sign-on; PosswitchError on a mistake."""
    steps = [_step(word) for word in words]
    if echo:
        steps.insert(0, Step(ECHO.name, ECHO.name))
    if mix:
        first = next((at for at, step in enumerate(steps) if step.name not in _FIRST), len(steps))
        steps.insert(first, Step(f"{MIX} {mix}", MIX, times=mix))
    if not steps:
        raise PosswitchError("nothing to do; name steps, as: sign-on sale:12.34 void settle sign-off")
    had: dict[str, None] = {}
    for step in steps:
        kind = step.kind
        if kind is not None and kind.original and not mix and not any(name in had for name in kind.of):
            raise PosswitchError(
                f"{step.word}: builds on a receipt; put {' or '.join(kind.of)}:AMOUNT before it"
            )
        had[step.name] = None
    return steps


def _step(word: str) -> Step:
    name, colon, amount = word.partition(":")
    if name in _ERRANDS:
        if colon:
            raise PosswitchError(f"{word[:40]}: takes no amount; write {name}")
        return Step(word, name)
    kind = PAYMENT_KINDS.get(name)
    if kind is None:
        known = ", ".join((*_ERRANDS, *PAYMENT_KINDS))
        raise PosswitchError(f"step {word[:40]!r} is not known; use {known}")
    if kind is BALANCE or kind.takes == WHOLE:
        if colon:
            raise PosswitchError(f"{word[:40]}: takes no amount; write {name}")
        return Step(word, name)
    if not colon and kind.original:
        return Step(word, name)
    if not colon:
        raise PosswitchError(f"{name}: how much? write {name}:12.34")
    return Step(word, name, read_amount(amount))


class Regular:
    """The customer of the mix: always the same card, never the same amount twice in a row of 100,000."""

    def __init__(self, pan: str, expiry: str, pin: str) -> None:
        self._pan = pan
        self._expiry = expiry
        self._pin = pin
        self._served = 0

    def __repr__(self) -> str:
        return f"Regular({self._served} served)"

    def next(self) -> Purchase:
        """The next payment."""
        amount_minor = _MIX_FROM_MINOR + self._served * _MIX_STRIDE % _MIX_SPAN
        self._served += 1
        return self.pays(amount_minor)

    def pays(self, amount_minor: int) -> Purchase:
        """This card, this amount."""
        return Purchase(self._pan, self._expiry, self._pin, amount_minor)


class Solo:
    """Takes a terminal through its steps; `tell` hears how each ended."""

    def __init__(self, terminal: Terminal, customer: Regular, tell: Callable[[Result], None]) -> None:
        self._terminal = terminal
        self._customer = customer
        self._tell = tell

    def __repr__(self) -> str:
        return f"Solo({self._terminal!r})"

    async def run(self, steps: Sequence[Step]) -> bool:
        """Every step in order; False when one was not as asked. What gives up ends them all."""
        good = True
        try:
            for at, step in enumerate(steps):
                try:
                    why = await self._do(step, last=at == len(steps) - 1)
                except GaveUp as gave_up:
                    rest = ", ".join(left.word for left in steps[at + 1 :])
                    not_done = f"; not done: {rest}" if rest else ""
                    self._tell(Result(step, False, f"gave up: {gave_up}{not_done}"))
                    return False
                self._tell(Result(step, not why, why))
                good = good and not why
        finally:
            self._terminal.close()
        return good

    async def _do(self, step: Step, *, last: bool) -> str:
        """One step; why it was not as asked, or empty."""
        terminal = self._terminal
        if step.name == SIGN_ON.name:
            await terminal.sign_on()
            return ""
        if step.name == ECHO.name:
            return _unless_done(await terminal.echo())
        if not terminal.signed_on:
            await terminal.sign_on()  # nothing else can be signed without keys
        if step.name == SIGN_OFF.name:
            return _unless_done(await terminal.sign_off())
        if step.name == _SETTLE:
            return "" if await terminal.settle(goes_on=not last) else _UNBALANCED
        if step.name == MIX:
            outcomes = [await terminal.pay(terminal.drawer.next(terminal.batch)) for _ in range(step.times)]
            missed = len(outcomes) - outcomes.count(APPROVED)
            return f"{missed} of {step.times} not approved" if missed else ""
        return await self._pay(step)

    async def _pay(self, step: Step) -> str:
        terminal, kind = self._terminal, step.kind
        assert kind is not None
        original = terminal.drawer.last_for(kind, terminal.batch) if kind.original else None
        if kind.original and original is None:
            return f"no approved {' or '.join(kind.of)} to build on"
        if original is None:
            order = Order(kind, self._customer.pays(step.amount_minor or 0))
        else:
            was = original.purchase
            amount_minor = was.amount_minor if step.amount_minor is None else step.amount_minor
            order = Order(kind, Purchase(was.pan, was.expiry, "", amount_minor), original)
        outcome = await terminal.pay(order)
        if outcome == APPROVED and original is not None and kind.takes in (WHOLE, TOLERANT):
            terminal.drawer.spent(original)
        return _WORDS.get((outcome, kind.reversible), outcome)


def _unless_done(code: str) -> str:
    return "" if code == "00" else f"answered {code}" if code else "answered without a code"
