"""Drills on banks: manners, keys, clocks, certificates."""

from collections.abc import Callable

from posswitch.sim.drills.drill import ALL, HALF_AND_MORE, Drill, Ground, Sign
from posswitch.sim.drills.on_lines import told
from posswitch.sim.drills.scene import Scene
from posswitch.sim.orders import Certificate, Clock, Cut, Keys, Manner, Paper, Plug
from posswitch.sim.peers.conducts import LIMITED

_YEARS_AHEAD_S = 30 * 365 * 86_400
_FEW_PER_SECOND = 5
_UNHEARD = 0.3  # of the answers


def _behaves(
    name: str, *, of_bin: bool = False, per_second: int = 0, most: float = 1.0
) -> Callable[[Scene], None]:
    """A bank has a manner for as much as the severity wants, `most` of what it is asked at full severity."""

    def begin(scene: Scene) -> None:
        cards = scene.bin.prefix if of_bin else ""
        scene.undo_with(Manner(scene.bank))
        scene.tell(Manner(scene.bank, name, most * scene.share, cards, per_second))

    return begin


def _shows(which: Paper) -> Callable[[Scene], None]:
    """A bank shows a bad certificate, and its connections are renewed."""

    def begin(scene: Scene) -> None:
        _renewed(scene, scene.bank, which)

    return begin


def _clock_behind(scene: Scene) -> None:
    """What a centre meets whose clock is days behind: to it every certificate begins in the future."""
    for bank in scene.banks:
        _renewed(scene, bank.id, "not-yet")


def _renewed(scene: Scene, bank: str, which: Paper) -> None:
    """A bank has another certificate, and its connections are made anew."""
    scene.undo_with(Plug(bank))
    scene.undo_with(Cut(bank))
    scene.undo_with(Certificate(bank))
    scene.tell(Certificate(bank, which))
    scene.tell(Cut(bank))
    scene.tell(Plug(bank))


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
    Drill("iss-no-money", ("bank",), _behaves("says-51"), _says("51"), severities=HALF_AND_MORE),
    Drill("time-cutover", ("bank",), _behaves("says-90"), _says("90"), severities=ALL),
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
        "ord-out-of-order-answer", ("bank",), _behaves("crossed"), (Sign("bank-differs"),),
        severities=HALF_AND_MORE, seconds_max=30.0,
    ),
    Drill(
        "ord-timeout-approved", ("bank",), _behaves("unsaid", most=_UNHEARD), (Sign("link-lossy"),),
        seconds_max=40.0,
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
        "sec-mac-mismatch-bank", ("bank",), _behaves("bad-mac"), (Sign("bank-mac-bad"),),
        severities=HALF_AND_MORE,
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
    Drill(
        "net-tls-clock", (), _clock_behind, (Sign("bank-tls-not-yet"),),
        ground=Ground.TLS, seconds_max=30.0,
    ),
)  # fmt: skip
