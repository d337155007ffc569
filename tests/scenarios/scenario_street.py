"""The town of scenario lines: banks that keep a book, terminals of one's own, a neighbour's, a stranger's."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import apsw
from edge_bank import CENTRE, Asked, ScriptedBank
from edge_till import POS, Cable, Till
from edge_town import TIMERS, Town, until

from posswitch.base.codes import APPROVALS
from posswitch.codec import Message
from posswitch.edge.supervisor import Supervisor
from posswitch.scheme.numbers import payment_of_rrn
from posswitch.sim.city import City, build_city
from posswitch.sim.peers import cups
from posswitch.sim.peers.customer import pan_at
from posswitch.sim.peers.terminal import Fitting

_TERMINALS = 480
_RESTRICTED = ("sale", "void")  # the kinds of the first terminal
_NO_MONEY = frozenset({"310000"})  # field 3
_TILL_LOOK_S = 0.05
ALL_CUPS = ("cups",) * 4


class BookedBank(ScriptedBank):
    """Books what it approves; acknowledges reversals of a terminal once its line is told to the end."""

    def __init__(self, plan) -> None:
        super().__init__(plan)
        self.acks = ""
        self.released: set[str] = set()
        self.posted: dict[str, int] = {}  # RRN → amount
        self.reversed: set[str] = set()
        self.advised: dict[str, set[tuple]] = {}  # RRN → F7 and F11 under which it came

    def _arrived(self, link, payload: bytes) -> None:
        super()._arrived(link, payload)
        message = self.dialect.unpack(payload)
        if message.fields.get(41) in self.released:
            self._settle(Asked(link, message, payload))

    @property
    def is_open(self) -> bool:
        """Whether its lines can be dialled."""
        return bool(self._servers)

    def _settle(self, asked: Asked) -> None:
        if asked.message.mti[1:3] in ("42", "22"):
            self.answer(asked)

    def answer(self, asked: Asked, code: str = "00", changes=None) -> None:
        """Answers, and books what the centre may rely on."""
        self.book(asked, code)
        super().answer(asked, code, changes)

    def book(self, asked: Asked, code: str) -> None:
        """What stands here after saying `code`."""
        mti, rrn = asked.message.mti, str(asked[37])
        if code not in APPROVALS or asked[3] in _NO_MONEY:
            return
        if mti[1] == "4":
            self.posted.pop(rrn, None)
            self.reversed.add(rrn)
        elif rrn not in self.reversed:
            self.posted[rrn] = int(str(asked[4]))
            self.advised.setdefault(rrn, set()).add((asked[7], asked[11]))

    def spoiled(self, asked: Asked, code: str, changes: dict[int, str | None], *, unsigned: bool) -> bytes:
        """An answer under a wrong MAC, or under none."""
        message = self.dialect.unpack(self.made(asked, code, changes))
        message.fields[128] = b"00000000"
        if unsigned:
            del message.fields[128]
        return cups.packed(self.dialect, message, CENTRE, self.plan.id)

    def unheard(self, terminal: str) -> list[str]:
        """MTIs that came for this terminal and that no step has looked at; repeats are no surprise."""
        return sorted(
            mti
            for (mti, who), box in self._boxes.items()
            if who == terminal and mti[3] == "0"
            for _ in range(box.qsize())
        )

    def release(self, terminal: str) -> None:
        """Acknowledges everything of this terminal from now on."""
        self.released.add(terminal)
        for (_, who), box in self._boxes.items():
            while who == terminal and not box.empty():
                self._settle(box.get_nowait())


class Ear:
    """One till at its own cable, and a reader that sorts what it hears by MTI and trace number."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self.old_mak = b""
        self.signed_on = False
        self._boxes: dict[tuple[str, str], asyncio.Queue[bytes]] = {}
        self._reading = asyncio.create_task(self._read(till.cable))

    async def _read(self, cable: Cable) -> None:
        while True:
            try:
                payload = await cable.take()
            except TimeoutError:  # nothing was said for a while
                continue
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            message = POS.unpack(payload)
            self._box(message.mti, str(message.fields.get(11, ""))).put_nowait(payload)

    def _box(self, mti: str, stan: str) -> asyncio.Queue[bytes]:
        return self._boxes.setdefault((mti, stan), asyncio.Queue())

    async def told(self, mti: str, stan: str) -> bytes:
        """The next answer with this MTI and trace number."""
        return await self._box(mti, stan).get()

    def keep(self, mti: str, stan: str, payload: bytes) -> None:
        """It was looked at too early."""
        self._box(mti, stan).put_nowait(payload)

    def unread(self) -> list[str]:
        """What was told and no step has looked at."""
        return sorted(mti for (mti, _), box in self._boxes.items() for _ in range(box.qsize()))

    async def hung_up(self) -> None:
        self._reading.cancel()
        await self.till.cable.pulled()

    def redial(self) -> None:
        """Reads the till's new cable."""
        self._reading.cancel()
        self._reading = asyncio.create_task(self._read(self.till.cable))


