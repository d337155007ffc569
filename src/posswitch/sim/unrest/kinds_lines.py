"""Kinds of fault on lines and their links."""

from posswitch.sim.unrest.blows import FLAP, Fewer, Hit, Lines, LinesEnd, Machinery, Mute, Refuses
from posswitch.sim.unrest.kinds import (
    BANK,
    EVERYWHERE,
    LINK,
    MOST,
    REGION,
    SOURCE,
    STEP_OR_RAMP,
    Kind,
    Scene,
)
from posswitch.sim.unrest.upheavals import LosesFrames
from posswitch.sim.unrest.world import Blow

CHIP = "051"  # what large messages come with


def _all_dark(hit: Hit, scene: Scene) -> list[Blow]:
    return [Lines(hit, cut=True), Fewer(hit), Machinery(hit, fewer=0.02)]


def _corrupts(hit: Hit, scene: Scene) -> list[Blow]:
    if hit.spot.get("source") >= 0:
        return [Refuses(hit._replace(share=0.12 * hit.share), {"A0": 0.6, "30": 0.4}, "edge")]
    return [Lines(hit, garbles=0.18 * hit.share, spoils=0.12 * hit.share)]


LINES = (
    Kind("net-issuer-link-down", "network", (BANK, LINK), lambda hit, scene: [Lines(hit, cut=True)]),
    Kind("net-all-links-down", "network", (EVERYWHERE,), _all_dark),
    Kind(
        "net-link-flapping", "network", (BANK, LINK),
        lambda hit, scene: [Lines(hit._replace(onset=hit.onset._replace(on_s=4.0, off_s=9.0)), cut=True)],
        forms=(FLAP,), seconds=110.0,
    ),
    Kind(
        "net-half-open", "network", (LINK, BANK), lambda hit, scene: [Lines(hit, dumb=True, deaf=True)],
        same=("net-one-way",),
    ),
    Kind(
        "net-one-way", "network", (LINK, BANK), lambda hit, scene: [Lines(hit, deaf=True)],
        same=("net-half-open",),
    ),
    Kind(
        "net-packet-loss", "network", (LINK, BANK),
        lambda hit, scene: [Lines(hit, loss=0.05 + 0.15 * hit.share)], MOST, STEP_OR_RAMP, seconds=100.0,
    ),
    Kind(
        "net-tls-cert-expired", "network", (BANK,),
        lambda hit, scene: [LinesEnd(hit), Lines(hit, tls="expired")],
    ),
    Kind(
        "net-vpn-tunnel-mtu", "network", (("bank", f"entry={CHIP}"),), lambda hit, scene: [Mute(hit)],
    ),
    Kind(
        "ter-region-mobile", "network", (REGION,),
        lambda hit, scene: [Fewer(hit), Machinery(hit, fewer=1 - 0.08 * hit.share)], MOST,
    ),
    Kind("data-corrupt", "data", (LINK, SOURCE), _corrupts, MOST, seconds=100.0),
    Kind("data-framing-desync", "data", (LINK,), lambda hit, scene: [LosesFrames(hit, 6.0)], seconds=80.0),
)  # fmt: skip
