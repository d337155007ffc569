"""The localiser on public cases with known truth: `python -m tests.diagnose.rca [--noise 0.1] [--json]`.

B0 (Squeeze): real values and forecasts of a lattice. RS (RobustSpot): failed and all of each leaf, by the
minute. The cases lie beside the repository and are never copied into it. The localiser sees both in one form,
so much bad of so much, so much of it usual; the two functions `of_*` make it. Errors were looked at in the
even cases only, but the figures of both halves were in view when the constants were chosen: neither half is
unseen; the cases kept for measuring are.
"""

import argparse
import csv
import io
import json
import lzma
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from posswitch.diagnose.locate import Floats, Ints, Place, locate

ROOT = Path(__file__).parents[2]
_MOVED_PRIOR, _MOVED_FLOOR = (
    0.01,
    0.02,
)  # how many leaves move by themselves; what is less likely moved did not
_NOISE_MIN = 0.005  # of a forecast, in parts
_NORMAL_QUARTER = 0.3186  # a quarter of a normal distribution lies within so many deviations
_TRIALS_MAX = 100  # a share is never known better than from so many: leaves differ by themselves
_TRIALS_SHRUNK = 50  # of a leaf's own past are worth as much as the share of all leaves

Leaves = tuple[Ints, Floats, Floats, Floats]


class Case(NamedTuple):
    """One fault with its truth; `leaves` makes what the localiser sees."""

    name: str
    truth: frozenset[Place]
    leaves: Callable[[], Leaves]
    most: int


class Score(NamedTuple):
    """How the places found compare with the true ones."""

    right: int
    wrong: int
    missed: int

    def figures(self) -> dict[str, float]:
        """Precision, recall and their harmonic mean."""
        found, true = self.right + self.wrong, self.right + self.missed
        return {
            "f1": round(2 * self.right / max(found + true, 1), 4),
            "precision": round(self.right / max(found, 1), 4),
            "recall": round(self.right / max(true, 1), 4),
        }


def folder() -> Path | None:
    """Where the cases are: beside a checkout, or beside the folder of a worktree."""
    for beside in (ROOT.parent, ROOT.parent.parent):
        if (path := beside / "shared" / "reference" / "rca").is_dir():
            return path
    return None


def of_forecast(columns: Ints, real: Floats, forecast: Floats) -> Leaves:
    """Leaves with a forecast: how likely each has moved further than forecasts usually are off."""
    some = real + forecast > 0
    real, forecast = real[some], forecast[some]
    off = 2 * (forecast - real) / (forecast + real)
    noise = max(float(np.quantile(np.abs(off), 0.25)) / _NORMAL_QUARTER, _NOISE_MIN)
    still = np.exp(-0.5 * (off / noise) ** 2) / (noise * np.sqrt(2 * np.pi)) * (1 - _MOVED_PRIOR)
    moved = _MOVED_PRIOR / 4  # anywhere from -2 to 2
    bad = moved / (moved + still)
    bad[bad < _MOVED_FLOOR] = 0.0
    return columns[:, some], bad, np.ones(len(bad)), np.full(len(bad), _MOVED_PRIOR)


def of_counts(columns: Ints, minutes: Ints, bad: Floats, total: Floats) -> Leaves:
    """Leaves of the last minute; usual is each leaf's share in the calmer half of the minutes before."""
    now = minutes == minutes.max()
    keys = np.ravel_multi_index(tuple(columns), tuple(columns.max(1) + 1))
    _, keys = np.unique(keys, return_inverse=True)
    numbers = np.unique(minutes[~now], return_inverse=True)[1]
    shares = np.bincount(numbers, bad[~now]) / np.maximum(np.bincount(numbers, total[~now]), 1)
    calm = np.flatnonzero(~now)[shares[numbers] <= np.median(shares)]
    size = int(keys.max()) + 1
    past_bad, past_total = (np.bincount(keys[calm], one[calm], size) for one in (bad, total))
    share = past_bad.sum() / max(past_total.sum(), 1)
    usual = (past_bad + _TRIALS_SHRUNK * share) / (past_total + _TRIALS_SHRUNK)
    weight = 1 / (1 + total[now] / _TRIALS_MAX)
    trials = total[now] * weight
    return columns[:, now], bad[now] * weight, trials, trials * usual[keys[now]]


