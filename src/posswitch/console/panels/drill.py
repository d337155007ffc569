"""Drills on a demonstration's city: pull a cable, plug it in, kill the node; not there without a city."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from posswitch.console.city import CityRefused
from posswitch.console.parts import Text, box, button, dress, put, show, text
from posswitch.console.scene import BankView, Scene
from posswitch.console.words import Say

BANKS_MAX = 12
WHOLE = 0  # in the place of a link: all of a bank's
_SURE_S = 4.0  # between the two presses that kill

Order = Callable[..., Awaitable[dict[str, Any]]]


class DrillPanel:
    """Buttons for each bank, and one for the node."""

    def __init__(self, say: Say, lang: str, order: Order) -> None:
        self._say, self._lang, self._order = say, lang, order
        self._shape: tuple[str, ...] = ()
        self._pulls: dict[tuple[str, int], Text] = {}
        self._pulled: set[tuple[str, int]] = set()
        self._orders = 0  # that began or ended: what was asked before one of them is no news after it
        self._asked_at = 0.0
        self._asking = False
        self._armed_at = 0.0
        with box("section", "drill panel") as self.root:
            with box("header"):
                text("h2", "", say("drill.title"))
                text("span", "note", say("drill.note"))
            self._banks = box("div", "cables")
            with box("div", "line"):
                self._kill = button(say("drill.kill"), "danger", self._press_kill, data_drill="kill")
                self._said = text("span", "note")

    def __repr__(self) -> str:
        return f"<drill panel, {len(self._pulled)} cables pulled>"

    def show(self, scene: Scene) -> None:
        """Only where a city takes orders."""
        show(self.root, scene.city)
        if not scene.city:
            return
        banks = scene.banks[:BANKS_MAX]
        shape = tuple(f"{bank.id}/{len(bank.links)}" for bank in banks)
        if shape != self._shape:
            self._shape = shape
            self._draw(banks)
        if self._armed_at and time.monotonic() - self._armed_at > _SURE_S:
            self._disarm()
        if not self._asking and time.monotonic() - self._asked_at > 2.0:
            self._asking = True
            asyncio.create_task(self._ask_state())  # noqa: RUF006 - it ends by itself, and only once at a time

    def _draw(self, banks: tuple[BankView, ...]) -> None:
        self._banks.clear()
        self._pulls.clear()
        with self._banks:
            for bank in banks:
                with box("div", "cable"):
                    text("b", "", bank.name_en if self._lang == "en" else bank.name_zh)
                    for link in (WHOLE, *(link.number for link in bank.links)):
                        made = button("", "plain", lambda bank=bank.id, link=link: self._turn(bank, link))
                        put(made, "data-drill", f"{bank.id}/{link or 'all'}")
                        self._pulls[bank.id, link] = made
        self._label()

    def _label(self) -> None:
        for (bank, link), made in self._pulls.items():
            out = self._is_out(bank, link)
            what = "plug" if out else "pull"
            made.text = (
                self._say(f"drill.{what}-all") if link == WHOLE else self._say(f"drill.{what}", link=link)
            )
            dress(made, "plain out" if out else "plain")

    def _links(self, bank: str, link: int) -> set[tuple[str, int]]:
        """One link, or all of a bank's."""
        return {key for key in self._pulls if key[0] == bank and key[1] != WHOLE and link in (WHOLE, key[1])}

    def _is_out(self, bank: str, link: int) -> bool:
        return self._links(bank, link) <= self._pulled

    async def _turn(self, bank: str, link: int) -> None:
        """Pulls what is whole, plugs in what is out."""
        do = "plug" if self._is_out(bank, link) else "pull"
        self._orders += 1
        try:
            await self._order(do, bank=bank, link=None if link == WHOLE else link - 1)
        except CityRefused as refused:
            self._said.text = str(refused)
            return
        finally:
            self._orders += 1
        keys = self._links(bank, link)
        self._pulled = self._pulled | keys if do == "pull" else self._pulled - keys
        self._said.text = self._say(f"drill.done-{do}")
        self._label()

    async def _press_kill(self) -> None:
        """The second press within a few seconds kills."""
        if not self._armed_at:
            self._armed_at = time.monotonic()
            self._kill.text = self._say("drill.sure")
            return
        self._disarm()
        try:
            await self._order("kill")
            self._said.text = self._say("drill.done-kill")
        except CityRefused as refused:
            self._said.text = str(refused)

    def _disarm(self) -> None:
        self._armed_at = 0.0
        self._kill.text = self._say("drill.kill")

    async def _ask_state(self) -> None:
        """What is pulled, whoever pulled it; not believed where an order came between question and answer."""
        orders = self._orders
        try:
            said = await self._order("state")
            if orders == self._orders:
                self._pulled = _pulled(said)
                self._label()
        except (CityRefused, RuntimeError):  # gone, or its browser is
            pass
        finally:
            self._asked_at, self._asking = time.monotonic(), False


def _pulled(said: dict[str, Any]) -> set[tuple[str, int]]:
    """The links whose cable is not whole, the first of a bank is 1; what is of another form is left out."""
    found = set()
    for bank in said.get("banks", ()):
        for index, link in enumerate(bank.get("links", ())):
            if link.get("cable", "whole") != "whole":
                found.add((str(bank.get("id")), index + 1))
    return found
