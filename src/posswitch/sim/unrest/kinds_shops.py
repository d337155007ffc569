"""Kinds of fault at terminals and merchants, and in what the centre has registered of them."""

from posswitch.journal.vitals import How
from posswitch.sim.unrest.blows import Changed, Hit, Refuses, Says
from posswitch.sim.unrest.crowds import Copies, Others
from posswitch.sim.unrest.kinds import (
    EVERYWHERE,
    MERCHANT,
    MODEL,
    MOST,
    SOURCE,
    TERMINAL,
    Kind,
    Scene,
)
from posswitch.sim.unrest.world import Blow


def _wrong_pins(hit: Hit, scene: Scene) -> list[Blow]:
    return [
        Says(hit, {"55": 0.9, "75": 0.1}, pin=True),
        Refuses(hit._replace(share=0.3), {"99": 1.0}, pin=True),
    ]


SHOPS = (
    Kind("ord-stan-duplicate", "order", (TERMINAL, SOURCE), lambda hit, scene: [
        Refuses(hit, {"94": 1.0}, "again")
    ], MOST, same=("ord-stan-duplicate-many",)),
    Kind("ord-original-not-found", "order", (("model", "kind=void"), ("kind=void",)), lambda hit, scene: [
        Refuses(hit, {"25": 0.85, "12": 0.15})
    ]),
    Kind("ter-reversal-loop", "order", (TERMINAL,), lambda hit, scene: [
        Others(hit, 0.6, "reversal", {"25": 1.0}, How.REPEAT)
    ]),
    Kind("data-format-one-terminal", "data", (MODEL, TERMINAL), lambda hit, scene: [
        Refuses(hit, {"30": 1.0}, "edge")
    ], MOST),
    Kind("data-terminal-unregistered", "data", (MERCHANT, SOURCE), lambda hit, scene: [
        Changed(hit), Refuses(hit, {"03": 0.5, "97": 0.5}, "edge")
    ]),
    Kind("ter-param-bad", "data", (MODEL,), lambda hit, scene: [
        Refuses(hit, {"58": 0.5, "40": 0.3, "30": 0.2}, "edge")
    ], MOST),
    Kind("data-merchant-limit-table", "limit", (MERCHANT, EVERYWHERE), lambda hit, scene: [
        Changed(hit), Refuses(hit, {"61": 0.8, "65": 0.2})
    ], MOST),
    Kind("sec-pin-key-mismatch-terminal", "key", (TERMINAL,), _wrong_pins),
    Kind("sec-mac-mismatch-one", "key", (TERMINAL,), lambda hit, scene: [Refuses(hit, {"A0": 1.0}, "edge")]),
    Kind("ovl-retry-storm", "overload", (SOURCE, EVERYWHERE), lambda hit, scene: [Copies(hit, 3.0)], MOST),
)  # fmt: skip
