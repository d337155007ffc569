"""Power cuts of the real switch under load: `python -m tests.power.run --cuts N --seconds-between S`.

The city of the demonstration, the switch as processes on a loop-mounted ext4. Exit 1 when money or journal
are wrong or a cut met no payment, 2 where the power of a disk cannot be cut.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from posswitch.base.errors import PosswitchError
from posswitch.edge.loop import run_fast
from posswitch.sim.city import CONFIG_FILE, DATA_FOLDER, City
from posswitch.sim.demo import DemoOptions, run_demo

from .disk import CannotCut, Disk
from .machine import POSSWITCH, Machine

_CARELESS = (sys.executable, str(Path(__file__).parent / "careless.py"))
_MUST_BE_ZERO = ("lost", "duplicated", "unknown")


def complaints(report: dict[str, Any], cuts: int) -> list[str]:
    """Everything wrong with a report, one line each; empty when the proof holds."""
    found = [f"{name} is {report[name]}, must be 0" for name in _MUST_BE_ZERO if report[name]]
    if report["verify"] != "ok":
        found.append(f"verify: {'; '.join(report['verify'])}")
    if not report["drained"]:
        found.append("something was still open at the end")
    if report["batches"]["unexplained"]:
        found.append(f"{report['batches']['unexplained']} batches are not explained")
    met, back = report["in_flight_at_cut"], report["seconds_to_ready"]
    if len(met) != cuts or not all(met):
        found.append(f"{cuts} cuts were wanted with payments in flight, these were met: {met}")
    if len(back) != cuts:
        found.append(f"the switch came back {len(back)} times from {cuts} cuts")
    return found


def measured(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The report of one run, all its files in `folder`; CannotCut, PosswitchError."""
    city = folder / "city"
    options = DemoOptions(
        data=city,
        seconds=asked.seconds_between * (asked.cuts + 1),
        tps=asked.tps,
        kills=asked.cuts,
        seed=asked.seed,
        live=False,
        takes_orders=False,
    )
    program = _CARELESS if asked.careless else POSSWITCH
    with Disk(folder / "disk.img", city / DATA_FOLDER) as disk:
        machine = Machine(disk, city / CONFIG_FILE, folder / "switch.log", program)

        def switch_in(_city: City) -> Machine:
            disk.make()
            return machine

        report = run_fast(run_demo(options, switch_in))
    return {
        "cuts": report["kills"],
        "purchases": report["purchases"],
        **{name: report[name] for name in ("approved", "declined", "reversed", *_MUST_BE_ZERO)},
        "batches": report["batches"],
        "verify": report["verify"],
        "drained": report["drained"],
        "in_flight_at_cut": report["in_flight_at_kill"],
        "seconds_to_ready": report["away_seconds"],
        "seconds_to_boot": machine.boot_seconds,
        "seed": asked.seed,
    }


def main() -> int:
    """Prints the report, as a line of JSON if wanted, and every complaint."""
    parser = argparse.ArgumentParser(prog="python -m tests.power.run", description=__doc__)
    parser.add_argument("--cuts", type=int, default=2)
    parser.add_argument("--seconds-between", type=float, default=8.0, help="on average, by chance")
    parser.add_argument("--tps", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--careless", action="store_true", help="do not sync the journal: must be seen")
    parser.add_argument("--data", type=Path, help="a new folder for everything it leaves")
    asked = parser.parse_args()
    folder = asked.data or Path(tempfile.mkdtemp(prefix="posswitch-power-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        report = measured(asked, folder)
    except CannotCut as why:
        print(f"power: {why}", file=sys.stderr)
        return 2
    except PosswitchError as error:
        print(f"power: {error}", file=sys.stderr)
        return 1
    found = complaints(report, asked.cuts)
    if asked.json:
        print(json.dumps(report))
    else:
        print("\n".join(f"{name:<18} {value}" for name, value in report.items()))
    for line in found:
        print(f"power: {line}; its files are in {folder}", file=sys.stderr)
    if not found and not asked.data:
        shutil.rmtree(folder)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
