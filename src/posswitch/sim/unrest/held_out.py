"""Kinds that nobody tunes a diagnosis on, and a family of combinations: where it comes from × how it is read.

Who tunes does not read this file. Its SHA-256 was noted before anything was tuned: docs/unrest.md.
"""

from posswitch.journal.vitals import How
from posswitch.sim.unrest.blows import (
    Behaves,
    Changed,
    Counts,
    Fewer,
    Hit,
    Lines,
    LinesEnd,
    Machinery,
    Refuses,
    Says,
    Spoils,
    Strains,
)
from posswitch.sim.unrest.crowds import Others, Tries, TwoPlaces
from posswitch.sim.unrest.kinds import (
    BANK,
    BIN,
    CHIPS,
    EVERYWHERE,
    LINK,
    MERCHANT,
    MODEL,
    MOST,
    SOURCE,
    STEP_OR_RAMP,
    TERMINAL,
    Kind,
    Scene,
)
from posswitch.sim.unrest.town import SOURCES
from posswitch.sim.unrest.upheavals import Dies, Leaks, Owes, Strays
from posswitch.sim.unrest.world import Blow

_LEAK, _DISK = 9e6, 60e6  # bytes a second
_OLD_S = 90_000.0


def _reconnects(hit: Hit, scene: Scene) -> list[Blow]:
    rate = 0.3 * scene.room * (1.0 if not hit.spot.at else 0.6)
    return [
        Others(hit, rate, "sign-on", {"00": 1.0}),
        Others(hit, 0.3 * rate, "0800", {"96": 1.0}, How.EDGE),
        Strains(hit, batches=2.5 * rate),
        Counts(hit, tls_ok=rate, hsm_late=0.1 * rate),
        Fewer(hit._replace(share=0.15)),
    ]


def _other_bank(hit: Hit, scene: Scene) -> list[Blow]:
    owner = int(scene.town.bin_bank[hit.spot.get("bin")])
    bank = (owner + 1 + int(scene.chance.integers(len(scene.town.banks) - 1))) % len(scene.town.banks)
    codes = {"14": 0.4, "15": 0.3, "31": 0.2, "56": 0.1}
    return [
        Changed(hit),
        Strays(hit._replace(share=1.0), bank),
        Says(hit._replace(share=1.0), codes, fast=True),
    ]


def _stale_site(hit: Hit, scene: Scene) -> list[Blow]:
    return [
        Dies(hit, 4.0),
        Refuses(hit._replace(share=0.55), {"77": 0.8, "A0": 0.2}, "edge"),
        Refuses(hit._replace(share=0.15), {"25": 1.0}),
    ]


def _elsewhere(hit: Hit, scene: Scene) -> list[Blow]:
    terminal = hit.spot.get("terminal")
    own = int(scene.town.merchant_source[scene.town.terminal_merchant[terminal]])
    return [TwoPlaces(hit, 1.0, (own + 1) % len(SOURCES))]


def _dead_route(hit: Hit, scene: Scene) -> list[Blow]:
    return [LinesEnd(hit), Lines(hit, dumb=True, deaf=True)]


def _keys_ended(hit: Hit, scene: Scene) -> list[Blow]:
    return [Behaves(hit, rekeys=False), Says(hit, {"A0": 0.9, "99": 0.1}, fast=True)]


