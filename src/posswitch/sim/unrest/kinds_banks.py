"""Kinds of fault at banks: their systems, their cards, their keys, what they owe and are owed."""

from posswitch.sim.unrest.blows import Behaves, Hit, Mute, Refuses, Says, Slow, Spoils
from posswitch.sim.unrest.kinds import (
    ANY,
    BANK,
    BANK_KIND,
    BIN,
    CHIPS,
    EVERYWHERE,
    MOST,
    REGION_BANK,
    SOURCE,
    STEP_OR_RAMP,
    Kind,
    Scene,
)
from posswitch.sim.unrest.upheavals import Doubles, Late, Limits, Owes
from posswitch.sim.unrest.world import Blow


def _limits(hit: Hit, scene: Scene) -> list[Blow]:
    usual = scene.population.share(hit.spot) * scene.tps
    return [Limits(hit, 0.55 * usual, "96")]


def _macs(hit: Hit, scene: Scene) -> list[Blow]:
    if hit.spot.get("source") >= 0:
        return [Refuses(hit, {"A0": 1.0}, "edge")]
    return [Behaves(hit, rekeys=False), Says(hit, {"A0": 1.0}, fast=True)]


def _pins(hit: Hit, scene: Scene) -> list[Blow]:
    return [Behaves(hit, rekeys=False), Says(hit, {"55": 0.85, "99": 0.15}, pin=True)]


BANKS_ILL = (
    Kind(
        "sys-issuer-96-remote", "bank", (BANK, BANK_KIND, REGION_BANK),
        lambda hit, scene: [Says(hit, {"96": 1.0})], ANY, STEP_OR_RAMP,
    ),
    Kind("iss-slow", "bank", (BANK,), lambda hit, scene: [Slow(hit, 30.0)], MOST, STEP_OR_RAMP),
    Kind("iss-all-decline", "bank", (BANK,), lambda hit, scene: [Says(hit, {"05": 1.0})], MOST),
    Kind(
        "iss-partial-bin", "bank", (BIN,), lambda hit, scene: [Says(hit, {"05": 0.4, "57": 0.4, "91": 0.2})],
        (0.2, 0.5, 1.0),
    ),
    Kind(
        "iss-chip-script-fail", "bank", tuple(("bank", chip) for chip in CHIPS),
        lambda hit, scene: [Says(hit, {"05": 0.5, "59": 0.3, "Q1": 0.2})], MOST,
    ),
    Kind("gen-code-unknown", "bank", (BANK,), lambda hit, scene: [Says(hit, {"ZZ": 1.0})], (0.2, 0.5, 1.0)),
    Kind("data-bin-stale", "data", (BIN,), lambda hit, scene: [
        Says(hit, {"14": 0.5, "15": 0.3, "31": 0.2}, fast=True)
    ], (0.2, 0.5, 1.0), STEP_OR_RAMP),
    Kind("lim-issuer-quota", "limit", (BANK,), _limits, same=("lim-issuer-throttle",)),
    Kind("ord-late-response", "order", (BANK,), lambda hit, scene: [Late(hit, 8.0, 36.0)], (0.2, 0.5),
         seconds=100.0),
    Kind("ord-timeout-approved", "order", (BANK,), lambda hit, scene: [Mute(hit)], (0.05, 0.2),
         same=("ord-late-response", "iss-silent"), causes=("bank",), seconds=100.0),
    Kind("iss-silent", "bank", (BANK,), lambda hit, scene: [Mute(hit)], same=("ord-timeout-approved",),
         causes=("order",)),
    Kind("iss-duplicate-answers", "bank", (BANK,), lambda hit, scene: [Doubles(hit)], MOST, seconds=60.0),
    Kind("sec-mac-mismatch-bank", "key", (BANK,), lambda hit, scene: [
        Behaves(hit, rekeys=False), Spoils(hit, "spoiled")
    ], same=("sec-mac-mismatch-all",), seconds=80.0),
    Kind("ovl-saf-backlog", "overload", (BANK,), lambda hit, scene: [
        Owes(hit, rate=20.0), Behaves(hit, lane_code="96")
    ], seconds=90.0),
    Kind("time-cutover", "clock", (EVERYWHERE,), lambda hit, scene: [
        Says(hit, {"90": 1.0}, fast=True)
    ], (0.8,), plan=5, causes=("order",)),
    Kind("time-cutover-stuck", "clock", (BANK,), lambda hit, scene: [
        Says(hit, {"90": 1.0}, fast=True)
    ], MOST, seconds=90.0, causes=("order",)),
    Kind("sec-pin-key-mismatch-link", "key", (BANK,), _pins, seconds=70.0),
    Kind("sec-mac-mismatch-all", "key", (BANK, SOURCE), _macs, same=("sec-mac-mismatch-bank",),
         seconds=70.0),
)  # fmt: skip
