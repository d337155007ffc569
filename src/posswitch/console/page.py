"""The page: its frame, its panels, and what passes between them; one for each language."""

import asyncio
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec
from fastapi import Request
from nicegui import ui

from posswitch.console import receipt
from posswitch.console.account import Teller, clock
from posswitch.console.city import order
from posswitch.console.panels.chart import MapPanel
from posswitch.console.panels.drill import DrillPanel
from posswitch.console.panels.incident import IncidentPanel
from posswitch.console.panels.receipt import ReceiptPanel, Story
from posswitch.console.panels.recent import RecentPanel
from posswitch.console.panels.sentence import SentencePanel, spoken
from posswitch.console.panels.sheet import Sheet
from posswitch.console.panels.speak import SpeakPanel
from posswitch.console.panels.tiles import TilesPanel
from posswitch.console.parts import box, button, dress, put, text
from posswitch.console.remedies import Button, Remedies
from posswitch.console.runner import Runner
from posswitch.console.scene import Scene, Sight
from posswitch.console.sessions import Session, Sessions
from posswitch.console.watch import Watch
from posswitch.console.words import LANGUAGES, Say, saying
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.shelf import read_incident
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config

HTML_LANGUAGES = {"zh": "zh-CN", "en": "en-US"}
_LATER = ("users", "four-eyes", "tickets")  # pages that come next: their place in the navigation
_STYLE = (files("posswitch.console") / "style.css").read_text(encoding="utf-8")
_THEME = """
<script>
(() => {
  const kept = localStorage.getItem("posswitch-theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
function posswitchTheme() {
  const now = document.documentElement.dataset.theme
    || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("posswitch-theme", next);
}
let posswitchSaid = "", posswitchAt = Date.now();
setInterval(() => {
  const said = document.querySelector(".clock")?.textContent ?? "";
  if (said !== posswitchSaid) { posswitchSaid = said; posswitchAt = Date.now(); }
  document.documentElement.classList.toggle("frozen", Date.now() - posswitchAt > 6000);
}, 1000);
const posswitchCalm = matchMedia("(prefers-reduced-motion: reduce)");
let posswitchGo = 0;
setInterval(() => {  // a few steps a second: an animation would cost a machine without graphics half a core
  if (document.hidden || posswitchCalm.matches) return;
  posswitchGo = (posswitchGo + 2.4) % 1e6;
  document.querySelector(".chart")?.style.setProperty("--go", -posswitchGo);
}, 250);
let posswitchSheet = false, posswitchBack = null;
new MutationObserver(() => {  // the keyboard follows the sheet, and goes back to where it came from
  const sheet = document.querySelector(".sheet"), open = sheet?.classList.contains("open") ?? false;
  if (open === posswitchSheet) return;
  posswitchSheet = open;
  if (!open) return posswitchBack?.focus();
  posswitchBack = document.activeElement;
  requestAnimationFrame(() => requestAnimationFrame(() => sheet.querySelector(".close").focus()));
}).observe(document, {subtree: true, attributes: true, attributeFilter: ["class"]});
addEventListener("keydown", (e) => {
  if (e.key === "Escape") document.querySelector(".sheet.open .close")?.click();
});
</script>
"""


class House(NamedTuple):
    """What all pages of a process share."""

    path: Path  # of the configuration
    config: Config
    clock: Clock
    watch: Watch
    sessions: Sessions
    runner: Runner


