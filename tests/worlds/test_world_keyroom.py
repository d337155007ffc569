"""HSMs behind the network, in virtual time: away for an hour, and nothing is lost or answered wrongly."""

import random

import msgspec
import pytest

from posswitch.sim.peers.manners import SALE_MANNERS
from posswitch.sim.world import world as world_room
from posswitch.sim.world.faults import draw
from posswitch.sim.world.judge import violations
from posswitch.sim.world.run import hushed
from posswitch.sim.world.world import World

HOUR_S, FROM_S = 3600.0, 8.0


@pytest.fixture
def quiet_city(monkeypatch):
    """Nothing else goes wrong than banks that answer late or never; few terminals, for an hour and a bit."""
    mix = msgspec.structs.replace(
        draw(random.Random(1), 1),
        strikes=(),
        lines=(),
        sales=(
            *SALE_MANNERS[:2],
            SALE_MANNERS[[one.name for one in SALE_MANNERS].index("silent")]._replace(weight=0.3),
        ),
        terminals=8,
        payments_a_second=8.0,
        seconds_to_cutover=2 * HOUR_S,
        aged=False,
        network_hsm=True,
        vanishing=False,
    )
    monkeypatch.setattr(world_room, "draw", lambda *_: mix)
    monkeypatch.setattr(world_room, "_RAGE_S_MAX", HOUR_S + 2 * FROM_S)


def test_an_hour_without_an_hsm(quiet_city):
    with hushed():
        world = World(7, 10**6)
        boxes = world.keyroom.boxes
        begin_ns = world.wall_ns()
        for box in boxes:
            world.loop.call_later(FROM_S, box.away)
        world.loop.call_later(FROM_S + HOUR_S, world.keyroom.mend)
        world.run()
        assert list(violations(world)) == []
        sales = [row for row in world.pages("ledger") if row["mti"] in ("0100", "0200")]
        reversals = [row for row in world.pages("ledger") if row["mti"].startswith("042")]

        def within(rows):
            between = (begin_ns + int((FROM_S + 2) * 1e9), begin_ns + int((FROM_S + HOUR_S) * 1e9))
            return [row for row in rows if between[0] < row["at_ns"] < between[1]]

        assert sales
        assert within(sales) == [], "a payment was sent without its MAC"
        assert within(reversals) == []
        assert [row for row in reversals if row["at_ns"] > begin_ns + int((FROM_S + HOUR_S) * 1e9)]
        assert boxes[0].counts["asked"]
        world.bury()
