"""Ten tiles: five faults and five questions, each well or not, with its first remedy as a button."""

from collections.abc import Callable

from posswitch.console.parts import box, button, dress, put, text
from posswitch.console.remedies import Button, Remedies
from posswitch.console.scene import NUMBERED, NodeState, Scene, Sight
from posswitch.console.words import Say
from posswitch.diagnose.phrases import TILES

OpenTile = Callable[[str, Button | None], None]


class _Tile:
    """One of them."""

    def __init__(self, number: str, name: str, say: Say, lang: str, opened: OpenTile) -> None:
        self._say, self._name, self._opened = say, name, opened
        self.remedy: Button | None = None
        with box("article", "tile", data_tile=name) as self.root:
            with box("button", "face", type="button") as face:
                text("span", "number", number)
                text("span", "name", TILES[name].say("name", lang))
                self._state = text("span", "state")
            face.on("click", lambda: opened(name, None))
            self._remedy = button("", "remedy", self._press)

    def _press(self) -> None:
        self._opened(self._name, self.remedy)

    def show(self, state: str, incidents: tuple[int, ...], remedy: Button) -> None:
        dress(self.root, f"tile {state}")
        self._state.text = self._say(f"tile-state.{state}") + "".join(
            f" #{number}" for number in incidents[:2]
        )
        self.remedy = remedy
        about = f" {remedy.about}" if remedy.about else ""
        self._remedy.text = f"{self._say(f'remedy.{remedy.label}')}{about}"
        put(self._remedy, "title", "posswitch " + " ".join(remedy.words))


class TilesPanel:
    """All ten."""

    def __init__(self, say: Say, lang: str, remedies: Remedies, opened: OpenTile) -> None:
        self._lang, self._remedies = lang, remedies
        with box("section", "tiles", aria_label=say("tiles.title")):
            self._tiles = {name: _Tile(number, name, say, lang, opened) for number, name in NUMBERED}

    def __repr__(self) -> str:
        return f"<{len(self._tiles)} tiles>"

    def show(self, scene: Scene) -> None:
        """Well, ill, or unknown where diagnosis does not see."""
        for name, tile in self._tiles.items():
            state, numbers = state_of(name, scene)
            tile.show(state, numbers, self._remedies.first(name, scene, self._lang))


def state_of(name: str, scene: Scene) -> tuple[str, tuple[int, ...]]:
    """How a tile looks, and the incidents that it is about; without a node only its absence is known."""
    if scene.node.state is not NodeState.UP:
        dead = name == "faults" and scene.node.state is not NodeState.NEVER
        return "ill" if dead else "unknown", ()
    told = scene.diagnosis.tiles.get(name)
    if told is None or scene.diagnosis.sight is not Sight.SEES:
        return "unknown", ()
    if name == "network" and scene.cut_off:
        return "ill", ()
    well, numbers = told
    return "well" if well else "ill", numbers