class Page:
    """One browser's page."""

    def __init__(self, house: House, lang: str, session: Session | None) -> None:
        self._house, self._lang, self._session = house, lang, session
        self._say: Say = saying(lang)
        remedies = Remedies(house.path, house.config)
        teller = Teller(self._say, lang, house.watch.registry)
        self._tone = ""
        self._client = ui.context.client
        ui.add_head_html(f"<style>{_STYLE}</style>{_THEME}")
        with box("div", "page"):
            self._frame()
            with box("main"):
                with box("div", "top"):
                    self._sentence = SentencePanel(self._say, lang)
                    ReceiptPanel(self._say, self.ask)
                self._tiles = TilesPanel(self._say, lang, remedies, self._open_tile)
                with box("div", "columns"):
                    with box("div", "stack wide"):
                        self._map = MapPanel(self._say, lang)
                        self._drill = DrillPanel(self._say, lang, self._order)
                        speak = SpeakPanel(self._say)
                    with box("div", "stack"):
                        self._incident = IncidentPanel(self._say, teller, self._steps, speak)
                        self._recent = RecentPanel(self._say, teller, self._incident.choose)
            put(text("p", "stands-still", self._say("bar.stands-still")), "role", "alert")
            self._sheet = Sheet(self._say, lang, remedies, house.runner)
        self._story = Story(self._say, lang, self.ask)
        panels = (self._sentence, self._tiles, self._map, self._drill, self._recent, self._incident)
        self._shows: tuple[Callable[[Scene], None], ...] = tuple(panel.show for panel in panels)

    def __repr__(self) -> str:
        return f"<page in {self._lang}>"

    def _frame(self) -> None:
        say = self._say
        with box("header", "bar"):
            with box("p", "mark"):
                text("b", "", "posswitch")
                text("span", "", say("bar.name"))
            with box("nav", "pages", aria_label=say("bar.pages")):
                text("a", "here", say("bar.overview")).props(f'href="/{self._lang}" aria-current=page')
                for name in _LATER:
                    with box("span", "later", title=say("bar.later")):
                        text("span", "", say(f"bar.{name}"))
            self._clock = text("span", "mono clock")
            self._sight = text("span", "sight")
            with box("nav", "languages", aria_label=say("bar.languages")):
                for lang in LANGUAGES:
                    here = "here" if lang == self._lang else ""
                    text("a", here, saying(lang)("bar.language")).props(f'href="/{lang}" lang={lang}')
            text("button", "plain", say("bar.theme")).props('type=button onclick="posswitchTheme()"')
            button(say("bar.leave"), "plain", self._leave)

    # What it shows

    def show(self, scene: Scene) -> None:
        """A new scene."""
        for show in self._shows:
            show(scene)
        self._clock.text = clock(scene.at_ns)
        diagnosis = scene.diagnosis
        sees = diagnosis.sight is Sight.SEES
        self._sight.text = self._say(f"sight.{diagnosis.sight}", seconds=f"{diagnosis.age_s:.0f}")
        dress(self._sight, "sight" if sees else "sight blind")
        tone = spoken(scene, self._say, self._lang).tone
        if tone != self._tone:
            self._tone = tone
            with self._client:
                ui.page_title(self._say(f"title.{tone}"))

    def _steps(self, number: int) -> Sequence[Incident]:
        try:
            found = read_incident(self._house.config.data, number)
        except (apsw.Error, msgspec.DecodeError, OSError):
            return ()
        return found[1] if found is not None else ()

    # What people do

    async def ask(self, said: str) -> None:
        """Somebody has typed from a receipt."""
        said = said.strip()
        if not said or not self._may():
            return
        told = await asyncio.to_thread(receipt.answer, said, self._house.config, self._house.clock)
        scene = self._house.watch.scene
        self._sheet.open(self._say("story.title"), lambda: self._story.write(told, scene))

    def _open_tile(self, tile: str, remedy: Button | None) -> None:
        scene = self._house.watch.scene
        if scene is not None and self._may():
            self._sheet.open_tile(tile, scene, remedy)
            numbers = scene.diagnosis.tiles.get(tile, (True, ()))[1]
            if numbers and remedy is None:
                self._incident.choose(numbers[0])

    async def _order(self, do: str, **more: object) -> dict[str, object]:
        return await order(self._house.config.data, do, **more) if self._may() else {}

    def _leave(self) -> None:
        if self._session is not None:
            self._house.sessions.end(self._session)
        ui.navigate.to("/")

    def _may(self) -> bool:
        """Whether the session still stands: its socket may outlive it by seconds."""
        return self._session is not None and self._house.sessions.stands(self._session)


def install(house: House) -> None:
    """Offers a page for each language."""
    for lang in LANGUAGES:
        _offer(house, lang)


def _offer(house: House, lang: str) -> None:
    @ui.page(f"/{lang}", title=saying(lang)("title.blind"), language=HTML_LANGUAGES[lang], dark=None)  # type: ignore[arg-type]
    def opened(request: Request) -> None:
        page = Page(house, lang, getattr(request.state, "session", None))
        page.show(house.watch.look())
        client = ui.context.client
        client.on_connect(lambda: house.watch.follow(page, page.show))
        client.on_disconnect(lambda: house.watch.leave(page))
        client.on_delete(lambda: house.watch.leave(page))
