"""The real field of a duty: a city with a hidden fault, seen through vitals, books and real commands."""

import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from posswitch.base.codes import lookup
from posswitch.diagnose.places import Names, names_of
from posswitch.diagnose.signals import Sort, sort_of
from posswitch.journal.vitals import Column, How
from posswitch.settings.config import Config
from posswitch.sim.city import BOOKS_FOLDER
from posswitch.sim.drills.drill import Drill
from posswitch.sim.drills.monitor import Monitor
from posswitch.sim.drills.scene import Scene
from posswitch.sim.peers.book import read_book
from posswitch.sim.training.tables import words

_SETTLED_S = 12.0
_SIGN_SECONDS_MAX, _LOOK_S = 12.0, 0.25
_ROWS_MAX, _RECEIPTS, _CODES = 12, 6, 4
_PRINTED_LINES_MAX, _RUN_SECONDS_MAX = 60, 30.0
_WORD = re.compile(r"[A-Za-z0-9#/.-]{1,40}")
_NO_HARM = (Sort.GOOD, Sort.DECLINE, Sort.PIN, Sort.LIMIT)
_BANKS_WAY = {"ping": ("ping",), "why": ("why",), "explain": ("explain",)}
_ALONE = {"guards": ("guards",), "history": ("registry", "history"), "unknowns": ("unknowns",)}
_NOT_CONFIGURED = ("explain",)


