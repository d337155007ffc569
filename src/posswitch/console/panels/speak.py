"""What is said to whom about the incident that is shown: cashier, customer, bank, carrier; and its steps."""

from collections.abc import Sequence

from nicegui import ui
from nicegui.events import GenericEventArguments

from posswitch.console.account import Account
from posswitch.console.parts import box, button, put, show, text
from posswitch.console.words import Say


class SpeakPanel:
    """Not there without an incident."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._unfolded = False  # the message, across what is drawn anew
        with box("section", "speak panel") as self.root:
            with box("header"):
                text("h2", "", say("incident.speak"))
            self._body = box("div", "halves")

    def __repr__(self) -> str:
        return "<what is said to whom>"

    def draw(self, account: Account | None, timeline: Sequence[tuple[str, str]]) -> None:
        """Everything anew."""
        self._body.clear()
        show(self.root, account is not None)
        if account is not None:
            with self._body:
                with box("div"):
                    self._words(account)
                    if account.said.bank:
                        self._message(account)
                with box("div"):
                    self._timeline(timeline)

    def _words(self, account: Account) -> None:
        lines = {
            "cashier": account.said.cashier,
            "customer": account.said.customer,
            "known": account.said.known,
        }
        with box("dl", "facts"):
            for name, line in lines.items():
                if line:
                    text("dt", "", self._say(f"incident.{name}"))
                    text("dd", "", line)

    def _message(self, account: Account) -> None:
        with box("details", "contact", open=True if self._unfolded else None) as details:
            with box("summary"):
                text("h4", "", self._say("incident.contact"))
                text("span", "", account.contact or self._say("incident.no-contact"))
            label = self._say("incident.contact")
            put(
                box("textarea", "message", readonly=True, rows=7, aria_label=label),
                "value",
                account.said.bank,
            )
            copied = text("span", "note")

            def copy() -> None:
                ui.clipboard.write(account.said.bank)
                copied.text = self._say("incident.copied")

            button(self._say("incident.copy"), "plain", copy)
        details.on("toggle", self._toggled, js_handler="(e) => emit(e.target.open)")

    def _toggled(self, event: GenericEventArguments) -> None:
        self._unfolded = event.args is True

    def _timeline(self, lines: Sequence[tuple[str, str]]) -> None:
        text("h4", "", self._say("incident.timeline"))
        with box("ol", "timeline"):
            for at, line in lines:
                with box("li"):
                    text("span", "mono", at)
                    text("span", "", line)
