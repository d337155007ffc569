"""bench: measured figures, with units."""

import json
from enum import StrEnum
from importlib.util import find_spec
from typing import Annotated

import typer

from posswitch.base.errors import PosswitchError
from posswitch.sim.bench_codec import run as bench_codec
from posswitch.sim.bench_crypto import run as bench_crypto
from posswitch.sim.bench_journal import run as bench_journal
from posswitch.sim.bench_overload import run as bench_overload
from posswitch.sim.bench_switch import run as bench_switch
from posswitch.sim.bench_tls import run as bench_tls


class Subject(StrEnum):
    """What can be measured."""

    codec = "codec"
    crypto = "crypto"
    diagnose = "diagnose"
    journal = "journal"
    overload = "overload"
    switch = "switch"
    tls = "tls"


_SEEDED = {
    Subject.crypto: bench_crypto,
    Subject.journal: bench_journal,
    Subject.overload: bench_overload,
    Subject.switch: bench_switch,
    Subject.tls: bench_tls,
}


def bench(
    subject: Annotated[Subject, typer.Argument(help="What to measure.")],
    quick: Annotated[bool, typer.Option(help="Fewer and shorter runs.")] = False,
    seed: Annotated[int, typer.Option(help="Draws the traffic.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Measure a part on this machine."""
    if subject is Subject.diagnose:
        _diagnose(quick, seed, as_json)
        return
    figures = bench_codec(quick) if subject is Subject.codec else _SEEDED[subject](quick, seed)
    if as_json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    for name, value in figures.items():
        print(f"{name:<26} {value}")


def _diagnose(quick: bool, seed: int, as_json: bool) -> None:
    """The proving ground of diagnosis: minutes, in a few processes."""
    if find_spec("numpy") is None:
        raise PosswitchError("bench diagnose needs numpy: pip install 'posswitch[diagnosis]'")
    from posswitch.sim import bench_diagnose  # noqa: PLC0415 - numpy: only diagnosis waits for it

    figures = bench_diagnose.run(quick, seed)
    if as_json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    for line in bench_diagnose.lines(figures):
        print(line)
