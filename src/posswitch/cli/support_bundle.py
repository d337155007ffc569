"""support-bundle: one masked file for those who help, with verdict, contact and the proof."""

from pathlib import Path
from typing import Annotated

import typer

from posswitch.base.moment import stamp
from posswitch.cli.options import ConfigFile
from posswitch.office.bundle import bundle, sentences, write
from posswitch.office.bundle_members import Subject
from posswitch.office.inspection_scene import Scene
from posswitch.office.logbook import around
from posswitch.settings.clock import SystemClock


def support_bundle(
    config: ConfigFile,
    incident: Annotated[
        int | None, typer.Option(min=1, help="The incident that it is about; without it the newest.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="The file; without it one in this folder.")] = None,
) -> None:
    """Pack what is needed to help into one masked .tar.gz, once it is proved that no secret is in it."""
    scene = Scene(config, SystemClock())
    if incident is not None:
        around(scene.config, incident, scene.now_ns)  # there must be one
    made = bundle(Subject(scene, incident))
    at = stamp(scene.now_ns)
    path = to or Path(f"posswitch-support-{scene.config.node}-{at.day}-{at.time}.tar.gz")
    size = write(made, path, scene.now_ns)
    for name, data in made.members.items():
        print(f"{name}  {len(data):,} B")
    for name, why in made.missing.items():
        print(f"{name}  -  {why}")
    for sentence in sentences(made.proof).values():
        print(sentence)
    print(f"{path}: {size:,} B")
    raise typer.Exit(0 if made.clean else 1)