class CityField:
    """See `shift.Field`."""

    def __init__(self, config: Config, scene: Scene, drill: Drill, lang: str) -> None:
        self._config, self._scene, self._drill, self._lang = config, scene, drill, lang
        self._monitor = Monitor(config.data, config.registry)
        self._names = names_of(config.registry, lang)
        self._before = 0.0  # payments a second
        self._began_ns = time.time_ns()
        self._began_s = time.monotonic()

    def __repr__(self) -> str:
        return f"<field of {self._config.data.name}>"

    @property
    def names(self) -> Names:
        """See Field."""
        return self._names

    def settle(self, city_began_s: float) -> None:
        """Waits until a young city has its usual traffic."""
        while time.monotonic() < city_began_s + _SETTLED_S:
            time.sleep(_LOOK_S)
        self._monitor.look()

    def begin(self) -> None:
        """The fault begins; returns when something of it can be seen."""
        self._monitor.look()
        self._monitor.mark()
        self._before = self._monitor.rate({})
        self._began_ns, self._began_s = time.time_ns(), time.monotonic()
        self._drill.begin(self._scene)
        place = self._scene.place(self._drill.where)
        while time.monotonic() - self._began_s < _SIGN_SECONDS_MAX:
            time.sleep(_LOOK_S)
            self._monitor.look()
            if any(self._monitor.holds(sign, place) for sign in self._drill.signs):
                return

    def heal(self) -> None:
        """See Field."""
        self._scene.heal()

    def seconds(self) -> float:
        """See Field."""
        return time.monotonic() - self._began_s

    # What can be seen

    def look(self) -> Iterator[str]:
        """See Field."""
        self._monitor.look()
        gauges, rows = self._monitor.gauges, self._monitor.rows()
        yield words(
            "centre-line", self._lang, rate=f"{self._monitor.rate({}):.0f}",
            before=f"{self._before:.0f}", good=_good(rows, self._monitor.names),
            queue=int(gauges.get("queue", 0)), reversals=int(gauges.get("open_reversals", 0)),
        )  # fmt: skip
        for bank in self._config.registry.banks.values():
            of_bank = [row for row in rows if self._monitor.names[row[Column.BANK]] == bank.id]
            here = [f"link.{bank.id}.{index}." for index in range(len(bank.links))]
            yield words(
                "bank-line", self._lang, bank=f"{bank.id} {self._names['bank', bank.id]}",
                **self._figures(of_bank),
                up=int(sum(gauges.get(f"{link}up", 0) for link in here)), links=len(here),
                usual=round(max(gauges.get(f"{link}usual_ms", 0) for link in here)),
                waiting=round(max(gauges.get(f"{link}waiting_ms", 0) for link in here)),
            )  # fmt: skip
        yield words("receipts", self._lang)
        yield from self._receipts(rows)

    def _receipts(self, rows: list[tuple[int, ...]]) -> Iterator[str]:
        names = self._monitor.names
        failed = [row for row in rows if sort_of(names[row[Column.CODE]]) is not Sort.GOOD]
        for row in failed[-_RECEIPTS:]:
            code = names[row[Column.CODE]]
            meaning = lookup(code)
            told = (meaning.meaning_zh if self._lang == "zh" else meaning.meaning_en) if meaning else ""
            yield "  " + words(
                "receipt", self._lang, terminal=names[row[Column.TERMINAL]] or "?",
                kind=names[row[Column.KIND]], code=code or "--", meaning=told,
            )  # fmt: skip
        if not failed:
            yield f"  {words('nothing', self._lang)}"

    def by(self, dim: str) -> Iterator[str]:
        """See Field."""
        self._monitor.look()
        groups: dict[str, list[tuple[int, ...]]] = defaultdict(list)
        for row in self._monitor.rows():
            groups[self._monitor.value(row, dim)].append(row)
        names = self._monitor.names
        worst = sorted(groups, key=lambda value: -_bad(groups[value], names))[:_ROWS_MAX]
        for value in worst:
            called = self._names.get((dim, value), "")
            shown = f"{value or '-'} {called}".strip()
            yield "  " + words("slice-line", self._lang, value=shown, **self._figures(groups[value]))

    def _figures(self, rows: list[tuple[int, ...]]) -> dict[str, str]:
        names = self._monitor.names
        codes = Counter(names[row[Column.CODE]] or "--" for row in rows)
        return {
            "rate": f"{len(rows) / self._monitor.WINDOW_S:.1f}",
            "good": _good(rows, names),
            "codes": " ".join(f"{code}×{count}" for code, count in codes.most_common(_CODES)) or "-",
        }

    def run(self, command: str, rest: Sequence[str]) -> Iterator[str]:
        """See Field."""
        if command in _ALONE:
            argv = [*_ALONE[command]]
        elif len(rest) == 1 and _WORD.fullmatch(rest[0]) and not rest[0].startswith("-"):
            argv = [*_BANKS_WAY[command], rest[0]]
        else:
            yield f"{command} …"
            return
        if command not in _NOT_CONFIGURED:
            argv += ["-c", str(self._config.data.parent / "posswitch.toml")]
        if command != "history":
            argv += ["--lang", self._lang]
        try:
            ended = subprocess.run(  # noqa: S603 - commands of this room, one word checked
                (sys.executable, "-m", "posswitch", *argv),
                capture_output=True, text=True, timeout=_RUN_SECONDS_MAX, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            yield "…"
            return
        yield from (ended.stdout + ended.stderr).splitlines()[:_PRINTED_LINES_MAX]

    def money_minor(self) -> int:
        """By the terminals' own slips: what failed since it began, and not for a reason of its customer."""
        books = self._config.data.parent / BOOKS_FOLDER
        codes = {code for sign in self._drill.signs for code in sign.codes} - {"00"}
        total = 0
        for path in sorted(books.glob("slips-*.jsonl")):
            for slip in read_book(path):
                if slip["sent_ns"] >= self._began_ns and slip["outcome"] != "approved":
                    code = slip["code"]
                    failed = slip["outcome"] == "neither" or code in codes or sort_of(code) not in _NO_HARM
                    total += int(slip["amount"]) if failed else 0
        return total


def _bad(rows: list[tuple[int, ...]], names: list[str]) -> int:
    return sum(
        row[Column.HOW] == How.TIMER or sort_of(names[row[Column.CODE]]) is not Sort.GOOD for row in rows
    )


def _good(rows: list[tuple[int, ...]], names: list[str]) -> str:
    return f"{100 * (len(rows) - _bad(rows, names)) / len(rows):.0f} %" if rows else "-"
