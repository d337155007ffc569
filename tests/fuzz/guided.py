"""Inputs that follow coverage: `python -m tests.fuzz.guided --runs 100000 --target all --seed 1` (atheris).

Each target runs in a process of its own, over a corpus that is kept and goes on growing. One line of JSON a
target, exit 1 on escapes.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed: .venv/bin/python -m pip install 'atheris>=3' (Linux, CPython 3.11)")

with atheris.instrument_imports(include=["posswitch"]):
    from .hunt import WORK_S_MAX, Bag, Watch, escape_of, smaller
    from .targets import TARGETS, seeds_of

_SIZE_MAX = 5000
_SLOWER = 10  # code that tells which branch it took


def _corpus(folder: Path, name: str) -> Path:
    """The folder of a target's corpus, with its seeds in it."""
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds_of(name)):
        (corpus / f"seed-{number:05d}").write_bytes(seed.data)
    return corpus


def _dictionary(folder: Path, name: str) -> list[str]:
    words = TARGETS[name].words
    if not words:
        return []
    path = folder / f"{name}.dict"
    lines = ["".join(f"\\x{byte:02x}" for byte in word) for word in words if word]
    path.write_text("".join(f'"{line}"\n' for line in lines))
    return [f"-dict={path}"]


class _Hunter:
    """What the fuzzer calls; it ends the process itself, because the fuzzer would do so without a word."""

    def __init__(self, name: str, runs: int, keep: Path) -> None:
        self._name, self._runs, self._keep = name, runs, keep
        self._read = TARGETS[name].read
        self._known = 0
        self._bag = Bag()
        self._watch = Watch(_SLOWER * WORK_S_MAX)
        self._began = time.monotonic()

    def __call__(self, data: bytes) -> None:
        self._watch.run += 1
        try:
            self._known += self._read(data)
        except Exception as error:
            if self._bag.take(escape_of(self._name, data, error)):
                print(f"{self._name}: {error!r}"[:300], file=sys.stderr, flush=True)
        if self._watch.run + 1 >= self._runs:
            self._end()

    def hunt(self, arguments: list[str]) -> None:
        """Does not return."""
        with self._watch.on():
            atheris.Setup(["guided", *arguments], self)
            atheris.Fuzz()

    def _end(self) -> None:
        self._watch.run = -1
        escapes = []
        for escape in self._bag.values():
            least = smaller(escape)
            row = {"what": least.what, "where": least.where, "times": escape.times}
            escapes.append(row | {"hex": least.data.hex()[:400], "file": str(least.keep(self._keep))})
        seconds = round(time.monotonic() - self._began, 1)
        row = {"target": self._name, "runs": self._runs, "read": self._known, "escapes": escapes}
        print(json.dumps(row | {"seconds": seconds}), flush=True)
        os._exit(1 if escapes else 0)


def _alone(name: str, chosen: argparse.Namespace) -> None:
    corpus = _corpus(chosen.corpus, name)
    arguments = [f"-seed={chosen.seed}", f"-max_len={_SIZE_MAX}", "-timeout=60", "-rss_limit_mb=2048"]
    arguments += ["-verbosity=0", "-print_final_stats=0", *_dictionary(chosen.corpus, name), str(corpus)]
    _Hunter(name, chosen.runs, chosen.keep).hunt(arguments)


def main() -> int:
    """One report a line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=100_000, help="inputs for each target, fewer for slow ones"
    )
    parser.add_argument("--target", default="all", choices=["all", *TARGETS])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where reproducers are written")
    parser.add_argument("--corpus", type=Path, default=Path("build/fuzz/corpus"))
    chosen = parser.parse_args()
    if chosen.target != "all":
        _alone(chosen.target, chosen)
    failed, runs = False, chosen.runs
    for name in TARGETS:
        chosen.runs = max(runs // TARGETS[name].cost, 1)
        again = [f"--{key}={value}" for key, value in vars(chosen).items() if key != "target"]
        command = [sys.executable, "-m", __spec__.name, "--target", name, *again]
        failed |= subprocess.run(command, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
