"""One of four banks falls ill under load: `python -m tests.pressure.banks --fault all --seconds 20`.

A real node and real sockets; windows in which all are well and windows in which one is ill take turns in
one run. Exit 1 when the others feel it, when payments go on waiting for the ill one, when it does not come
back by itself, or when the books are wrong.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posswitch.base.errors import PosswitchError
from posswitch.base.moment import NS_PER_S
from posswitch.edge.loop import run_fast
from posswitch.journal.vitals import read_gauges
from posswitch.sim.crowd import Crowd, Payment, Window, tick_ns
from posswitch.sim.square import Square, opened_square
from posswitch.sim.window import codes, sales, share, wait_ms

from .ill import FAULTS, USUAL_S, IllBank

_TERMINALS, _LINES = 256, 16
_AT_ONCE_NS, _AT_ONCE_SHARE = NS_PER_S // 2, 0.9  # nobody stands and waits for a bank that is ill
_FENCED_S_MAX = 5.0
_ANSWERED_MIN = 0.999
_P99_FACTOR, _P99_MS = 1.25, 2.0
_AHEAD_S = 10.0  # of payments made beforehand for the time after an illness
_BACK_LOOK_S, _BACK_SHARE, _BACK_SECONDS_MAX = 1.0, 0.99, 60.0
_OVER_HEALTHY_SITE_MIN = 0.95  # of the payments of a bank with one site left: the rest asks the other
_FINISH_SECONDS_MAX = 60.0
_MUST_BE_ZERO = ("lost", "duplicated", "unknown")


def of_bank(window: Window, bank: int) -> list[Payment]:
    """The sales of a window that go to one bank."""
    return [one for one in sales(window) if one.bank == bank]


def of_others(windows: Sequence[Window], bank: int) -> list[Payment]:
    """Those that go to the others."""
    return [one for window in windows for one in sales(window) if one.bank != bank]


def at_once_after_s(payments: Sequence[Payment], began_ns: int) -> float | None:
    """How long after `began_ns` nobody waited any more for a whole second; None when that never came."""
    waits = [(one.due_ns, bool(one.code) and one.heard_ns - one.due_ns <= _AT_ONCE_NS) for one in payments]
    for place, (due_ns, good) in enumerate(waits):
        if good:
            second = [at_once for at_ns, at_once in waits[place:] if at_ns < due_ns + NS_PER_S]
            whole = waits[-1][0] - due_ns >= NS_PER_S
            if whole and sum(second) >= _AT_ONCE_SHARE * len(second):
                return round((due_ns - began_ns) / NS_PER_S, 2)
    return None


class Trial:
    """Windows of health and illness in turn, of one bank and one fault."""

    def __init__(
        self, square: Square, crowd: Crowd, fault: str, bank: int, asked: argparse.Namespace
    ) -> None:
        self._square = square
        self._crowd = crowd
        self._fault = fault
        self._number = bank
        self._tps = asked.tps
        self._seconds = asked.seconds
        ill = square.banks[bank]
        assert isinstance(ill, IllBank)
        self._bank = ill
        self._healthy: list[Window] = []
        self._ill: list[Window] = []
        self._back: list[Window] = []
        self._back_s: list[float] = []
        self._backlog: list[int] = []

    async def run(self, pairs: int) -> dict[str, Any]:
        """All pairs, and what they came to."""
        self._bank.usual_s = USUAL_S
        self._bank.ill_port = self._square.city.banks[self._number].line_ports[0]
        await self._crowd.offer(self._tps, min(self._seconds, 2.0))  # it learns what is usual
        for _ in range(pairs):
            await self._crowd.prepare(int(self._tps * (2 * self._seconds + _AHEAD_S)))
            self._healthy.append(await self._crowd.offer(self._tps, self._seconds))
            self._bank.fall_ill(self._fault)
            self._ill.append(await self._crowd.offer(self._tps, self._seconds))
            self._bank.recover()
            self._backlog.append(int(read_gauges(self._square.city.data).get("open_reversals", -1)))
            await self._come_back()
        await self._crowd.calm()
        self._bank.usual_s = 0.0
        return self._told()

    async def _come_back(self) -> None:
        """The load goes on until the bank is paid at again and owed nothing."""
        began_ns = tick_ns()
        while tick_ns() - began_ns < _BACK_SECONDS_MAX * NS_PER_S:
            self._back.append(await self._crowd.offer(self._tps, _BACK_LOOK_S))
            well = share(of_bank(self._back[-1], self._number), "00") >= _BACK_SHARE - USUAL_S / _BACK_LOOK_S
            if well and not read_gauges(self._square.city.data).get("open_reversals"):
                self._back_s.append(round((tick_ns() - began_ns) / NS_PER_S, 1))
                return
        self._back_s.append(_BACK_SECONDS_MAX)

    def _told(self) -> dict[str, Any]:
        bank = self._number
        others = of_others([*self._ill, *self._back], bank)
        pairs = list(zip(self._healthy, self._ill, strict=True))
        its_own = [one for window in self._ill for one in of_bank(window, bank)]
        after = [
            one
            for window in self._ill
            for one in of_bank(window, bank)
            if one.due_ns - window.began_ns > _FENCED_S_MAX * NS_PER_S
        ]
        return {
            "fault": self._fault,
            "bank": self._square.city.banks[bank].id,
            "fenced_s": [at_once_after_s(of_bank(window, bank), window.began_ns) for window in self._ill],
            "ill_codes": codes(its_own),
            "approved_when_fenced": round(share(after, "00"), 4),
            "others": len(others),
            "others_answered": round(share(others), 5),
            "others_approved": round(share(others, "00"), 5),
            "others_p99_ms": [
                (wait_ms(of_others([well], bank), 99), wait_ms(of_others([ill], bank), 99))
                for well, ill in pairs
            ],
            "others_p99_back_ms": wait_ms(of_others(self._back, bank), 99),
            "reversals_open_when_healed": self._backlog,
            "back_s": self._back_s,
        }


def complaints(trial: dict[str, Any], *, speed: bool) -> list[str]:
    """Everything wrong with a trial, one line each; with `speed` also when the others became slower."""
    name = trial["fault"]
    found = [
        f"{name}: payments still waited for the bank after {after} s"
        for after in trial["fenced_s"]
        if after is None or after > _FENCED_S_MAX
    ]
    found += [
        f"{name}: {what} is {trial[what]}, must be at least {_ANSWERED_MIN}"
        for what in ("others_answered", "others_approved")
        if not trial["others"] or trial[what] < _ANSWERED_MIN
    ]
    if name == "one-site" and trial["approved_when_fenced"] < _OVER_HEALTHY_SITE_MIN:
        found.append(f"{name}: only {trial['approved_when_fenced']} were approved over the healthy site")
    if any(seconds >= _BACK_SECONDS_MAX for seconds in trial["back_s"]):
        found.append(f"{name}: the bank is not back {_BACK_SECONDS_MAX:.0f} s after it is well")
    well = statistics.median(pair[0] for pair in trial["others_p99_ms"])
    ill = statistics.median(pair[1] for pair in trial["others_p99_ms"])
    for when, slow in (("while it is ill", ill), ("while it comes back", trial["others_p99_back_ms"])):
        if speed and slow > max(_P99_FACTOR * well, well + _P99_MS):
            found.append(f"{name}: the others' p99 is {slow} ms {when}, {well} ms when all are well")
    return found


def book_complaints(books: dict[str, Any]) -> list[str]:
    """Everything wrong with the books at the end."""
    found = [f"books: {name} is {books[name]}, must be 0" for name in _MUST_BE_ZERO if books[name]]
    if books["verify"] != "ok":
        found.append(f"books: verify: {'; '.join(books['verify'])}")
    if not books["drained"]:
        found.append("books: something was still open at the end")
    return found


async def measured(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All faults wanted, each at another bank, at one node."""
    faults = list(FAULTS) if asked.fault == "all" else asked.fault.split(",")
    async with opened_square(folder, asked.seed, _TERMINALS, bank=IllBank) as square:
        crowd = Crowd(square.city, square.city.fittings, _LINES, random.Random(asked.seed))
        await crowd.connect(square.at)
        trials = [
            await Trial(square, crowd, fault, place % len(square.banks), asked).run(asked.pairs)
            for place, fault in enumerate(faults)
        ]
        books = await square.closed_books([crowd], _FINISH_SECONDS_MAX)
    return {"trials": trials, "books": books, "tps": asked.tps, "window_s": asked.seconds, "seed": asked.seed}


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.pressure.banks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each window")
    parser.add_argument("--pairs", type=int, default=3, help="windows of health and illness for each fault")
    parser.add_argument("--fault", default="all", help=f"{', '.join(FAULTS)}; several with commas; or all")
    parser.add_argument("--tps", type=float, default=800.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-speed", action="store_true", help="do not judge how fast the others are")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    asked = parser.parse_args(words)
    if wrong := [name for name in asked.fault.split(",") if name not in (*FAULTS, "all")]:
        parser.error(f"no such fault: {', '.join(wrong)}")
    return asked


def main() -> int:
    """Prints the report, as a line of JSON if wanted, and every complaint."""
    asked = parsed()
    with tempfile.TemporaryDirectory(prefix="posswitch-pressure-") as folder:
        try:
            report = run_fast(measured(asked, Path(folder)))
        except PosswitchError as error:
            print(f"pressure: {error}", file=sys.stderr)
            return 1
    found = [line for trial in report["trials"] for line in complaints(trial, speed=not asked.no_speed)]
    found += book_complaints(report["books"])
    if asked.json:
        print(json.dumps(report))
    else:
        for trial in report["trials"]:
            print("\n".join(f"{name:<28} {value}" for name, value in trial.items()), end="\n\n")
        print(f"{'books':<28} {report['books']}")
    for line in found:
        print(f"pressure: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
