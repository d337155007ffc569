"""Recent incidents, the open ones first; one of them can be chosen."""

from collections.abc import Callable

from posswitch.console.account import Teller, clock, is_over, lasted
from posswitch.console.parts import box, text
from posswitch.console.scene import Scene
from posswitch.console.words import Say

RECENT_MAX = 14


class RecentPanel:
    """A row each."""

    def __init__(self, say: Say, teller: Teller, chosen: Callable[[int], None]) -> None:
        self._say, self._teller, self._chosen = say, teller, chosen
        self._shown: object = None
        with box("section", "recent panel"):
            with box("header"):
                text("h2", "", say("recent.title"))
            self._list = box("div", "list")

    def __repr__(self) -> str:
        return "<recent incidents>"

    def show(self, scene: Scene) -> None:
        """Draws anew only when one has changed."""
        incidents = scene.incidents[:RECENT_MAX]
        shown = tuple((one.number, one.changed_ns, one.phase) for one in incidents)
        if shown == self._shown:
            return
        self._shown = shown
        self._list.clear()
        with self._list:
            if not incidents:
                text("p", "note", self._say("recent.none"))
            for one in incidents:
                over = " over" if is_over(one) else ""
                with box("button", f"entry{over}", type="button", data_incident=one.number) as row:
                    text("span", "mono", f"#{one.number}")
                    text("span", "mono", clock(one.since_ns))
                    text("span", "name", self._teller.title(one))
                    text("span", "mono", lasted(one, one.closed_ns) if one.closed_ns else "")
                    text("span", f"phase {one.phase}", self._teller.phase(one))
                row.on("click", lambda number=one.number: self._chosen(number))
