"""The living map: terminals, the centre, every link of every bank, and how much goes over each."""

from nicegui import ui

from posswitch.console.parts import (
    STATE_MARKS,
    Text,
    box,
    dress,
    figure,
    milliseconds,
    put,
    show,
    spark,
    text,
)
from posswitch.console.scene import BankView, LinkState, NodeState, NodeView, Scene
from posswitch.console.words import Say

_ROW, _FAN = 100, 100  # units of the drawing: the height of a bank's row, the width of the fan
_SPARK_W, _SPARK_H = 84, 28
_LINKS_MAX = 8  # that are drawn of one bank
_ROWS_LARGE_MAX = 6  # with more banks the rows are low
_RATES = ((0.05, "still"), (8.0, "slow"), (60.0, "brisk"))  # requests a second up to which a flow looks so

_Strand = tuple[ui.element, ui.element]  # what lies, what flows over it


def pace(per_s: float) -> str:
    """How fast a flow is drawn."""
    return next((name for most, name in _RATES if per_s <= most), "fast")


def strand(row: int, rows: int, place: int, of: int) -> str:
    """The path of one link from the centre to its bank's row, in units of the drawing."""
    begin = rows * _ROW / 2 + (row - (rows - 1) / 2) * min(14.0, 60 / rows) + (place - (of - 1) / 2) * 4
    end = (row + 0.5) * _ROW + (place - (of - 1) / 2) * min(26.0, 60 / of)
    return f"M0 {begin:.1f} C {_FAN * 0.55:.0f} {begin:.1f} {_FAN * 0.45:.0f} {end:.1f} {_FAN} {end:.1f}"


class _Row:
    """A bank: its links, figures, the last minute."""

    def __init__(self, bank: BankView, say: Say, lang: str) -> None:
        self._say = say
        with box("div", "bank", data_bank=bank.id) as self.root:
            with box("div", "who"):
                text("b", "", bank.name_en if lang == "en" else bank.name_zh)
                self._state = text("span", "state")
                text("span", "id", bank.id)
            with box("div", "links"):
                self._links = [self._chip(link.number) for link in bank.links[:_LINKS_MAX]]
            with box("svg", "spark", viewBox=f"0 0 {_SPARK_W} {_SPARK_H}", aria_hidden="true"):
                self._spark = box("polyline", "", points="")
            with box("div", "rate"):
                self._rate = text("b", "")
                self._wait = text("span", "")

    @staticmethod
    def _chip(number: int) -> tuple[Text, Text]:
        with box("span", "link"):
            return text("i", "", STATE_MARKS["unknown"]), text("span", "", str(number))

    def show(self, bank: BankView, alive: bool) -> None:
        worst = bank.worst
        dress(self.root, f"bank {worst}")
        self._state.text = "" if worst is LinkState.UP else self._say(f"link.{worst}")
        for (mark, label), link in zip(self._links, bank.links, strict=False):
            mark.text = STATE_MARKS[link.state]
            dress(mark, link.state)
            waiting = self._say("link.waiting", seconds=f"{link.waiting_ms / 1000:.1f}")
            stands = self._say(f"link.{link.state}")
            said = f"{stands} · {figure(link.per_s)}/s · {milliseconds(link.usual_ms)} ms"
            if link.waiting_ms >= 1000:
                said += f" · {waiting}"
            put(label, "title", f"{said} {link.circuit}".strip())
        put(self._spark, "points", spark(bank.trail, _SPARK_W, _SPARK_H))
        self._rate.text = f"{figure(bank.per_s if alive else None)}/s"
        waits = (bank.typical_ms, bank.late_ms) if alive else (None, None)
        self._wait.text = f"{milliseconds(waits[0])} / {milliseconds(waits[1])} ms"
        ill = alive and bank.unanswered > 0
        if ill:
            self._wait.text = self._say("map.unanswered", count=bank.unanswered)
        dress(self._wait, "wrong" if ill else "")


