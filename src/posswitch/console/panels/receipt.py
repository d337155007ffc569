"""What does the receipt say? A line to type into, and the story of what was typed."""

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from posswitch.base.codes import Code
from posswitch.base.moment import clock_text
from posswitch.codec.wording import Words
from posswitch.console.account import clock
from posswitch.console.parts import box, button, put, text
from posswitch.console.receipt import TEXT_CHARS_MAX, Told, said_of
from posswitch.console.scene import Scene
from posswitch.console.words import Say
from posswitch.office.why_evidence import Evidence, Outcome, Safe
from posswitch.office.why_find import Found
from posswitch.office.why_operator import outcome_words
from posswitch.office.why_words import amount_words, kind_words, said

_TONES = {Safe.SETTLED: "good", Safe.SETTLING: "wait", Safe.OPEN: "bad"}
_MESSAGE_ROWS_MAX = 10
_PLAIN = frozenset({Outcome.DECLINED, Outcome.REFUSED, Outcome.NOT_SENT})

Ask = Callable[[str], Awaitable[None]]


class ReceiptPanel:
    """The line; whatever is typed goes to `ask`."""

    def __init__(self, say: Say, ask: Ask) -> None:
        with box("section", "receipt"), box("form", "", autocomplete="off") as form:
            put(text("label", "", say("receipt.title")), "for", "receipt")
            with box("div", "line"):
                box(
                    "input", "", name="receipt", id="receipt", type="text", maxlength=TEXT_CHARS_MAX,
                    placeholder=say("receipt.placeholder"), spellcheck="false", enterkeyhint="search",
                )  # fmt: skip
                put(text("button", "strong", say("receipt.ask")), "type", "submit")
            text("p", "note", say("receipt.hint"))
        form.on(
            "submit",
            lambda event: ask(str(event.args)[:TEXT_CHARS_MAX]),
            js_handler="(e) => { e.preventDefault(); emit(new FormData(e.target).get('receipt')) }",
        )

    def __repr__(self) -> str:
        return "<receipt>"


class Story:
    """Writes what was found into the element that is open."""

    def __init__(self, say: Say, lang: str, ask: Ask) -> None:
        self._say, self._lang, self._ask = say, lang, ask

    def __repr__(self) -> str:
        return f"<story in {self._lang}>"

    def write(self, told: Told, scene: Scene | None) -> None:
        """The answer to one question."""
        asked, found = told.asked, told.found
        if told.problem:
            text("p", "wrong", told.problem)
        elif found is not None:
            self._found(found, told)
        elif asked.code:
            self._code(asked.code, told.code, scene)
        elif asked.stan:
            text("p", "", self._say("story.trace-alone", stan=asked.stan))
        else:
            text("p", "", self._say("story.not-understood"))
            text("p", "note", self._say("receipt.hint"))

    def _found(self, found: Found, told: Told) -> None:
        if len(found.payments) == 1:
            self._payment(found.payments[0])
        elif found.payments:
            self._choice(found.payments)
        else:
            self._nothing(found, told)

    def _payment(self, one: Evidence) -> None:
        tone = "" if one.outcome in _PLAIN else _TONES[one.safe]
        what = f"{self._in(kind_words(one.kind))} {self._in(amount_words(one.amount_minor, one.currency))}"
        text("p", f"big {tone}", f"{what} · {self._in(outcome_words(one.outcome))}")
        registers = {name: self._in(words) for name, words in said_of(one).items()}
        with box("dl", "facts"):
            for name in ("cashier", "customer"):
                self._fact(f"story.{name}", registers[name], "strong" if name == "cashier" else "")
        text("h4", "", self._say("story.operator"))
        self._lines(registers["operator"])
        if registers["bank"]:
            self._message(registers["bank"])

    @staticmethod
    def _lines(told: str) -> None:
        """What is set in is a step."""
        with box("div", "told"):
            for line in told.splitlines():
                text("p", "step" if line.startswith(" ") else "", line.strip())

    def _message(self, message: str) -> None:
        text("h4", "", self._say("story.bank"))
        label = self._say("story.bank")
        rows = min(message.count("\n") + 2, _MESSAGE_ROWS_MAX)
        put(box("textarea", "message", readonly=True, rows=rows, aria_label=label), "value", message)
        copied = text("span", "note")

        def copy() -> None:
            ui.clipboard.write(message)
            copied.text = self._say("incident.copied")

        with box("div", "line"):
            button(self._say("incident.copy"), "plain", copy)

    def _choice(self, payments: Sequence[Evidence]) -> None:
        text("p", "", self._in(said("find", "several", n=len(payments))))
        with box("div", "list"):
            for one in payments:
                with box("button", "entry", type="button") as row:
                    text("span", "mono", f"#{one.payment}")
                    text("span", "mono", clock(one.at_ns))
                    amount = self._in(amount_words(one.amount_minor, one.currency))
                    text("span", "name", f"{self._in(kind_words(one.kind))} {amount} · STAN {one.stan}")
                    text("span", _TONES[one.safe], self._in(outcome_words(one.outcome)))
                row.on("click", lambda number=one.payment: self._ask(f"#{number}"))

    def _nothing(self, found: Found, told: Told) -> None:
        for one in found.at_edge:
            at = clock_text(one.at_ns, fine=True)
            text("p", "", self._in(said("find", "edge", at=at, mti=one.mti, code=told.asked.code)))
        text("p", "strong", self._in(said("find", "none")))
        with box("ul", "checks"):
            for check in found.checks:
                text("li", "", self._in(check))
        if told.code is not None:
            self._rows_of(told.code)

    def _code(self, code: str, row: Code | None, scene: Scene | None) -> None:
        text("p", "big mono", code)
        if row is None:
            text("p", "", self._say("story.unknown-code"))
        else:
            self._rows_of(row)
        count = dict(scene.codes).get(code, 0) if scene is not None else 0
        text("p", "note", self._say("story.code-now", code=code, count=count))
        open_ones = [one for one in scene.incidents if one.open] if scene is not None else []
        if open_ones:
            text("p", "", self._say("story.see-incident", number=open_ones[0].number))

    def _rows_of(self, row: Code) -> None:
        zh = self._lang == "zh"
        with box("dl", "facts"):
            self._fact("story.meaning", row.meaning_zh if zh else row.meaning_en)
            self._fact("story.cause", row.cause_zh if zh else row.cause_en)
            self._fact("story.cashier", row.cashier_zh if zh else row.cashier_en, "strong")
            self._fact("story.operator", row.operator_zh if zh else row.operator_en)
            self._fact("story.retry", self._say(f"retry.{row.retry}"))

    def _fact(self, key: str, words: str, classes: str = "") -> None:
        text("dt", "", self._say(key))
        text("dd", classes, words)

    def _in(self, words: Words) -> str:
        return words.zh if self._lang == "zh" else words.en
