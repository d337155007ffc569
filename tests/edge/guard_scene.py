"""Terminals, cards and a clock around the guards, without a node: the test says what all are answered."""

from hashlib import blake2b

import msgspec

from one_sale import sale
from posswitch.base.moment import NS_PER_S
from posswitch.edge.guards import Guards
from posswitch.engine.guard import BARRED
from posswitch.settings.machine import GuardsTable

BIN = "629001"
START_NS = 1_800_000_000 * NS_PER_S


class Scene:
    """The clock moves a second with each request."""

    def __init__(self, **modes: str) -> None:
        self.tick_ns = NS_PER_S
        self.guards = Guards(
            GuardsTable(**modes), lambda: START_NS + self.tick_ns, lambda peer: peer == "10.0.0.1"
        )
        self.stans: dict[str, int] = {}

    def later(self, seconds: float) -> None:
        self.tick_ns += int(seconds * NS_PER_S)

    def request(self, terminal="T0000001", card=0, stan=0, **more):
        """A sale with the next trace number of its terminal."""
        self.stans[terminal] = stan or self.stans.get(terminal, 0) + 1
        print_ = blake2b(b"%d" % card, digest_size=16).digest()
        return msgspec.structs.replace(
            sale(self.stans[terminal]),
            **{"terminal": terminal, "pan_print": print_, "last_four": f"{card * 7 % 10_000:04d}", **more},
        )

    def asked(self, request, bin_=BIN) -> str:
        """Whether it is barred, and by whom."""
        self.later(1)
        return self.guards.asked(request, bin_, self.tick_ns)

    def told(self, request, code, bin_=BIN, place="10.0.0.2") -> None:
        self.guards.answered(request, code, bin_, place, self.tick_ns)

    def pays(self, code="00", bin_=BIN, place="10.0.0.2", **request) -> str:
        """One request with its answer; the guard that barred it, or nothing."""
        asks = self.request(**request)
        barred = self.asked(asks, bin_)
        if barred:
            asks, code = msgspec.structs.replace(asks, barred=barred), BARRED
        self.told(asks, code, bin_, place)
        return barred

    def evidence(self) -> dict[tuple[str, str, str], dict[str, object]]:
        """The rows that would be written: mode, since, until, times, met, and what was counted."""
        names = ("mode", "first_ns", "last_ns", "until_ns", "times", "met", "evidence")
        rows = {key: dict(zip(names, row, strict=True)) for key, row in self.guards.rows.pending.items()}
        return {key: {**row, "evidence": msgspec.json.decode(row["evidence"])} for key, row in rows.items()}
