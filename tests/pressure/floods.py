"""Floods, with honest payments beside: `python -m tests.pressure.floods --attack all --seconds 20`.

A SYN flood, connections that never end a frame or never say anything, bad frames, TLS handshakes; alone and
together. Exit 1 when an honest terminal is not answered or the books are wrong, 2 where nobody may make a
network namespace, which the SYN flood needs.
"""

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from posswitch.edge.loop import run_fast
from posswitch.journal.vitals import read_gauges
from posswitch.sim.authority import Authority
from posswitch.sim.bench_side import node_cpu_ns
from posswitch.sim.crowd import Crowd, Mix, Window
from posswitch.sim.square import Square, opened_square
from posswitch.sim.window import codes, sales, share, wait_ms

from .banks import book_complaints
from .syn import CannotFlood, attacker, cookies, own_network

_TERMINALS, _STANDING, _LINES = 256, 192, 16  # the last terminals are named by attackers and do nothing
_DIALLING = 32
_STANDING_TPS, _DIALLING_TPS, _DIALLING_TLS_TPS = 200.0, 40.0, 10.0
_ANSWERED_MIN = 0.99
_ANYWHERE = "0.0.0.0"
_SYN = "syn"
_REST_S = 2.0
_FINISH_SECONDS_MAX = 60.0
# What is attacked, and by whom at once; a listener in clear text and one of TLS.
CLEAR = {
    "syn": (_SYN,),
    "slowloris": ("slowloris",),
    "bad-frames": ("bad-frames",),
    "forged-frames": ("forged-frames",),
    "idle": ("idle",),
    "together": (_SYN, "slowloris", "bad-frames", "idle"),
}
TLS = {
    "tls-handshakes": ("tls-handshakes",),
    "tls-slowloris": ("tls-slowloris",),
    "tls-stalled": ("tls-stalled",),
    "tls-together": ("tls-handshakes", "tls-slowloris", "tls-stalled", "idle"),
}


class Honest(NamedTuple):
    """Terminals that stay connected, and terminals that dial for each payment."""

    standing: Crowd
    dialling: Crowd
    dialling_tps: float

    async def pay(self, seconds: float) -> dict[str, Window]:
        """Both, as usual."""
        standing, dialling = await asyncio.gather(
            self.standing.offer(_STANDING_TPS, seconds), self.dialling.offer(self.dialling_tps, seconds)
        )
        await asyncio.gather(self.standing.calm(), self.dialling.calm())
        return {"standing": standing, "dialling": dialling}


@contextlib.asynccontextmanager
async def _honest(square: Square, seed: int) -> AsyncIterator[Honest]:
    fittings, mix = square.city.fittings, Mix(advices=0.0)
    standing = Crowd(square.city, fittings[:_STANDING], _LINES, random.Random(seed), mix)
    dialling = Crowd(
        square.city, fittings[_STANDING : _STANDING + _DIALLING], 1, random.Random(seed + 1), mix, dials=True
    )
    await standing.connect(square.at)
    await dialling.connect(square.at)
    tps = _DIALLING_TLS_TPS if square.at.tls else _DIALLING_TPS
    yield Honest(standing, dialling, tps)


async def _attacked(
    square: Square, honest: Honest, name: str, kinds: Sequence[str], seconds: float
) -> dict[str, Any]:
    """Honest payments while others flood."""
    before, spent_ns = read_gauges(square.city.data), node_cpu_ns(square.pid)
    with contextlib.ExitStack() as stack:
        floods = {
            kind: stack.enter_context(
                attacker(square.at.port, seconds) if kind == _SYN else _process(square, kind, seconds)
            )
            for kind in kinds
        }
        windows = await honest.pay(seconds)
        did = {kind: await asyncio.to_thread(_said, flood) for kind, flood in floods.items()}
    gauges = read_gauges(square.city.data)
    told: dict[str, Any] = {
        "attack": name,
        "attackers": did,
        "node_core_share": round((node_cpu_ns(square.pid) - spent_ns) / 1e9 / seconds, 2),
    }
    for how, window in windows.items():
        these = sales(window)
        told[how] = {
            "payments": len(these),
            "answered": round(share(these), 5),
            "approved": round(share(these, "00"), 5),
            "p50_ms": wait_ms(these, 50),
            "p99_ms": wait_ms(these, 99),
            "codes": codes(these),
        }
    told["node_counts"] = {
        key.removeprefix("count."): int(value - before.get(key, 0))
        for key, value in sorted(gauges.items())
        if key.startswith(("count.gate", "count.tls", "count.frames", "count.undecodable"))
        and value != before.get(key, 0)
    }
    await asyncio.sleep(_REST_S)
    return told