def read_b0(path: Path, noise: float = 0.0, seed: int = 1) -> Iterator[Case]:
    """The lattice cases; `noise`: each real value times 1 + noise × a standard normal number, not below 0."""
    attributes = json.loads((path / "b0_attributes.json").read_text("utf-8"))["attributes"]
    dims, shape = list(attributes), [len(values) for values in attributes.values()]
    columns = (np.indices(shape).reshape(len(shape), -1) + 1).astype(np.int32)
    arrays = np.load(io.BytesIO(lzma.decompress((path / "b0_dev.npz.xz").read_bytes())))
    chance = np.random.default_rng(seed)
    with (path / "b0_dev.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            real, forecast = (
                arrays[f"{row['setting']}/{which}{row['timestamp']}"].astype(np.float64) for which in "rp"
            )
            if noise:
                real = np.maximum(real * (1 + noise * chance.standard_normal(len(real))), 0.0)
            elements = [dict(pair.split("=") for pair in one.split("&")) for one in row["label"].split(";")]
            truth = frozenset(
                tuple(
                    sorted((dims.index(dim), attributes[dim].index(value) + 1) for dim, value in one.items())
                )
                for one in elements
            )

            def leaves(real: Floats = real, forecast: Floats = forecast) -> Leaves:
                return of_forecast(columns, real, forecast)

            yield Case(f"{row['setting']} {row['timestamp']}", truth, leaves, 3)


def read_rs(path: Path, step: int = 1) -> Iterator[Case]:
    """The counted cases, each up to the minute of its alarm; one answer is asked for."""
    with zipfile.ZipFile(path / "rs_even.zip") as cases:
        for told in _causes(cases.read("RS/anomaly.yaml").decode())[::step]:
            lines = io.StringIO(cases.read(f"RS/{told['data']}.csv").decode())
            rows = [row for row in csv.DictReader(lines) if int(row["min"]) <= told["timestamp"]]
            dims = [name for name in rows[0] if name not in ("min", "value", "cnt")]
            codes: list[dict[str, int]] = [{} for _ in dims]
            columns = np.array(
                [
                    [known.setdefault(row[dim], len(known) + 1) for row in rows]
                    for dim, known in zip(dims, codes, strict=True)
                ],
                np.int32,
            )
            minutes = np.array([int(row["min"]) for row in rows], np.int32)
            bad, total = (np.array([float(row[name]) for row in rows]) for name in ("value", "cnt"))
            truth = frozenset(
                tuple(
                    sorted(
                        (dims.index(dim), codes[dims.index(dim)].get(value, 0)) for dim, value in one.items()
                    )
                )
                for one in told["cause"]
            )

            def leaves(columns: Ints = columns, minutes: Ints = minutes, bad=bad, total=total) -> Leaves:
                return of_counts(columns, minutes, bad, total)

            yield Case(told["data"], truth, leaves, 1)


def _causes(text: str) -> list[dict]:
    """The list of cases: `cause` is one mapping or a list of them, all values text, `timestamp` a number."""
    cases: list[dict] = []
    for line in text.splitlines():
        name, _, value = line.strip().removeprefix("- ").partition(": ")
        if line == "- cause:":
            cases.append({"cause": []})
        elif name in ("data", "timestamp"):
            cases[-1][name] = int(value) if name == "timestamp" else value
        elif line.strip():
            if line.startswith("  - ") or not cases[-1]["cause"]:
                cases[-1]["cause"].append({})
            cases[-1]["cause"][-1][name] = json.loads(value) if value.startswith('"') else value
    return cases


def measure(cases: Sequence[Case]) -> dict:
    """F1, precision and recall over all places of all cases, of the halves, and CPU time a case."""
    halves, times = [Score(0, 0, 0), Score(0, 0, 0)], []
    for number, case in enumerate(cases):
        began = time.process_time()
        located = locate(*case.leaves(), most=case.most)
        times.append((time.process_time() - began) * 1e3)
        found = {one.place for one in located.places}
        right = len(found & case.truth)
        one = Score(right, len(found) - right, len(case.truth) - right)
        halves[number % 2] = Score(*(a + b for a, b in zip(halves[number % 2], one, strict=True)))
    both = Score(*(a + b for a, b in zip(*halves, strict=True)))
    return {
        "cases": len(cases),
        **both.figures(),
        "f1_even": halves[0].figures()["f1"],
        "f1_odd": halves[1].figures()["f1"],
        "cpu_ms_median": round(float(np.median(times)), 2),
        "cpu_ms_max": round(max(times), 2),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.diagnose.rca", description=__doc__)
    parser.add_argument("--noise", type=float, default=0.0, help="of B0's real values, in parts of each")
    parser.add_argument("--seed", type=int, default=1, help="of the noise")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    asked = parser.parse_args(arguments)
    if not 0 <= asked.noise <= 1:
        parser.error(f"--noise is {asked.noise}, give 0 to 1")
    path = folder()
    if path is None:
        print("the public cases are not here: shared/reference/rca beside the repository", file=sys.stderr)
        return 2
    figures = {
        "noise": asked.noise,
        "b0": measure(list(read_b0(path, asked.noise, asked.seed))),
        "rs": measure(list(read_rs(path))),
    }
    if asked.json:
        print(json.dumps(figures))
        return 0
    for name in ("b0", "rs"):
        words = ", ".join(f"{what} {value}" for what, value in figures[name].items())
        print(f"{name}{f' with noise {asked.noise}' if name == 'b0' and asked.noise else ''}: {words}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
