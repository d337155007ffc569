"""run, node, demo, verify: a switch, from the command line."""

import asyncio
import contextlib
import json
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from posswitch.base.moment import stamp
from posswitch.cli.backup import PROGRAM, verify_archive
from posswitch.cli.options import ConfigFile, OrConfigFile, OrData, settings_of
from posswitch.console.beside import Screen
from posswitch.edge.companion import Companion
from posswitch.edge.loop import run_fast
from posswitch.edge.process import verify_journal
from posswitch.edge.supervisor import Supervisor
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config, load_config
from posswitch.settings.memory import keep_private, lock_memory
from posswitch.sim.city import City
from posswitch.sim.demo import CALM_SPARE, Beside, DemoOptions, run_demo


def run(config: ConfigFile) -> None:
    """Run a switch: a supervisor with the node as its child; Ctrl-C or SIGTERM drains and stops it."""
    keep_private(children=True)
    lock_memory()
    settings = load_config(config)

    async def serve() -> None:
        supervisor = Supervisor(config)
        beside = [
            Companion(name, (*PROGRAM, command, "-c", str(config), "--follow"), settings.secret)
            for name, command, wanted in _beside(settings)
            if wanted
        ]
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        stopped, started = asyncio.create_task(stop.wait()), asyncio.create_task(supervisor.start())
        await asyncio.wait({stopped, started}, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            await started
            with contextlib.suppress(OSError):  # a greeting that cannot be written stops no switch
                print(f"posswitch: listening on {supervisor.listen}, data in {settings.data}", flush=True)
            ended = asyncio.create_task(supervisor.wait())
            for companion in beside:
                companion.start()
            await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        await supervisor.stop()
        for companion in beside:
            await companion.stop()

    asyncio.run(serve())


def _beside(settings: Config) -> tuple[tuple[str, str, bool], ...]:
    """What runs beside the node: how it is called, its command, and whether it is wanted."""
    return (
        ("the backup", "backup", settings.backup is not None),
        ("the scan", "scan", bool(settings.scan.every)),
        ("the inspection", "inspect", bool(settings.inspect.at)),
        ("the diagnosis", "incidents", find_spec("numpy") is not None),
    )


def demo(
    seconds: Annotated[int | None, typer.Option(min=1, help="How long; without it until Ctrl-C.")] = None,
    tps: Annotated[int, typer.Option(min=1, max=2000, help="Sales a second to aim at.")] = 300,
    kills: Annotated[int, typer.Option(min=0, help="kill -9 the node so many times.")] = 0,
    seed: Annotated[int, typer.Option(help="Draws cards, faults and manners.")] = 1,
    data: Annotated[Path | None, typer.Option(help="A new or empty folder for everything it leaves.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The switch's port for terminals; 0: any.")] = 0,
    tls: Annotated[bool, typer.Option("--tls", help="Everybody speaks TLS, with certificates.")] = False,
    calm: Annotated[bool, typer.Option("--calm", help="Nothing goes wrong by itself.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the count as JSON.")] = None,
    console: Annotated[bool, typer.Option(help="The screen in a browser, and a live line.")] = True,
) -> None:
    """Run a small city against the switch, with faults, and count money by the peers' own books."""
    now = stamp(SystemClock().wall_ns())
    folder = data or Path("demo-data") / f"{now.day}-{now.time}"
    options = DemoOptions(
        seconds=seconds,
        tps=tps,
        kills=kills,
        seed=seed,
        data=folder,
        port=port,
        tls=tls,
        live=console,
        calm=calm,
        spare=CALM_SPARE if calm else 0,
    )
    if report is not None:
        report.touch()  # a path that cannot be written is said now, not after the run
    counted = run_fast(run_demo(options, beside=_screened if console else _alone))
    text = json.dumps(counted, ensure_ascii=False, indent=2)
    print(text, flush=True)
    if report is not None:
        report.write_text(text + "\n", encoding="utf-8")
    wrong = any(counted[key] for key in ("lost", "duplicated", "unknown")) or counted["verify"] != "ok"
    raise typer.Exit(1 if wrong or not counted["drained"] else 0)


def _screened(city: City) -> list[Beside]:
    """Diagnosis and its screen, where they are installed."""
    secret = load_config(city.config).secret
    programs: list[Beside] = []
    if find_spec("numpy") is not None:
        follow = (*PROGRAM, "incidents", "-c", str(city.config), "--follow")
        programs.append(Companion("the diagnosis", follow, secret))
    if find_spec("nicegui") is not None:
        programs.append(Screen(city.config, lambda line: print(line, flush=True)))
    return programs


def _alone(city: City) -> list[Beside]:
    return []


def verify(
    config: OrConfigFile = None,
    data: OrData = None,
    archive: Annotated[
        Path | None, typer.Option(help="Check the backup in this folder, not the journal.")
    ] = None,
) -> None:
    """Check a journal to the last record, also beside a running switch: exit 1 names what is damaged."""
    if archive is not None:
        raise typer.Exit(verify_archive(settings_of(config, data), archive))
    findings = verify_journal(settings_of(config, data))
    for finding in findings:
        print(finding)
    if findings:
        raise typer.Exit(1)
    print("ok")
