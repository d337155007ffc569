"""The remote control of a city: what it obeys, what it refuses and in which words, and for whom."""

import asyncio
import json
import stat
from pathlib import Path

import msgspec
import pytest

from posswitch.settings.config import load_config
from posswitch.sim.city import VARIED, build_city
from posswitch.sim.levers import Levers
from posswitch.sim.orders import (
    LINE_BYTES_MAX,
    Cut,
    Kill,
    Manner,
    Plug,
    Pull,
    Spoil,
    State,
    Unfit,
    read_order,
)
from posswitch.sim.remote import SOCKET, Caller, NoCity, Remote
from posswitch.sim.streets import CALM_MOOD, Streets
from posswitch.sim.striker import Striker

BANK = "90020000"


class NoSwitch:
    """A switch that never runs."""

    def kill(self) -> None:
        raise AssertionError("nobody serves")


def controlled(folder: Path, play) -> None:
    """A city without a switch; `play` runs in a thread of its own, as another process would."""

    async def scene() -> None:
        city = build_city(folder, 1, 6, variety=VARIED, mixed=True)
        streets = Streets(city, faults=(), mood=CALM_MOOD)
        config = load_config(city.config)
        remote = Remote(city.data, Levers(config, streets, Striker(config, streets, NoSwitch(), 1)))
        await streets.open()
        await remote.open()
        try:
            await asyncio.to_thread(play, city.data, streets)
        finally:
            await remote.close()
            await streets.close()
        assert not (city.data / SOCKET).exists()

    asyncio.run(scene())


def raw(folder: Path, line: bytes) -> dict[str, object]:
    caller = Caller(folder)
    caller._socket.sendall(line)
    said = caller._heard()
    caller.close()
    return said


def test_cables_are_pulled_cut_plugged_and_spoilt_by_bank_link_and_region(tmp_path):
    def play(folder, streets):
        caller = Caller(folder)
        caller.tell(Pull(BANK, 1))
        caller.tell(Cut("90010000"))
        caller.tell(Spoil("90030000", 0, faults={"drop": 0.3}, bytes_max=300))
        caller.tell(Pull(region="ZHUHAI"))
        said = caller.tell(State())
        cables = {bank["id"]: [link["cable"] for link in bank["links"]] for bank in said["banks"]}
        assert cables == {
            "90010000": ["cut", "cut"],
            BANK: ["whole", "pulled"],
            "90030000": ["whole", "whole"],
            "90040000": ["whole", "whole"],
        }
        assert said["banks"][2]["links"][0]["faults"] == {"drop": 0.3}
        assert {name: line["cable"] for name, line in said["regions"].items()} == {
            "SHENZHEN": "whole", "GUANGZHOU": "whole", "ZHUHAI": "pulled",
        }  # fmt: skip
        caller.tell(Plug(BANK))
        assert caller.tell(State())["banks"][1]["links"][1]["cable"] == "whole"
        caller.close()

    controlled(tmp_path / "city", play)


def test_a_bank_takes_a_manner_and_its_usual_ones_again(tmp_path):
    def play(folder, streets):
        caller = Caller(folder)
        caller.tell(Manner(BANK, "says-96", 0.5))
        bank = streets.banks[1]
        assert {manner.name for manner in bank._sales._manners} == {"says-96", "approve", "decline"}
        assert caller.tell(State())["banks"][1]["manner"] == "says-96"
        caller.tell(Manner(BANK))
        assert {manner.name for manner in bank._sales._manners} == {"approve", "decline"}
        assert caller.tell(State())["banks"][1]["manner"] is None
        caller.close()

    controlled(tmp_path / "city", play)


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (Pull("90090000"), "there are 90010000"),
        (Pull(BANK, 2), "links 0 to 1"),
        (Pull(), "name a bank or a region"),
        (Pull(BANK, region="ZHUHAI"), "name a bank or a region"),
        (Pull(region="BEIJING"), "there are SHENZHEN"),
        (Manner(BANK, "rude"), "there are slow"),
        (Spoil(BANK, faults={"rain": 0.1}), "there are delay"),
        (Kill(), "no node serves"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_could(tmp_path, order, why):
    def play(folder, streets):
        with pytest.raises(Unfit, match=why):
            Caller(folder).tell(order)

    controlled(tmp_path / "city", play)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"pull the cable\n", "one JSON object"),
        (b"[]\n", "Expected"),
        (b'{"bank": "90010000"}\n', "`do` is one of certificate, clock, clone"),
        (b'{"do": "fly"}\n', "`do` is one of"),
        (b'{"do": "pull", "bank": 7}\n', "bank"),
        (b'{"do": "pull", "bank": "90010000", "how": "hard"}\n', "how"),
        (b'{"do": "spoil", "bank": "90010000", "faults": {"drop": 7}}\n', "faults"),
        (b"\xff\xfe\n", "one JSON object"),
        (b"x" * (LINE_BYTES_MAX + 10) + b"\n", "longer than 4096 bytes"),
    ],
)
def test_what_is_no_order_is_answered_on_one_line(tmp_path, line, why):
    def play(folder, streets):
        said = raw(folder, line)
        assert said["ok"] is False
        assert why in str(said["error"])
        assert "\n" not in str(said["error"])

    controlled(tmp_path / "city", play)


def test_the_contract_as_it_is_written(tmp_path):
    def play(folder, streets):
        assert raw(folder, b'{"do": "pull", "bank": "90020000", "link": 0}\n') == {"ok": True}
        assert raw(folder, b'{"do": "plug", "bank": "90020000", "link": 0}\n') == {"ok": True}
        assert raw(folder, b'{"do": "manner", "bank": "90020000", "manner": null}\n') == {"ok": True}
        assert raw(folder, json.dumps({"do": "state"}).encode() + b"\n")["ok"] is True

    controlled(tmp_path / "city", play)


def test_only_its_owner_reaches_it_and_a_long_path_is_no_obstacle(tmp_path):
    deep = tmp_path / ("a" * 90) / ("b" * 90)

    def play(folder, streets):
        assert stat.S_IMODE((folder / SOCKET).stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert raw(folder, b'{"do": "state"}\n')["ok"] is True

    controlled(deep, play)


def test_callers_are_bounded_and_one_who_leaves_makes_room(tmp_path):
    def play(folder, streets):
        callers = [Caller(folder) for _ in range(16)]
        for caller in callers:
            caller.tell(State())
        with pytest.raises(NoCity):
            Caller(folder).tell(State())
        callers[0].close()
        for caller in callers[1:]:
            caller.tell(State())

    controlled(tmp_path / "city", play)


def test_where_no_city_runs_it_says_so(tmp_path):
    with pytest.raises(NoCity, match="posswitch demo"):
        Caller(tmp_path)
    (tmp_path / SOCKET).touch()
    with pytest.raises(NoCity, match="posswitch demo"):
        Caller(tmp_path)


@pytest.mark.parametrize(
    "order",
    [Pull(BANK, 1), Plug(region="ZHUHAI"), Cut(BANK), Spoil(BANK, faults={"drop": 0.5}), Manner(BANK, "slow"),
     Kill(), State()],
)  # fmt: skip
def test_every_order_survives_the_wire(order):
    assert read_order(msgspec.json.encode(order)) == order