class MapPanel:
    """Everything between terminals and banks."""

    def __init__(self, say: Say, lang: str) -> None:
        self._say, self._lang = say, lang
        self._shape: tuple[tuple[str, int], ...] = ()
        self._rows: list[_Row] = []
        self._strands: list[list[_Strand]] = []
        with box("section", "map panel") as self.root:
            with box("header"):
                text("h2", "", say("map.title"))
                with box("span", "legend"):
                    for state in ("up", "probed", "fenced", "down"):
                        with box("span"):
                            text("i", state, STATE_MARKS[state])
                            text("span", "", say(f"link.{state}"))
            with box("div", "chart"):
                self._terminals = _Terminals(say)
                with box(
                    "svg", "bundle", viewBox="0 0 100 40", preserveAspectRatio="none", aria_hidden="true"
                ):
                    box("path", "base", d="M0 20 H100")
                    self._bundle = box("path", "flow still", d="M0 20 H100")
                self._centre = _Centre(say)
                self._fan = box("svg", "fan", preserveAspectRatio="none", aria_hidden="true")
                self._banks = box("div", "banks")
            self._more = text("p", "note")

    def __repr__(self) -> str:
        return f"<map of {len(self._rows)} banks>"

    def show(self, scene: Scene) -> None:
        """Draws anew only when banks or links come and go."""
        shape = tuple((bank.id, len(bank.links)) for bank in scene.banks)
        if shape != self._shape:
            self._shape = shape
            self._draw(scene.banks)
        self._terminals.show(scene.node)
        self._centre.show(scene.node)
        alive = scene.node.state is NodeState.UP
        dress(self._bundle, f"flow {pace(scene.node.per_s) if alive else 'still'}")
        for row, strands, bank in zip(self._rows, self._strands, scene.banks, strict=True):
            row.show(bank, alive)
            for (base, flow), link in zip(strands, bank.links, strict=False):
                dress(base, f"base {link.state}")
                dress(flow, f"flow {link.state} {pace(link.per_s)}")
        show(self._more, scene.banks_more > 0)
        self._more.text = self._say("map.more", count=scene.banks_more)

    def _draw(self, banks: tuple[BankView, ...]) -> None:
        count = max(len(banks), 1)
        self._banks.clear()
        self._fan.clear()
        put(self._fan, "viewBox", f"0 0 {_FAN} {count * _ROW}")
        dress(self._banks, "banks" if count <= _ROWS_LARGE_MAX else "banks many")
        with self._banks:
            self._rows = [_Row(bank, self._say, self._lang) for bank in banks]
        with self._fan:
            self._strands = [self._strands_of(row, count, bank) for row, bank in enumerate(banks)]

    @staticmethod
    def _strands_of(row: int, rows: int, bank: BankView) -> list[_Strand]:
        of = min(len(bank.links), _LINKS_MAX)
        paths = [strand(row, rows, place, of) for place in range(of)]
        return [(box("path", "base", d=path), box("path", "flow", d=path)) for path in paths]


class _Terminals:
    """Everybody who asks, as one."""

    def __init__(self, say: Say) -> None:
        self._say = say
        with box("div", "node terminals"):
            text("b", "", say("map.terminals"))
            self._lines = [text("span", "") for _ in range(3)]

    def show(self, node: NodeView) -> None:
        alive = node.state is NodeState.UP
        known, lately, joined = self._lines
        known.text = self._say("map.known", count=f"{node.terminals_known:,}")
        lately.text = self._say("map.lately", count=figure(node.terminals if alive else None))
        joined.text = self._say("map.connections", count=figure(node.connections if alive else None))


class _Centre:
    """The node."""

    def __init__(self, say: Say) -> None:
        self._say = say
        with box("div", "node centre") as self.root:
            self._name = text("b", "")
            self._state = text("span", "state")
            self._lines = [text("span", "") for _ in range(3)]

    def show(self, node: NodeView) -> None:
        dress(self.root, f"node centre {node.state}")
        self._name.text = self._say("map.node", node=node.id)
        self._state.text = self._say(f"node.{node.state}")
        cpu, memory, disk = self._lines
        alive = node.state is NodeState.UP
        cpu.text = self._say(
            "map.cpu", share=figure(100 * node.cpu_share if alive else None), queue=node.queue
        )
        memory.text = self._say("map.memory", mib=figure(node.memory_bytes / 2**20 if alive else None))
        disk.text = self._say("map.disk", gib=figure(node.disk_free_bytes / 2**30 if alive else None, 1))
