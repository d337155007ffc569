"""A drill from its beginning to its end, against a city without a switch and a diagnosis that is made up."""

import asyncio
import threading
import time
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from posswitch.base.errors import PosswitchError
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.shelf import Shelf
from posswitch.settings.config import load_config
from posswitch.sim.city import VARIED, build_city
from posswitch.sim.drills import play as room
from posswitch.sim.drills.drill import Ground
from posswitch.sim.drills.play import Played, play
from posswitch.sim.drills.scene import Scene
from posswitch.sim.drills.stage import Ended, standing
from posswitch.sim.drills.table import DRILLS
from posswitch.sim.levers import Levers
from posswitch.sim.peers.cable import Cable
from posswitch.sim.peers.quirks import Quirky
from posswitch.sim.remote import Remote
from posswitch.sim.streets import CALM_MOOD, Streets
from posswitch.sim.striker import Striker

DOWN = DRILLS["net-issuer-link-down"]


class Seer:
    """Says what it is told to say once a cable of a bank is cut, and that it is over when it is whole."""

    def __init__(self, folder, streets, kind, elsewhere):
        self.shelf, self.streets = Shelf(folder), streets
        self.kind, self.elsewhere = kind, elsewhere
        self.ending = threading.Event()
        self.said = None

    def watch(self):
        while not self.ending.wait(0.02):
            cut = [bank.charter.id for bank in self.streets.banks
                   if self.streets.lines_of(bank.charter.id)[0].cable is Cable.CUT]  # fmt: skip
            if cut and self.said is None:
                place = {"bank": "90010000" if self.elsewhere else cut[0]}
                self.said = Incident(
                    1, Phase.CONFIRMED, self.kind, "network", place, 0, 0, 0, probability=0.9
                )
                self.shelf.keep([self.said])
            if not cut and self.said is not None and self.said.open:
                self.said = replace(self.said, phase=Phase.RESOLVED)
                self.shelf.keep([self.said])
            self.shelf.say(time.time_ns(), {})
        self.shelf.close()


@contextmanager
def watched(streets, folder, kind, elsewhere):
    seer = Seer(folder, streets, kind, elsewhere)
    thread = threading.Thread(target=seer.watch)
    thread.start()
    try:
        yield
    finally:
        seer.ending.set()
        thread.join()


def on_a_city(folder, act):
    """`act` hears the configuration and the streets, in a thread of its own."""

    async def scene():
        city = build_city(folder, 1, 10, variety=VARIED, mixed=True)
        streets = Streets(city, faults=(), terminal=Quirky, mood=CALM_MOOD)
        config = load_config(city.config)
        remote = Remote(city.data, Levers(config, streets, Striker(config, streets, None, 1)))
        await streets.open()
        await remote.open()
        try:
            return await asyncio.to_thread(act, config, streets)
        finally:
            await remote.close()
            await streets.close()

    return asyncio.run(scene())


def played(folder, kind="net-issuer-link-down", *, elsewhere=False) -> Played:
    def act(config, streets):
        with watched(streets, config.data, kind, elsewhere):
            done = play(DOWN._replace(seconds_max=1.0), standing(config), 3, "full")
        assert all(line.cable is Cable.WHOLE for line in streets.lines)
        return done

    return on_a_city(folder, act)


def test_a_drill_that_is_named_rightly_is_undone_and_over(tmp_path):
    done = played(tmp_path / "city")
    assert (done.drill, done.correct, done.incidents) == (DOWN.name, True, 1)
    assert done.expected.place == done.diagnosed.place
    assert 0 < done.seconds_to_detect < 1
    assert done.seconds_to_resolve is not None
    assert done.good
    assert done.ended(Ended({"lost": 0, "duplicated": 0, "unknown": 0})).good
    assert not done.ended(Ended({"lost": 0, "duplicated": 1, "unknown": 0})).good
    assert set(done.plain()) >= {"drill", "expected", "diagnosed", "correct", "seconds_to_detect", "lost"}


@pytest.mark.parametrize(("kind", "elsewhere"), [("iss-slow", False), ("net-issuer-link-down", True)])
def test_another_kind_or_place_is_wrong_and_undone_as_well(tmp_path, kind, elsewhere):
    done = played(tmp_path / "city", kind, elsewhere=elsewhere)
    assert not done.correct
    assert not done.good
    assert done.diagnosed.kind == kind
    assert done.seconds_to_detect < 1  # something was said, only not this


def test_where_nobody_diagnoses_no_drill_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_WATCH_SECONDS_MAX", 0.3)

    def act(config, streets):
        with pytest.raises(PosswitchError, match="nobody diagnoses"):
            play(DOWN, standing(config), 1, "full")
        assert all(line.cable is Cable.WHOLE for line in streets.lines)

    on_a_city(tmp_path / "city", act)


def test_a_drill_that_needs_another_city_or_machine_is_refused(tmp_path):
    def act(config, streets):
        with pytest.raises(PosswitchError, match="a city of its own"):
            play(DRILLS["net-tls-cert-expired"], standing(config), 1, "full")
        with pytest.raises(PosswitchError, match="it needs a crane"):
            play(DOWN._replace(needs=lambda: "it needs a crane"), standing(config), 1, "full")
        assert standing(config).ground is Ground.PLAIN

    on_a_city(tmp_path / "city", act)


def test_the_seed_draws_the_place(tmp_path):
    def act(config, streets):
        def places(seed):
            scene = Scene(config, "net-half-open", seed)
            scene.close()
            return scene.place(("link", "bin", "merchant", "terminal", "model", "region"))

        assert places(1) == places(1)
        assert len({str(places(seed)) for seed in range(6)}) > 3
        banks = {places(seed)["link"].partition("/")[0] for seed in range(20)}
        assert banks == {"90020000", "90030000", "90040000"}

    on_a_city(tmp_path / "city", act)


def disturbed(streets, usual):
    """Whether anything in the city is not as it was."""
    return (
        any(line.cable is not Cable.WHOLE or line.suffers for line in streets.lines)
        or any(line.payload_bytes_max for line in streets.lines)
        or any(bank.manner_name or bank._true_ns for bank in streets.banks)
        or [bank.charter for bank in streets.banks] != usual
        or any(one.quirk for one in streets.terminals)
    )


ORDERED = [
    name
    for name, drill in DRILLS.items()
    if drill.ground is Ground.PLAIN
    and not drill.begin.__module__.endswith(("on_machine", "on_records"))
    and not name.startswith(("sec-card", "sec-pin-brute", "sec-replay", "sec-unknown", "ovl-retry-storm"))
]


@pytest.mark.parametrize("name", ORDERED)
def test_what_is_undone_leaves_the_city_as_it_was(tmp_path, name):
    """Every injector that only gives orders: afterwards lines, banks and terminals are well."""
    drill = DRILLS[name]

    def act(config, streets):
        usual = [bank.charter for bank in streets.banks]
        scene = Scene(config, name, 2, 1.0, 5)
        drill.begin(scene)
        ends = time.monotonic() + 5.0
        while not disturbed(streets, usual):  # some of it happens in a thread
            assert time.monotonic() < ends
        scene.close()
        assert all(line.cable is Cable.WHOLE and not line.suffers for line in streets.lines)
        assert not any(line.payload_bytes_max for line in streets.lines)
        assert not any(bank.manner_name for bank in streets.banks)
        assert [bank.charter for bank in streets.banks] == usual
        assert not any(one.quirk for one in streets.terminals)

    on_a_city(tmp_path / "city", act)
