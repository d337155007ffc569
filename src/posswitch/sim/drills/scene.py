"""What an injector has at hand: the city's remote control, the node's process and files, chosen places."""

import contextlib
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from posswitch.base.errors import PosswitchError
from posswitch.base.registry import Bank, Bin, Merchant, Registry, Terminal
from posswitch.edge.start import serving_pid
from posswitch.settings.config import Config
from posswitch.sim.orders import Order
from posswitch.sim.remote import Caller

Place = dict[str, str]
_NODE_SECONDS_MAX = 30.0


class Scene:
    """One drill on one city; leaving it undoes everything."""

    def __init__(
        self, config: Config, name: str, seed: int, share: float = 1.0, trading: int | None = None
    ) -> None:
        """The places are drawn from `seed`; `trading`: how many terminals have customers, all if not said.

        `share` of what happens at the place goes wrong.
        """
        self.config = config
        self.share = share
        self.seed = seed
        self.chance = random.Random(f"{seed}/{name}")  # noqa: S311 - shapes a drill
        self._caller = Caller(config.data)
        self._undo = contextlib.ExitStack()
        rows: Registry = config.registry
        self.banks: list[Bank] = list(rows.banks.values())
        self.merchants: list[Merchant] = list(rows.merchants.values())
        self.terminals: list[Terminal] = list(rows.terminals.values())[:trading]
        self._choose(rows)

    def _choose(self, rows: Registry) -> None:
        chance = self.chance
        self.bank = chance.choice(self.banks[1:]).id  # the centre may stand in for the first
        self.link = chance.randrange(len(rows.banks[self.bank].links))
        bins = [row for row in rows.rows if isinstance(row, Bin) and row.bank == self.bank]
        self.bin = chance.choice(bins)
        terminal = chance.choice(self.terminals)
        self.terminal, self.merchant = terminal.id, terminal.merchant
        chosen = chance.choice(self.terminals)
        self.model, self.firmware = chosen.model, chosen.firmware
        self.region = rows.merchants[chance.choice(self.terminals).merchant].city

    def __repr__(self) -> str:
        return f"Scene({self.bank}/{self.link}, {self.merchant}, {self.terminal}, share {self.share})"

    def place(self, where: tuple[str, ...]) -> Place:
        """The chosen value of some dimensions."""
        values = {
            "bank": self.bank,
            "link": f"{self.bank}/{self.link}",
            "bin": self.bin.prefix,
            "merchant": self.merchant,
            "terminal": self.terminal,
            "model": f"{self.model} {self.firmware}".strip(),
            "region": self.region,
        }
        return {name: values[name] for name in where}

    def tell(self, order: Order) -> None:
        """An order to the city."""
        self._caller.tell(order)

    def at_the_end(self, undo: Callable[[], object]) -> None:
        """What undoes something, the last first; if it cannot be done any more the others still are."""

        def carefully() -> None:
            with contextlib.suppress(PosswitchError, OSError):
                undo()

        self._undo.callback(carefully)

    def enter(self, around: contextlib.AbstractContextManager[object]) -> None:
        """Something that lasts until the end."""
        self._undo.enter_context(around)

    @staticmethod
    def wait(seconds: float) -> None:
        """For what takes time in the city."""
        time.sleep(seconds)

    def undo_with(self, order: Order) -> None:
        """An order that undoes something."""
        self.at_the_end(lambda: self.tell(order))

    def meanwhile(self, act: Callable[["Caller", threading.Event], None]) -> None:
        """Goes on beside everything else until the end, which the event tells; has a line of its own."""
        ending = threading.Event()

        def run() -> None:
            caller = Caller(self.config.data)
            with contextlib.suppress(PosswitchError, OSError):
                act(caller, ending)
            caller.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def end() -> None:
            ending.set()
            thread.join(_NODE_SECONDS_MAX)

        self.at_the_end(end)

    @property
    def data(self) -> Path:
        """The node's folder."""
        return self.config.data

    def node_pid(self) -> int:
        """The process of the node, once it serves; PosswitchError when it does not."""
        ends = time.monotonic() + _NODE_SECONDS_MAX
        while (pid := serving_pid(self.config)) is None:
            if time.monotonic() > ends:
                raise PosswitchError("no node serves on this city; look at its node.log")
            time.sleep(0.02)
        return pid

    def close(self) -> None:
        """Undoes everything."""
        self._undo.close()
        self._caller.close()

    def heal(self) -> None:
        """Undoes everything; the scene may go on."""
        self._undo.close()
        self._undo = contextlib.ExitStack()
