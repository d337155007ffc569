"""Drills on the registry: a version that somebody activates and should not have."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from posswitch.base.policy import Limit, Route
from posswitch.base.registry import Key, Row, Terminal, key_of
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock
from posswitch.sim.city import free_ports
from posswitch.sim.drills.drill import Drill, Sign
from posswitch.sim.drills.scene import Scene

_BY = "drill"
_TINY_MINOR = 100
_LOST_SHARE = 0.4  # of the terminals
_SALES_BEFORE = 30
_OTHER_DIALECT = {"cups": "iso87a", "iso87a": "iso87b", "iso87b": "iso87a"}

Amendment = tuple[Sequence[Row], Sequence[Key]]  # put, drop


def _activated(amend: Callable[[Scene], Amendment], note: str) -> Callable[[Scene], None]:
    """A new version of the registry; undone by one that has the rows as they were."""

    def begin(scene: Scene) -> None:
        put, drop = amend(scene)
        desk = _desk(scene)
        before = {key_of(row): row for row in desk.registry.rows}
        touched = [*map(key_of, put), *drop]
        back = [before[key] for key in touched if key in before]
        gone = [key for key in touched if key not in before]
        scene.at_the_end(lambda: _activate(scene, back, gone, f"undone: {note}"))
        _activate(scene, put, drop, note)

    return begin


def _activate(scene: Scene, put: Sequence[Row], drop: Sequence[Key], note: str) -> None:
    desk = _desk(scene)
    desk.activate(desk.plan(put, drop), _BY, note)


def _desk(scene: Scene) -> Desk:
    return Desk(scene.config, SystemClock())


def _tiny_limit(scene: Scene) -> Amendment:
    """Somebody has written yuan where fen were meant."""
    return [Limit("drill", of="merchant", only=(scene.merchant,), single_minor=_TINY_MINOR)], ()


def _quota(scene: Scene) -> Amendment:
    return [Limit("drill", of="merchant", only=(scene.merchant,), day_count=_SALES_BEFORE)], ()


def _without_bin(scene: Scene) -> Amendment:
    return (), [key_of(scene.bin)]


def _wrong_route(scene: Scene) -> Amendment:
    """The cards of one bank go to another."""
    others = [bank.id for bank in scene.banks if bank.id != scene.bank]
    return [Route("drill", (scene.chance.choice(others),), rank=1, bins=(scene.bin.prefix,))], ()


def _other_dialect(scene: Scene) -> Amendment:
    bank = scene.config.registry.banks[scene.bank]
    return [replace(bank, dialect=_OTHER_DIALECT[bank.dialect])], ()


def _other_ports(scene: Scene) -> Amendment:
    """The addresses of a notice that was about somebody else."""
    bank = scene.config.registry.banks[scene.bank]
    ports = free_ports(len(bank.links))
    links = tuple(link._replace(port=port) for link, port in zip(bank.links, ports, strict=True))
    return [replace(bank, links=links)], ()


def _without_terminals(scene: Scene) -> Amendment:
    """Half a table was loaded."""
    lost: list[Terminal] = scene.chance.sample(scene.terminals, round(len(scene.terminals) * _LOST_SHARE))
    return (), [key_of(row) for row in lost]


DRILLS = (
    Drill(
        "data-merchant-limit-table", ("merchant",),
        _activated(_tiny_limit, "limit of a merchant"),
        (Sign("registry-changed"), Sign(codes=("61", "65", "13"), share=0.4)),
        alike=("lim-merchant-quota",), seconds_max=30.0,
    ),
    Drill(
        "lim-merchant-quota", ("merchant",),
        _activated(_quota, "quota of a merchant"),
        (Sign(codes=("61", "65"), share=0.4),),
        alike=("data-merchant-limit-table",), seconds_max=60.0,
    ),
    Drill(
        "data-bin-stale", ("bin",),
        _activated(_without_bin, "new BIN table"),
        (Sign("registry-changed"),),
        alike=("data-routing-wrong",), seconds_max=30.0, wider=((),),
    ),
    Drill(
        "data-routing-wrong", ("bin",),
        _activated(_wrong_route, "new route"),
        (Sign("registry-changed"), Sign(codes=("14",), share=0.5)),
        seconds_max=30.0,
    ),
    Drill(
        "sys-bad-deploy", ("bank",),
        _activated(_other_dialect, "new release of a bank's interface"),
        (Sign("registry-changed"),),
        alike=("data-format-one-peer", "data-encoding"), seconds_max=30.0,
    ),
    Drill(
        "net-dns-route-change", ("bank",),
        _activated(_other_ports, "new addresses of a bank"),
        (Sign("registry-changed"), Sign(codes=("91",))),
        seconds_max=30.0,
    ),
    Drill(
        "data-terminal-unregistered", (),
        _activated(_without_terminals, "terminal table loaded"),
        (Sign("registry-changed"), Sign(codes=("97",), share=0.2)),
        seconds_max=30.0,
    ),
)  # fmt: skip
