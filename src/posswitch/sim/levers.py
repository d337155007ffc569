"""What each order does to the city: lines, banks, the node."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from posswitch.edge.start import serving_pid
from posswitch.settings.config import Config
from posswitch.sim.authority import Authority
from posswitch.sim.orders import (
    Certificate,
    Clock,
    Clone,
    Come,
    Cut,
    Hsm,
    Keys,
    Kill,
    Leave,
    Manner,
    Order,
    Plug,
    Pull,
    QuirkOf,
    Replay,
    Spoil,
    State,
    Unfit,
)
from posswitch.sim.peers.hsm_box import HsmBox
from posswitch.sim.peers.line import KNOWN_FAULTS, Fault, Line
from posswitch.sim.peers.moody_bank import MANNERS, Told
from posswitch.sim.peers.quirks import Quirk, Quirky
from posswitch.sim.streets import Streets
from posswitch.sim.striker import Striker
from posswitch.sim.visitors import Visitors

Said = dict[str, Any]


class Levers:
    """Carries out orders, one at a time."""

    def __init__(
        self,
        config: Config,
        streets: Streets,
        striker: Striker,
        box: HsmBox | None = None,
        authority: Authority | None = None,
    ) -> None:
        """`box` and `authority` where the city has an HSM behind the network, and where it speaks TLS."""
        self._config = config
        self._streets = streets
        self._striker = striker
        self._box = box
        self._authority = authority
        self.visitors = Visitors(streets)
        seed = f"{streets.city.seed}/levers"
        self._chance = random.Random(seed)  # noqa: S311 - shapes a simulation, guards nothing
        self._one_by_one = asyncio.Lock()
        self._recovering: asyncio.Task[bool] | None = None
        self._strange_papers: dict[str, None] = {}
        self.obeyed = 0

    def __repr__(self) -> str:
        return f"Levers({self.obeyed} orders obeyed)"

    async def obey(self, order: Order) -> Said:
        """Carries an order out; what there is to say about it. Unfit when that cannot be done."""
        async with self._one_by_one:
            said = await _OBEY[type(order)](self, order)
            self.obeyed += 1
        return said

    def release(self) -> None:
        """Nobody waits for anything any more."""
        if self._recovering is not None:
            self._recovering.cancel()

    # Lines

    async def _pull(self, order: Pull) -> Said:
        for line in self._lines(order):
            await line.pull()
        return {}

    async def _plug(self, order: Plug) -> Said:
        for line in self._lines(order):
            await line.plug()
        return {}

    async def _cut(self, order: Cut) -> Said:
        for line in self._lines(order):
            line.cut()
        return {}

    async def _spoil(self, order: Spoil) -> Said:
        for name in order.faults:
            _known(name, KNOWN_FAULTS, "fault")
        faults = [Fault(name, rate) for name, rate in order.faults.items()]
        for line in self._lines(order):
            line.suffer(faults, order.way)
            line.payload_bytes_max = order.bytes_max
        return {}

    def _lines(self, order: Pull | Plug | Cut | Spoil) -> Sequence[Line]:
        if bool(order.bank) == bool(order.region):
            raise Unfit("which lines? name a bank or a region")
        if order.region:
            _known(order.region, tuple(self._streets.regions), "region")
            return (self._streets.regions[order.region],)
        lines = self._streets.lines_of(self._bank(order.bank).charter.id)
        if order.link is None:
            return lines
        if order.link >= len(lines):
            raise Unfit(f"bank {order.bank} has links 0 to {len(lines) - 1}, no {order.link}")
        return (lines[order.link],)

    # Banks

    def _bank(self, number: str) -> Told:
        for bank in self._streets.banks:
            if bank.charter.id == number:
                return bank
        numbers = ", ".join(bank.charter.id for bank in self._streets.banks)
        raise Unfit(f"no bank {number}; there are {numbers}")

    async def _manner(self, order: Manner) -> Said:
        bank = self._bank(order.bank)
        if order.manner is not None:
            _known(order.manner, MANNERS, "manner")
        bank.take_manner(order.manner or "", order.share, order.cards, order.per_second)
        return {}

    async def _keys(self, order: Keys) -> Said:
        bank = self._bank(order.bank)
        if order.usage is None:
            bank.find_keys()
        else:
            bank.mislay_key(order.usage, self._chance)
        return {}

    async def _clock(self, order: Clock) -> Said:
        self._bank(order.bank).set_clock(order.seconds)
        return {}

    async def _certificate(self, order: Certificate) -> Said:
        self._bank(order.bank)
        if self._authority is None:
            raise Unfit("this city speaks clear text; start it with --tls")
        self._streets.show_certificate(order.bank, self._authority, order.which)
        self._strange_papers[order.bank] = None
        return {}

    # Terminals

    async def _quirk(self, order: QuirkOf) -> Said:
        known = {one.terminal: one for one in self._streets.city.fittings}
        for name in order.terminals:
            _known(name, tuple(known), "terminal")
        chosen = [
            terminal
            for terminal, fitting in zip(self._streets.terminals, known.values(), strict=True)
            if isinstance(terminal, Quirky)
            and (not order.terminals or fitting.terminal in order.terminals)
            and order.model in ("", fitting.model)
            and order.merchant in ("", fitting.merchant)
        ]
        if not chosen:
            raise Unfit("there is no such terminal in this city")
        for terminal in chosen:
            terminal.take_quirk(order.quirk)
        return {"terminals": len(chosen)}

    async def _come(self, order: Come) -> Said:
        return {"terminals": self.visitors.come(order)}

    async def _clone(self, order: Clone) -> Said:
        await self.visitors.clone(order)
        return {}

    async def _replay(self, order: Replay) -> Said:
        await self.visitors.replay(order)
        return {}

    async def _leave(self, order: Leave) -> Said:
        await self.visitors.leave()
        return {}

    # The centre

    async def _hsm(self, order: Hsm) -> Said:
        if self._box is None:
            raise Unfit("the centre of this city keeps its keys in software; no HSM is there")
        self._box.mood = order.mood
        if order.away:
            self._box.away()
        else:
            await self._box.back()
        return {}

    async def heal(self) -> None:
        """Everything in the city is well again, and strangers are gone."""
        streets = self._streets
        streets.heal()
        await streets.plug_in()
        for terminal in streets.terminals:
            if isinstance(terminal, Quirky):
                terminal.take_quirk(Quirk.WELL)
        if self._box is not None:
            await self._hsm(Hsm())
        for bank in self._strange_papers:
            if self._authority is not None:
                streets.show_certificate(bank, self._authority, None)
        await self.visitors.leave()

    async def _kill(self, order: Kill) -> Said:
        if self._recovering is not None and not self._recovering.done():
            raise Unfit("it is down already; wait until it serves again")
        met = self._striker.blow()
        if met is None:
            raise Unfit("no node serves now; wait until it does")
        self._recovering = asyncio.get_running_loop().create_task(self._striker.recovered())
        return {"in_flight": met}

    # Looking

    async def _state(self, order: State) -> Said:
        city, streets = self._streets.city, self._streets
        plans = {plan.id: plan for plan in city.banks}
        return {
            "node": serving_pid(self._config),
            "banks": [
                {
                    "id": bank.charter.id,
                    "name_zh": plans[bank.charter.id].name_zh,
                    "name_en": plans[bank.charter.id].name_en,
                    "links": [_seen(line) for line in streets.lines_of(bank.charter.id)],
                    "manner": bank.manner_name or None,
                }
                for bank in streets.banks
            ],
            "spare": len(streets.spare),
            "hsm": self._box.mood.value if self._box is not None else None,
            "tls": streets.city.node.tls,
            "regions": {name: _seen(line) for name, line in streets.regions.items()},
            "manners": list(MANNERS),
            "faults": list(KNOWN_FAULTS),
            "quirks": [quirk.value for quirk in Quirk if quirk],
            "kills": len(self._striker.in_flight),
            "open_sales": streets.open_sales,
            "outcomes": dict(streets.tally()),
        }


def _seen(line: Line) -> Said:
    return {"cable": line.cable.value, "faults": line.suffers}


def _known(name: str, names: Sequence[str], what: str) -> None:
    if name not in names:
        raise Unfit(f"no {what} {name!r}; there are {', '.join(names)}")


_OBEY: dict[type[Order], Callable[[Levers, Any], Awaitable[Said]]] = {
    Pull: Levers._pull,
    Plug: Levers._plug,
    Cut: Levers._cut,
    Spoil: Levers._spoil,
    Manner: Levers._manner,
    Kill: Levers._kill,
    Keys: Levers._keys,
    Clock: Levers._clock,
    Certificate: Levers._certificate,
    Hsm: Levers._hsm,
    QuirkOf: Levers._quirk,
    Come: Levers._come,
    Clone: Levers._clone,
    Replay: Levers._replay,
    Leave: Levers._leave,
    State: Levers._state,
}