class Street(Town):
    """A town with a terminal or two for every line."""

    bank_type = BookedBank

    def __init__(self, city: City, home: int) -> None:
        super().__init__(city)
        self.home = home  # the bank of the lines' cards
        self._free = list(city.fittings[1:])

    @classmethod
    async def lived_in(cls, folder: Path, dialects: Sequence[str] = ALL_CUPS, home: int = 0) -> Self:
        """Opens a town whose first terminal may send few kinds only."""
        city = build_city(folder, 7, _TERMINALS, TIMERS, dialects=dialects)
        first = f'id = "{city.fittings[0].terminal}"\n'
        text = city.config.read_text(encoding="utf-8")
        kinds = ", ".join(f'"{kind}"' for kind in _RESTRICTED)
        city.config.write_text(text.replace(first, f"{first}kinds = [{kinds}]\n"), encoding="utf-8")
        return await cls(city, home).opened()

    def foreign_pan(self) -> str:
        """A card of a foreign network that nobody else has."""
        self._sold += 1
        return pan_at(next(row for row in self.city.ranges if row.foreign), self._sold)

    async def ear(self, who: str = "", beside: Till | None = None) -> Ear:
        """A terminal that no other line uses: any, a neighbour in the same shop, a stranger in another."""
        return Ear(Till(self._fitting(who, beside), await self.cable()))

    def _fitting(self, who: str, beside: Till | None) -> Fitting:
        if who == "restricted":
            return self.city.fittings[0]
        if beside is None:
            return self._free.pop(0)
        here = beside.fitting.merchant
        found = next(row for row in self._free if (row.merchant == here) == (who == "neighbour"))
        self._free.remove(found)
        return found

    async def sign_on(self, ear: Ear) -> Message:
        """Signs on, again while the centre says that it was too soon."""
        till = ear.till
        async with asyncio.timeout(20.0):
            while True:
                till.cable.put(till.sign_on_request())
                answer = POS.unpack(await ear.told("0810", f"{till.stan:06d}"))
                if answer.fields[39] != "96":
                    break
                await asyncio.sleep(_TILL_LOOK_S)
        if answer.fields[39] == "00":
            ear.old_mak, ear.signed_on = till.mak, True
            till.take_keys(answer)
        return answer

    async def killed(self) -> None:
        """kill -9 of the node; a supervisor that knows nothing of it starts the next one without a pause."""
        self.supervisor._stopping = True
        self.supervisor.kill()
        await self.supervisor.wait()
        at_ns = time.time_ns()
        self.supervisor = Supervisor(self.city.config)
        await self.supervisor.start()
        await self.linked(self.lines(), since_ns=at_ns)

    def lines(self) -> int:
        """How many links there can be now."""
        return sum(len(bank.plan.line_ports) for bank in self.banks if bank.is_open)

    async def close(self) -> None:
        """Everything that is open ends; then banks and journal must agree about every payment."""
        await until(lambda: self.gauges().get("open_payments") == 0)
        await super().close()
        self.reconciled()

    def reconciled(self) -> None:
        """What stands here is posted at a bank, what does not is not, and nothing was posted twice."""
        posted: dict[int, int] = {}
        for bank in self.banks:
            posted |= {payment_of_rrn(rrn, "1", 10**9): amount for rrn, amount in bank.posted.items()}
            assert all(len(ways) == 1 for ways in bank.advised.values()), "one payment, one trace number"
        db = apsw.Connection(str(self.city.data / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
        standing = dict(
            db.execute(
                "SELECT payment, amount_minor FROM payment WHERE state = 'approved' AND kind <> 'balance'"
            ).fetchall()
        )
        db.close()
        assert standing == posted
