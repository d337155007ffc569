"""The open incident: what, where, why and with which evidence, what was done, what is next."""

from collections.abc import Callable, Sequence

from posswitch.console.account import Account, Teller, is_over, lasted
from posswitch.console.panels.speak import SpeakPanel
from posswitch.console.parts import Text, box, button, dress, text
from posswitch.console.scene import Scene
from posswitch.console.words import Say
from posswitch.diagnose.incident import Incident

TABS_MAX, LINES_MAX = 6, 8
_GOOD, _BAD = frozenset({"worked"}), frozenset({"failed", "refused"})

Steps = Callable[[int], Sequence[Incident]]


class IncidentPanel:
    """Shows one incident, the most urgent open one unless a person has chosen another.

    A choice that is over gives way to what is open: whoever chose it while it was open wants to know what is
    wrong now, and whoever looked into the past is told of what has begun since.
    """

    def __init__(self, say: Say, teller: Teller, steps: Steps, speak: SpeakPanel) -> None:
        self._say, self._teller, self._steps, self._speak = say, teller, steps, speak
        self._chosen = 0
        self._past: frozenset[int] | None = None  # chosen when it was over: what was open then
        self._told: tuple[object, ...] = ()
        self._lines_told: list[tuple[str, str]] = []
        self._shown: tuple[object, ...] | None = None
        self._scene: Scene | None = None
        self._lasted: Text | None = None
        self._incident: Incident | None = None
        with box("section", "incident panel") as self.root:
            with box("header"):
                self._heading = text("h2", "", say("incident.title"))
                self._tabs = box("nav", "tabs", aria_label=say("incident.open"))
            self._body = box("div", "body")

    def __repr__(self) -> str:
        return f"<incident panel: {self._incident!r}>"

    def choose(self, number: int) -> None:
        """A person wants to see this one; 0: the most urgent again."""
        self._chosen, self._past = number, None
        if self._scene is None:
            return
        if any(one.number == number and not one.open for one in self._scene.incidents):
            self._past = frozenset(one.number for one in self._scene.incidents if one.open)
        self.show(self._scene)

    def show(self, scene: Scene) -> None:
        """Draws anew only when an incident has changed."""
        self._scene = scene
        open_ones = [one for one in scene.incidents if one.open]
        incident = self._choice(scene.incidents, open_ones) or next(iter(open_ones), None)
        shown = (incident, tuple(one.number for one in open_ones))
        if shown != self._shown:
            self._shown, self._incident = shown, incident
            self._draw_tabs(open_ones, incident)
            self._draw(incident)
        if self._lasted is not None and incident is not None:
            self._lasted.text = lasted(incident, scene.at_ns)

    def _choice(self, incidents: Sequence[Incident], open_ones: list[Incident]) -> Incident | None:
        """The incident that a person has chosen, while the choice holds."""
        chosen = next((one for one in incidents if one.number == self._chosen), None)
        if chosen is None or chosen.open:
            return chosen
        if any(self._past is None or one.number not in self._past for one in open_ones):
            self._chosen = 0
            return None
        return chosen

    def _timeline(self, incident: Incident) -> list[tuple[str, str]]:
        """Its steps are read again only when there is one more to tell."""
        told = (incident.number, incident.phase, incident.kind, incident.place, incident.deeds)
        if told != self._told:
            self._told, self._lines_told = told, self._teller.timeline(self._steps(incident.number))
        return self._lines_told

    def _draw_tabs(self, open_ones: list[Incident], incident: Incident | None) -> None:
        self._tabs.clear()
        with self._tabs:
            if len(open_ones) > 1 or (incident is not None and not incident.open):
                for one in open_ones[:TABS_MAX]:
                    here = " here" if incident is not None and one.number == incident.number else ""
                    button(f"#{one.number}", f"tab{here}", lambda number=one.number: self.choose(number))
            if len(open_ones) > TABS_MAX:
                text("span", "more", f"+{len(open_ones) - TABS_MAX}")

    def _draw(self, incident: Incident | None) -> None:
        self._body.clear()
        self._lasted = None
        dress(
            self.root,
            f"incident panel {'none' if incident is None else 'over' if is_over(incident) else 'open'}",
        )
        with self._body:
            if incident is None:
                text("p", "calm", self._say("incident.calm"))
                self._speak.draw(None, ())
                return
            account = self._teller.account(incident)
            self._head(incident, account)
            self._why(incident, account)
            self._deeds(account)
            self._speak.draw(account, self._timeline(incident))

    def _head(self, incident: Incident, account: Account) -> None:
        with box("div", "what"):
            with box("p", "tags"):
                text("span", "number", f"#{incident.number}")
                text("span", f"phase {incident.phase}", account.phase)
                if account.cause:
                    text("span", "cause", account.cause)
            text("h3", "", account.said.title)
            text("p", "where", account.said.sentence)
            with box("p", "measure"):
                text("span", "", self._say("incident.since", at=account.since))
                self._lasted = text("span", "")
                text("span", "", self._say("incident.affected", count=f"{incident.affected:,}"))
                if incident.answer_ms:
                    text("span", "", self._say("incident.answered", ms=f"{incident.answer_ms:,.0f}"))

    def _why(self, incident: Incident, account: Account) -> None:
        with box("div", "why"):
            text("h4", "", self._say("incident.why"))
            for title, probability in account.guesses:
                with box("div", "guess"):
                    text("span", "name", title)
                    with box("span", "bar"):
                        box("i").style(f"width: {100 * min(max(probability, 0), 1):.0f}%")
                    text("span", "mono", f"{probability:.0%}")
            self._lines("for", account.said.supports)
            self._lines("against", account.said.opposes)
            self._lines("changes", incident.changes)
            self._lines("ruled-out", account.said.ruled_out)

    def _lines(self, name: str, lines: Sequence[str]) -> None:
        if lines:
            with box("div", f"evidence {name}"):
                text("h5", "", self._say(f"incident.{name}"))
                with box("ul"):
                    for line in lines[:LINES_MAX]:
                        text("li", "", line)

    def _deeds(self, account: Account) -> None:
        with box("div", "deeds"):
            text("h4", "", self._say("incident.done"))
            for line, state in zip(account.said.done, account.states, strict=True):
                tone = "good" if state in _GOOD else "bad" if state in _BAD else ""
                text("p", f"deed {tone}", line)
            if not account.said.done:
                text("p", "note", self._say("incident.nothing-done"))
            text("h4", "", self._say("incident.next"))
            for line in account.said.next:
                text("p", "deed", line)
            with box("ol", "advice"):
                for line in account.said.operator:
                    text("li", "", line)
            for line in account.said.never:
                text("p", "never", line)
