"""Drills on lines: what happens to cables and frames between the centre and banks, or terminals."""

import threading
from collections.abc import Callable

from posswitch.sim.drills.drill import ALL, HALF_AND_MORE, Drill, Sign
from posswitch.sim.drills.scene import Scene
from posswitch.sim.orders import Cut, Order, Plug, Pull, Spoil
from posswitch.sim.peers.cable import Way
from posswitch.sim.remote import Caller

_LOSS, _DAMAGE, _DESYNC, _TAMPERED = 0.3, 0.3, 0.1, 0.12
_FLAP_DOWN_S, _FLAP_UP_S = 0.6, 1.6
_NARROW_BYTES = {"cups": 292, "iso87a": 278, "iso87b": 176}  # between payments without and with a PIN

Made = Callable[[Scene], Order]


def told(*orders: Made, undo: tuple[Made, ...] = ()) -> Callable[[Scene], None]:
    """Begins with orders to the city, and ends with others."""

    def begin(scene: Scene) -> None:
        for make in undo:
            scene.undo_with(make(scene))
        for make in orders:
            scene.tell(make(scene))

    return begin


def _spoilt(
    faults: dict[str, float], *, of_link: bool = True, way: Way = Way.BOTH
) -> Callable[[Scene], None]:
    """Frames suffer, each kind of fault at its rate times the severity."""

    def begin(scene: Scene) -> None:
        link = scene.link if of_link else None
        rates = {name: rate * scene.share for name, rate in faults.items()}
        scene.undo_with(Spoil(scene.bank, link))
        scene.tell(Spoil(scene.bank, link, faults=rates, way=way))

    return begin


def _flapping(scene: Scene) -> None:
    down, up = Cut(scene.bank, scene.link), Plug(scene.bank, scene.link)

    def flap(caller: Caller, ending: threading.Event) -> None:
        while not ending.is_set():
            caller.tell(down)
            ending.wait(_FLAP_DOWN_S)
            caller.tell(up)
            ending.wait(_FLAP_UP_S)

    scene.undo_with(up)
    scene.meanwhile(flap)


def _everywhere(make: Callable[[str], Order], back: Callable[[str], Order]) -> Callable[[Scene], None]:
    def begin(scene: Scene) -> None:
        for bank in scene.banks:
            scene.undo_with(back(bank.id))
        for bank in scene.banks:
            scene.tell(make(bank.id))

    return begin


def _all_regions(scene: Scene) -> None:
    for region in dict.fromkeys(merchant.city for merchant in scene.merchants):
        scene.undo_with(Plug(region=region))
        scene.tell(Pull(region=region))


def _narrow_bytes(scene: Scene) -> int:
    return _NARROW_BYTES[scene.config.registry.banks[scene.bank].dialect]


_ANSWERLESS = Sign("link-silent")

DRILLS = (
    Drill(
        "net-issuer-link-down", ("bank",),
        told(lambda scene: Cut(scene.bank), undo=(lambda scene: Plug(scene.bank),)),
        (Sign("bank-unreachable"), Sign(codes=("91",))),
    ),
    Drill(
        "net-issuer-link-down+one", ("link",),
        told(lambda scene: Cut(scene.bank, scene.link), undo=(lambda scene: Plug(scene.bank, scene.link),)),
        (Sign("link-down"),),
    ),
    Drill(
        "net-half-open", ("link",),
        told(lambda scene: Pull(scene.bank, scene.link), undo=(lambda scene: Plug(scene.bank, scene.link),)),
        (_ANSWERLESS, Sign("link-fenced")),
        alike=("net-one-way",),
    ),
    Drill(
        "net-half-open+all", ("bank",),
        told(lambda scene: Pull(scene.bank), undo=(lambda scene: Plug(scene.bank),)),
        (_ANSWERLESS, Sign(codes=("98", "91"))),
        alike=("net-one-way",),
    ),
    Drill(
        "net-one-way", ("link",),
        _spoilt({"drop": 1.0}, way=Way.BACK),
        (_ANSWERLESS, Sign("link-fenced")),
        alike=("net-half-open",),
    ),
    Drill(
        "net-packet-loss", ("bank",),
        _spoilt({"drop": _LOSS}, of_link=False),
        (Sign("link-lossy"),),
        severities=ALL, seconds_max=30.0, wider=(("link",),),
    ),
    Drill(
        "net-link-flapping", ("link",), _flapping, (Sign("link-flaps"),), seconds_max=30.0,
    ),
    Drill(
        "net-all-links-down", (),
        _everywhere(Cut, Plug),
        (Sign("bank-unreachable"), Sign(codes=("91",), share=0.4)),
    ),
    Drill(
        "net-vpn-tunnel-mtu", ("bank",),
        told(
            lambda scene: Spoil(scene.bank, bytes_max=_narrow_bytes(scene)),
            undo=(lambda scene: Spoil(scene.bank),),
        ),
        (Sign("link-lossy"),),
        alike=("net-packet-loss",), seconds_max=30.0,
    ),
    Drill(
        "ter-region-mobile", ("region",),
        told(lambda scene: Pull(region=scene.region), undo=(lambda scene: Plug(region=scene.region),)),
        (Sign(fewer=10.0),),
        warm_s=35.0, seconds_max=30.0,
    ),
    Drill(
        "net-acquirer-link-down", (),
        _all_regions,
        (Sign(fewer=10.0),),
        warm_s=35.0, seconds_max=30.0,
    ),
    Drill(
        "data-corrupt", ("link",),
        _spoilt({"corrupt": _DAMAGE}),
        (Sign("bank-unreadable"),),
        severities=HALF_AND_MORE, seconds_max=30.0, wider=(("bank",),),
    ),
    Drill(
        "data-framing-desync", ("link",),
        _spoilt({"desync": _DESYNC}),
        (Sign("link-lost"),),
        severities=HALF_AND_MORE, seconds_max=30.0, wider=(("bank",),),
    ),
    Drill(
        "sec-tamper", ("bank",),
        _spoilt({"tamper": _TAMPERED}, of_link=False),
        (Sign("bank-mac-bad"),),
        severities=HALF_AND_MORE, seconds_max=30.0, wider=(("link",),),
    ),
)  # fmt: skip
