"""The sheet at the side: a tile's remedies and what they print, or a payment's story."""

import shlex
from collections.abc import Callable

from posswitch.base.errors import PosswitchError
from posswitch.console.parts import box, button, dress, show, text
from posswitch.console.remedies import Button, Remedies
from posswitch.console.runner import Run, Runner
from posswitch.console.scene import Scene
from posswitch.console.words import Say
from posswitch.diagnose.phrases import TILES


class Sheet:
    """Opens over the page, closes again; one thing at a time."""

    def __init__(self, say: Say, lang: str, remedies: Remedies, runner: Runner) -> None:
        self._say, self._lang, self._remedies, self._runner = say, lang, remedies, runner
        self._run: Run | None = None
        with box("aside", "sheet", role="dialog", aria_label=say("sheet.title")) as self.root:
            with box("header"):
                self._title = text("h2", "")
                button(say("sheet.close"), "plain close", self.close)
            self._body = box("div", "body")

    def __repr__(self) -> str:
        return f"<sheet: {self._title.text}>"

    def close(self) -> None:
        """Away with it; what runs is ended."""
        self._end_run()
        dress(self.root, "sheet")

    def open(self, title: str, write: Callable[[], None]) -> None:
        """Shows what `write` writes."""
        self._end_run()
        self._title.text = title
        self._body.clear()
        with self._body:
            write()
        dress(self.root, "sheet open")

    def open_tile(self, tile: str, scene: Scene, remedy: Button | None) -> None:
        """What is demanded, what can be done, and its output; `remedy` is run at once."""
        buttons = self._remedies.buttons(tile, scene, self._lang)
        self.open(TILES[tile].say("name", self._lang), lambda: self._write_tile(tile, buttons, scene))
        if remedy is not None:
            self._start(remedy)

    def _write_tile(self, tile: str, buttons: list[Button], scene: Scene) -> None:
        text("p", "", TILES[tile].say("covers", self._lang))
        told = scene.diagnosis.tiles.get(tile)
        if told is not None and told[1]:
            text("p", "wrong", self._say("sheet.incidents", numbers=" ".join(f"#{one}" for one in told[1])))
        with box("div", "remedies"):
            for one in buttons:
                label = self._say(f"remedy.{one.label}")
                button(f"{label} {one.about}".strip(), "plain", lambda one=one: self._start(one))
        with box("div", "output") as self._output:
            self._command = text("code", "command")
            with box("div", "line"):
                self._state = text("span", "note")
                self._stop = button(self._say("sheet.stop"), "plain", self._end_run)
            self._printed = text("pre", "")
        show(self._output, False)

    def _start(self, remedy: Button) -> None:
        self._end_run()
        show(self._output, True)
        self._command.text = "$ posswitch " + shlex.join(remedy.words)
        self._printed.text = ""
        try:
            self._run = self._runner.start(remedy.words, self._told)
            self._told(self._run)
        except PosswitchError as error:
            self._state.text = str(error)

    def _told(self, run: Run) -> None:
        """New output; of a run that nobody looks at any more it is not shown."""
        if run is not self._run or self.root.is_deleted:
            return
        self._printed.text = run.output + (f"\n{self._say('sheet.cut')}" if run.cut else "")
        self._state.text = self._how(run)
        dress(self._state, "note" if run.going or run.code == 0 else "note doubt")
        show(self._stop, run.going)

    def _how(self, run: Run) -> str:
        seconds = f"{run.seconds:.1f}"
        if run.going:
            return self._say("sheet.runs", seconds=seconds)
        if run.why:
            return self._say(f"sheet.{run.why}", seconds=seconds)
        known = {0: "sheet.fine", 1: "sheet.found"}
        return self._say(
            known.get(run.code if run.code is not None else 2, "sheet.failed"), code=run.code, seconds=seconds
        )

    def _end_run(self) -> None:
        if self._run is not None:
            self._run.stop()
