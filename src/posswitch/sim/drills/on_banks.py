"""Drills on banks: manners, keys, clocks, certificates."""

from collections.abc import Callable

from posswitch.sim.drills.drill import ALL, HALF_AND_MORE, Drill, Ground, Sign
from posswitch.sim.drills.on_lines import told
from posswitch.sim.drills.scene import Scene
from posswitch.sim.orders import Certificate, Clock, Cut, Keys, Manner, Plug
from posswitch.sim.peers.conducts import LIMITED

_YEARS_AHEAD_S = 30 * 365 * 86_400
_FEW_PER_SECOND = 5


def _behaves(name: str, *, of_bin: bool = False, per_second: int = 0) -> Callable[[Scene], None]:
    """A bank has a manner for as much as the severity wants."""

    def begin(scene: Scene) -> None:
        cards = scene.bin.prefix if of_bin else ""
        scene.undo_with(Manner(scene.bank))
        scene.tell(Manner(scene.bank, name, scene.share, cards, per_second))

    return begin


def _shows(which: str) -> Callable[[Scene], None]:
    """A bank shows a bad certificate, and its connections are renewed."""

    def begin(scene: Scene) -> None:
        assert which in ("expired", "unknown")
        scene.undo_with(Plug(scene.bank))
        scene.undo_with(Cut(scene.bank))
        scene.undo_with(Certificate(scene.bank))
        scene.tell(Certificate(scene.bank, "expired" if which == "expired" else "unknown"))
        scene.tell(Cut(scene.bank))
        scene.tell(Plug(scene.bank))

    return begin


def _says(code: str, share: float = 0.7) -> tuple[Sign, ...]:
    return (Sign(codes=(code,), share=share),)


DRILLS = (
    Drill(
        "iss-slow", ("bank",), _behaves("slow"), (Sign("link-slower"),), severities=HALF_AND_MORE,
        seconds_max=30.0,
    ),
    Drill(
        "iss-silent", ("bank",), _behaves("silent"), (Sign("link-silent"), Sign("link-fenced")),
        alike=("net-half-open", "net-one-way"),
    ),
    Drill("sys-issuer-96-remote", ("bank",), _behaves("says-96"), _says("96"), severities=ALL),
    Drill("iss-says-91", ("bank",), _behaves("says-91"), _says("91"), severities=ALL),
    Drill("iss-all-decline", ("bank",), _behaves("says-05"), _says("05"), severities=HALF_AND_MORE),
    Drill("iss-all-decline+57", ("bank",), _behaves("says-57"), _says("57")),
    Drill(
        "iss-partial-bin", ("bin",), _behaves("says-05", of_bin=True), _says("05"),
        alike=("iss-all-decline",),
    ),
    Drill(
        "iss-duplicate-answers", ("bank",), _behaves("twice"), (Sign("bank-answers-again"),),
        severities=ALL, alike=("ord-out-of-order-answer",),
    ),
    Drill(
        "data-format-one-peer", ("bank",), _behaves("shifted"), (Sign("bank-unreadable"),),
        severities=HALF_AND_MORE, alike=("data-encoding", "data-corrupt"), seconds_max=25.0,
    ),
    Drill(
        "data-encoding", ("bank",), _behaves("garbage"), (Sign("bank-unreadable"),),
        alike=("data-format-one-peer", "data-corrupt"), seconds_max=25.0,
    ),
    Drill("gen-code-unknown", ("bank",), _behaves("unknown-code"), _says("8X"), severities=ALL),
    Drill(
        "ord-late-response", ("bank",), _behaves("late"), (Sign("link-late"),),
        severities=HALF_AND_MORE, alike=("iss-slow",), seconds_max=30.0,
    ),
    Drill(
        "ovl-saf-backlog", ("bank",), _behaves("keeps-reversals"), (Sign("lane-deep"),),
        alike=("iss-silent",), seconds_max=60.0,
    ),
    Drill(
        "lim-issuer-quota", ("bank",), _behaves(LIMITED, per_second=_FEW_PER_SECOND),
        (Sign(codes=("91",), share=0.2),), alike=("lim-issuer-throttle", "iss-says-91"), seconds_max=30.0,
    ),
    Drill(
        "sec-account-takeover-issuer", ("bank",), _behaves("suspects"),
        (Sign(codes=("59", "34", "41", "43"), share=0.3),), severities=HALF_AND_MORE,
        alike=("data-dup-card-table",),
    ),
    Drill(
        "data-dup-card-table", ("bank",), _behaves("blacklists"),
        (Sign(codes=("41", "43", "04"), share=0.6),), alike=("sec-account-takeover-issuer",),
    ),
    Drill(
        "sec-mac-mismatch-all", ("bank",),
        told(lambda scene: Keys(scene.bank, "ZAK"), undo=(lambda scene: Keys(scene.bank),)),
        (Sign("bank-mac-bad"),), alike=("sec-mac-mismatch-bank", "sec-key-expired"),
    ),
    Drill(
        "sec-pin-key-mismatch-link", ("bank",),
        told(lambda scene: Keys(scene.bank, "ZPK"), undo=(lambda scene: Keys(scene.bank),)),
        (Sign(codes=("55",), share=0.3),), alike=("sec-key-expired",),
    ),
    Drill(
        "time-clock-drift", ("bank",),
        told(lambda scene: Clock(scene.bank, _YEARS_AHEAD_S), undo=(lambda scene: Clock(scene.bank),)),
        (Sign(codes=("54",), share=0.4),),
    ),
    Drill(
        "net-tls-cert-expired", ("bank",), _shows("expired"), (Sign("bank-tls-expired"),),
        ground=Ground.TLS,
    ),
    Drill(
        "net-tls-untrusted", ("bank",), _shows("unknown"), (Sign("bank-tls-unknown"),),
        ground=Ground.TLS,
    ),
)  # fmt: skip
