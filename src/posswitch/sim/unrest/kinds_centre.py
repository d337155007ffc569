"""Kinds of fault in the centre itself, and of what is asked of it."""

from posswitch.sim.unrest.blows import (
    FLAP,
    Counts,
    Hit,
    Machinery,
    Refuses,
    Says,
    Strains,
)
from posswitch.sim.unrest.crowds import Copies, More, Others, Tries
from posswitch.sim.unrest.kinds import (
    BIN,
    EVERYWHERE,
    KIND,
    MERCHANT,
    MOST,
    SOURCE,
    STEP_OR_RAMP,
    TERMINAL,
    Kind,
    Scene,
)
from posswitch.sim.unrest.places import Spot, terminals_at
from posswitch.sim.unrest.upheavals import ClockJumps, Dies, Leaks, Unnamed
from posswitch.sim.unrest.world import Blow

GUESSES = {"14": 0.45, "54": 0.25, "05": 0.15, "59": 0.1, "51": 0.04, "00": 0.01}
_HOUR_S = 3600.0
_MANY = 300  # merchants that an attack is spread over


def _batches(hit: Hit, scene: Scene) -> list[Blow]:
    return [
        Strains(hit, batches=1.15 * scene.room, commit_ms=12.0),
        Others(hit, 0.1 * scene.room, "settlement", {"00": 1.0}),
        Others(hit, 0.25 * scene.room, "upload", {"00": 1.0}),
    ]


def _card_testing(hit: Hit, scene: Scene) -> list[Blow]:
    if hit.spot.get("bin") < 0:
        return [Tries(hit, 4.0, GUESSES)]
    shops = scene.chance.choice(len(scene.town.merchants), _MANY, replace=False)
    terminals = [int(terminals_at(scene.town, Spot((("merchant", int(shop)),)))[0]) for shop in shops]
    return [Tries(hit, max(6.0, 0.04 * scene.tps), GUESSES, terminals=terminals)]


def attacked(spot: Spot, scene: Scene) -> tuple[dict[str, str], ...]:
    """Where cards are tried, with or without how they are read."""
    place = spot.place(scene.town)
    return place, {**place, "entry": "012"}


def _full_disk(hit: Hit, scene: Scene) -> list[Blow]:
    return [Leaks(hit, disk=60e9), Machinery(hit, disk_low=True)]


def _floods(hit: Hit, scene: Scene) -> list[Blow]:
    rates = {
        "frames_dropped": 300.0, "undecodable": 300.0, "gate_bad_frames": 40.0, "gate_quarantined": 20.0,
        "guard_bars_unreadable_frames": 0.3,
    }  # fmt: skip
    return [Counts(hit, **rates), Strains(hit, others_cpu=0.12)]


def _crowds_the_gate(hit: Hit, scene: Scene) -> list[Blow]:
    rates = {"gate_no_first_byte": 60.0, "gate_crowded_out": 200.0, "gate_peer_full": 150.0}
    return [Machinery(hit, strangers=3700.0), Counts(hit, **rates), Strains(hit, others_cpu=0.08)]


def _no_hsm(hit: Hit, scene: Scene) -> list[Blow]:
    return [Machinery(hit, hsm="down"), Counts(hit, hsm_down=3 * scene.tps, hsm_refused=1.2, hsm_lost=0.1)]


def _no_master_key(hit: Hit, scene: Scene) -> list[Blow]:
    return [Machinery(hit, hsm="down"), Counts(hit, hsm_down=3 * scene.tps, hsm_ill=1.5, hsm_lost=1.5)]


def _grey(hit: Hit, scene: Scene) -> list[Blow]:
    fluctuating = hit._replace(onset=hit.onset._replace(form=FLAP, on_s=5.0, off_s=4.0))
    return [
        Strains(fluctuating, stall_ms=700.0, commit_ms=60.0),
        Refuses(fluctuating._replace(share=0.15 * hit.share), {"96": 1.0}),
    ]


def _bad_release(hit: Hit, scene: Scene) -> list[Blow]:
    return [Dies(hit, 2.0), Refuses(hit, {"96": 0.5, "30": 0.3, "12": 0.2})]


OUTSIDE = Kind(
    "outside",
    "",
    (EVERYWHERE,),
    lambda hit, scene: [Unnamed(hit)],
    same=("", "inconclusive"),
    causes=("bank",),
)  # no kind is right but none

CENTRE = (
    Kind("ovl-peak", "overload", (EVERYWHERE,), lambda hit, scene: [
        More(hit, 0.85 * scene.room / scene.tps)
    ], forms=STEP_OR_RAMP),
    Kind("ovl-batch-collision", "overload", (EVERYWHERE,), _batches, plan=5, seconds=70.0),
    Kind("sys-centre-process-crash", "fault", (EVERYWHERE,), lambda hit, scene: [Dies(hit, 3.0, 25.0)],
         seconds=80.0),
    Kind("sys-switch-96-own", "fault", (EVERYWHERE, KIND), lambda hit, scene: [Refuses(hit, {"96": 1.0})],
         (0.2, 0.5, 1.0)),
    Kind("sys-io-fsync-slow", "fault", (EVERYWHERE,), lambda hit, scene: [Strains(hit, commit_ms=120.0)],
         MOST, STEP_OR_RAMP),
    Kind("sys-disk-full", "fault", (EVERYWHERE,), _full_disk),
    Kind("sys-hsm-down", "fault", (EVERYWHERE,), _no_hsm),
    Kind("sys-bad-deploy", "fault", (EVERYWHERE, KIND), _bad_release, MOST),
    Kind("sys-gray-failure", "fault", (EVERYWHERE,), _grey, MOST, seconds=80.0),
    Kind("sys-clock-jump", "clock", (EVERYWHERE,), lambda hit, scene: [
        ClockJumps(hit, _HOUR_S), Says(hit._replace(share=0.35), {"30": 0.8, "D2": 0.2}, fast=True)
    ]),
    Kind("sec-lmk-lost", "key", (EVERYWHERE,), _no_master_key),
    Kind("sec-malformed-flood", "security", (EVERYWHERE,), _floods),
    Kind("sec-dos-connect", "security", (EVERYWHERE,), _crowds_the_gate),
    Kind("sec-card-testing", "security", (MERCHANT, TERMINAL, BIN), _card_testing, truth=attacked,
         seconds=80.0),
    Kind("sec-replay", "security", (SOURCE, TERMINAL), lambda hit, scene: [
        Copies(hit, 6.0 if hit.spot.get("source") < 0 else 0.5, {"00": 0.3, "94": 0.7})
    ]),
)  # fmt: skip
