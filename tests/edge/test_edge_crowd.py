"""Two hundred purchases at once against one limit: never a cent over it, never a cent left held."""

import asyncio

import apsw
import pytest
from edge_till import POS
from edge_town import TIMERS, Town, until

from posswitch.journal.layout import DATABASE
from posswitch.sim.city import build_city

MERCHANTS_DAY_MINOR, AMOUNT_MINOR, CROWD = 1_000_000, 9_000, 200
LIMIT = f"""
[[limit]]
id = "shop"
of = "all"
day_minor = {MERCHANTS_DAY_MINOR}
day_count = 150
"""


class CrowdedTown(Town):
    @classmethod
    async def open(cls, folder):
        city = build_city(folder, 7, CROWD + 10, TIMERS)
        city.config.write_text(city.config.read_text("utf-8") + LIMIT, "utf-8")
        return await cls(city).opened()

    def held(self):
        """What stands in the limit's counters."""
        db = apsw.Connection(str(self.city.data / DATABASE), flags=apsw.SQLITE_OPEN_READONLY)
        db.set_busy_timeout(1000)
        rows = db.execute("SELECT key, used_minor FROM counter WHERE key LIKE 'limit:shop:%'").fetchall()
        db.close()
        return {key.split(":")[2]: used for key, used in rows}


@pytest.fixture(scope="module")
def switch(runner, tmp_path_factory):
    town = runner.run(CrowdedTown.open(tmp_path_factory.mktemp("crowd")))
    yield town
    runner.run(town.close())


async def test_a_crowd_gets_what_fits_and_what_ends_is_given_back(switch):
    tills = [await switch.till() for _ in range(CROWD)]
    bank, fits = switch.banks[0], MERCHANTS_DAY_MINOR // AMOUNT_MINOR
    for till in tills:
        till.cable.put(till.sale(switch.bought(amount_minor=AMOUNT_MINOR, pin=False)))
    asked = await asyncio.gather(*(asked_or_told(bank, till) for till in tills))
    assert [one for one in asked if isinstance(one, str)] == ["61"] * (CROWD - fits)
    waiting = [(till, one) for till, one in zip(tills, asked, strict=True) if not isinstance(one, str)]
    assert switch.held() == {"day": fits * AMOUNT_MINOR, "day#": fits}
    for place, (_, one) in enumerate(waiting):
        if place % 4:  # every fourth bank is silent
            bank.answer(one, "51" if place % 3 == 0 else "00")
    told = [(await till.answer()).fields[39] for till, _ in waiting]
    assert set(told) == {"00", "51", "98"}
    stands = told.count("00")
    await until(lambda: switch.held() == {"day": stands * AMOUNT_MINOR, "day#": stands})
    late = tills[-1]
    for _ in range(2):  # what was given back can be taken again
        await switch.approved(late, switch.bought(amount_minor=AMOUNT_MINOR, pin=False))
    assert switch.held() == {"day": (stands + 2) * AMOUNT_MINOR, "day#": stands + 2}


async def asked_or_told(bank, till):
    """What its bank was asked, or the code that the terminal is told at once."""
    asking = asyncio.ensure_future(bank.asked("0200", till.id))
    hearing = asyncio.ensure_future(till.cable.take())
    await asyncio.wait((asking, hearing), return_when=asyncio.FIRST_COMPLETED)
    if asking.done():
        hearing.cancel()
        return asking.result()
    asking.cancel()
    return POS.unpack(hearing.result()).fields[39]