@contextlib.contextmanager
def _process(square: Square, kind: str, seconds: float) -> Iterator["subprocess.Popen[str]"]:
    """An attack of `sim.attackers`, less urgent than honest payments on the core that they share."""
    words = (
        "nice",
        "-n",
        "10",
        sys.executable,
        "-m",
        "posswitch.sim.attackers",
        kind,
        str(square.at.port),
        str(seconds),
    )
    terminal = square.city.fittings[-1].terminal
    flood = subprocess.Popen((*words, "--terminal", terminal), stdout=subprocess.PIPE, text=True)
    try:
        yield flood
    finally:
        flood.kill()
        flood.wait()


def _said(flood: "subprocess.Popen[str]") -> dict[str, int]:
    """What an attack did, in its own words."""
    assert flood.stdout is not None
    last = (flood.stdout.read().strip().splitlines() or ["{}"])[-1]
    return json.loads(last)


async def besieged(
    folder: Path, attacks: dict[str, Sequence[str]], asked: argparse.Namespace, tls: bool
) -> dict[str, Any]:
    """One node, every attack in turn, and the books."""
    authority = Authority() if tls else None
    async with (
        opened_square(folder, asked.seed, _TERMINALS, authority=authority, listen=_ANYWHERE) as square,
        _honest(square, asked.seed) as honest,
    ):
        peace = await _attacked(square, honest, "none", (), min(asked.seconds, 5.0))
        told = [
            await _attacked(square, honest, name, kinds, asked.seconds) for name, kinds in attacks.items()
        ]
        books = await square.closed_books([honest.standing, honest.dialling], _FINISH_SECONDS_MAX)
    return {"attacks": [peace, *told], "books": books, "restarts": square.supervisor.restarts}


def complaints(siege: dict[str, Any]) -> list[str]:
    """Everything wrong with a siege, one line each."""
    found = [
        f"{attack['attack']}: {attack[how]['answered']} of the {how} terminals' payments are answered, "
        f"must be at least {_ANSWERED_MIN}"
        for attack in siege["attacks"]
        for how in ("standing", "dialling")
        if not attack[how]["payments"] or attack[how]["answered"] < _ANSWERED_MIN
    ]
    if siege["restarts"]:
        found.append(f"the node ended {siege['restarts']} times")
    return found + book_complaints(siege["books"])


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    names = [*CLEAR, *TLS]
    parser = argparse.ArgumentParser(prog="python -m tests.pressure.floods", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each attack")
    parser.add_argument("--attack", default="all", help=f"{', '.join(names)}; several with commas; or all")
    parser.add_argument(
        "--no-cookies", action="store_true", help="a kernel without SYN cookies: must be seen"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    asked = parser.parse_args(words)
    asked.attacks = names if asked.attack == "all" else asked.attack.split(",")
    if wrong := [name for name in asked.attacks if name not in names]:
        parser.error(f"no such attack: {', '.join(wrong)}")
    return asked


def main() -> int:
    """Prints the report, as a line of JSON if wanted, and every complaint."""
    asked = parsed()
    missing = ""
    try:
        own_network()
        cookies(not asked.no_cookies)
    except CannotFlood as why:
        missing = str(why)
        asked.attacks = [name for name in asked.attacks if _SYN not in {**CLEAR, **TLS}[name]]
    report: dict[str, Any] = {"seconds": asked.seconds, "seed": asked.seed, "sieges": {}}
    for of, tls in ((CLEAR, False), (TLS, True)):
        wanted = {name: of[name] for name in asked.attacks if name in of}
        if wanted:
            with tempfile.TemporaryDirectory(prefix="posswitch-pressure-") as folder:
                siege = run_fast(besieged(Path(folder), wanted, asked, tls))
            report["sieges"]["tls" if tls else "clear"] = siege
    found = [f"{name}: {line}" for name, siege in report["sieges"].items() for line in complaints(siege)]
    _print(report, as_json=asked.json)
    for line in found:
        print(f"pressure: {line}", file=sys.stderr)
    if missing:
        print(f"pressure: no SYN flood here: {missing}", file=sys.stderr)
    return 1 if found else 2 if missing else 0


def _print(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    for name, siege in report["sieges"].items():
        print(f"== {name}")
        for attack in siege["attacks"]:
            print("\n".join(f"{key:<18} {value}" for key, value in attack.items()), end="\n\n")
        print(f"{'books':<18} {siege['books']}")


if __name__ == "__main__":
    sys.exit(main())