HELD_OUT = (
    Kind("net-acquirer-link-down", "network", (SOURCE,), lambda hit, scene: [
        Fewer(hit), Machinery(hit, fewer=0.8)
    ]),
    Kind("net-dns-route-change", "network", (BANK, LINK), _dead_route, same=("net-issuer-link-down",)),
    Kind("net-tls-clock", "network", (EVERYWHERE,), lambda hit, scene: [
        LinesEnd(hit), Lines(hit, tls="not-yet-valid")
    ]),
    Kind("ovl-reconnect-storm", "overload", (EVERYWHERE, SOURCE), _reconnects),
    Kind("ovl-memory-leak", "overload", (EVERYWHERE,), lambda hit, scene: [Leaks(hit, memory=_LEAK)],
         seconds=150.0),
    Kind("sys-db-slow", "fault", (EVERYWHERE,), lambda hit, scene: [
        Strains(hit, commit_ms=70.0, stall_ms=140.0, cost=1.2)
    ], MOST, STEP_OR_RAMP, same=("sys-io-fsync-slow",)),
    Kind("sys-hsm-slow", "fault", (EVERYWHERE,), lambda hit, scene: [
        Machinery(hit, hsm_ms=420.0), Counts(hit, hsm_late=3.0)
    ], forms=STEP_OR_RAMP),
    Kind("sys-log-storm", "fault", (EVERYWHERE,), lambda hit, scene: [
        Strains(hit, others_cpu=0.45, stall_ms=180.0, commit_ms=10.0), Leaks(hit, disk=_DISK)
    ], MOST),
    Kind("sys-site-failover", "fault", (EVERYWHERE,), _stale_site),
    Kind("sys-poison-message", "fault", (EVERYWHERE,), lambda hit, scene: [Dies(hit, 2.0, 12.0)],
         same=("sys-centre-process-crash",), seconds=80.0),
    Kind("time-clock-drift", "clock", (MODEL, SOURCE), lambda hit, scene: [
        Says(hit, {"30": 0.4, "D2": 0.4, "90": 0.2}, fast=True)
    ], (0.2, 0.5), STEP_OR_RAMP),
    Kind("ord-batch-mismatch", "order", (TERMINAL,), lambda hit, scene: [Refuses(hit, {"77": 1.0}, "edge")]),
    Kind("ord-out-of-order-answer", "order", (LINK, BANK), lambda hit, scene: [
        Lines(hit, crosses=0.5) if hit.spot.get("link") >= 0 else Spoils(hit._replace(share=0.5), "crossed")
    ], seconds=110.0),
    Kind("ord-refund-over", "order", (MERCHANT,), lambda hit, scene: [
        Tries(hit, 1.2, {"64": 0.7, "12": 0.3}, entry="051", kind="refund", amount_max=90_000, cards=40,
              where="here")
    ], seconds=90.0),
    Kind("ter-no-signon", "order", (SOURCE, EVERYWHERE), lambda hit, scene: [
        Refuses(hit, {"77": 0.95, "C1": 0.05}, "edge")
    ], MOST),
    Kind("stl-uncleared-reversal", "settlement", (BANK,), lambda hit, scene: [
        Owes(hit, old=7, age_s=_OLD_S), Behaves(hit, lane_code="96")
    ], seconds=70.0),
    Kind("data-format-one-peer", "data", (BANK,), lambda hit, scene: [Spoils(hit, "garbled")], MOST),
    Kind("data-encoding", "data", (BANK,), lambda hit, scene: [
        Says(hit, {"30": 0.6, "14": 0.25, "13": 0.15}, fast=True)
    ], MOST),
    Kind("data-routing-wrong", "data", (BIN,), _other_bank),
    Kind("data-dup-card-table", "data", (BANK, EVERYWHERE), lambda hit, scene: [
        Says(hit, {"43": 0.4, "41": 0.3, "04": 0.2, "62": 0.1})
    ], (0.2, 0.5)),
    Kind("lim-merchant-quota", "limit", (MERCHANT,), lambda hit, scene: [
        Refuses(hit, {"61": 0.7, "65": 0.3})
    ]),
    Kind("sec-pin-brute", "security", (TERMINAL,), lambda hit, scene: [
        Tries(hit, 2.0, {"55": 0.88, "75": 0.08, "38": 0.03, "00": 0.01}, entry="051", kind="balance",
              cards=60)
    ], seconds=80.0),
    Kind("sec-tamper", "security", (SOURCE,), lambda hit, scene: [
        Refuses(hit, {"A0": 1.0}, "edge")
    ], (0.05,)),
    Kind("sec-unknown-terminal", "security", (TERMINAL,), _elsewhere, seconds=110.0),
    Kind("sec-account-takeover-issuer", "security", (BANK, BIN), lambda hit, scene: [
        Says(hit, {"59": 0.45, "34": 0.3, "43": 0.15, "05": 0.1})
    ], (0.2, 0.5), ("ramp",)),
    Kind("sec-key-expired", "key", (BANK,), _keys_ended, same=("sec-mac-mismatch-all",), seconds=70.0),
    Kind("sec-dukpt-counter", "key", (TERMINAL, MODEL), lambda hit, scene: [
        Refuses(hit._replace(share=0.6), {"A0": 1.0}, "edge"), Refuses(hit, {"99": 1.0}, pin=True)
    ]),
)  # fmt: skip

_WHERE_HOW = (("model", "entry"), ("region", "entry"), ("source", "entry"))
FAMILY = (
    Kind("iss-chip-script-fail", "bank", tuple(("model", chip) for chip in CHIPS), lambda hit, scene: [
        Says(hit, {"05": 0.5, "59": 0.3, "Q1": 0.2})
    ], MOST, variant="where-how"),
    Kind("sys-switch-96-own", "fault", _WHERE_HOW, lambda hit, scene: [Refuses(hit, {"96": 1.0})],
         (0.2, 0.5, 1.0), variant="where-how"),
    Kind("sec-pin-key-mismatch-link", "key", (("source", "entry=051"), ("region", "entry=051")),
         lambda hit, scene: [Says(hit, {"55": 0.85, "99": 0.15}, pin=True)], MOST, variant="where-how"),
)  # fmt: skip
