"""The city of a drill as a process: `python -m posswitch.sim.drills.city OPTIONS`; ends when its input does.

OPTIONS is a JSON object of `sim.demo.DemoOptions`; what was counted at the end goes to REPORT in its folder.
"""

import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path

import msgspec

from posswitch.base.errors import PosswitchError
from posswitch.edge.companion import Companion
from posswitch.edge.loop import run_fast
from posswitch.sim.city import SECRET_FILE, City
from posswitch.sim.demo import DemoOptions, run_demo

REPORT = "report.json"


def _end_with_input() -> None:
    """Whoever started this has gone, or wants it to end."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGINT)


def written(options: DemoOptions) -> str:
    """Options as this program takes them."""
    return msgspec.json.encode(options, enc_hook=str).decode()


def _read(words: str) -> DemoOptions:
    return msgspec.json.decode(words, type=DemoOptions, dec_hook=lambda kind, value: kind(value))


def _diagnosed(city: City) -> list[Companion]:
    follow = (sys.executable, "-m", "posswitch", "incidents", "-c", str(city.config), "--follow")
    return [Companion("the diagnosis", follow, city.folder / SECRET_FILE)]


def main() -> int:
    """Runs the city until its input ends, then heals, drains and counts."""
    options = _read(sys.argv[1])
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        say = partial(print, flush=True)
        counted = run_fast(run_demo(options, out=say, beside=_diagnosed))
    except (PosswitchError, OSError) as error:
        print(f"posswitch: {error}", file=sys.stderr)  # noqa: T201
        return 2
    (Path(options.data) / REPORT).write_bytes(msgspec.json.encode(counted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
