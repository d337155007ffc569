"""The one sentence, and under it how much goes through."""

from typing import NamedTuple

from posswitch.console.account import clock
from posswitch.console.parts import Text, box, dress, figure, milliseconds, show, text
from posswitch.console.scene import NodeState, Scene, Sight
from posswitch.console.words import Say

WELL, ILL, BLIND = "well", "ill", "blind"
_BANKS_MAX = 3  # that are named in it


class Spoken(NamedTuple):
    """What is said, in which tone, and what has to be known about it."""

    tone: str
    sentence: str
    note: str = ""


def spoken(scene: Scene, say: Say, lang: str) -> Spoken:
    """The sentence of diagnosis; the screen's own where the node is dead, or diagnosis cannot be believed."""
    node, diagnosis = scene.node, scene.diagnosis
    seconds = f"{max(node.silent_s, 1):.0f}"
    if node.state is NodeState.NEVER:
        return Spoken(BLIND, say("sentence.no-node"), say("sentence.no-node-note"))
    if node.state is NodeState.GONE:
        return Spoken(ILL, say("sentence.gone"), say("sentence.gone-note", seconds=seconds))
    if node.state is NodeState.SILENT:
        return Spoken(ILL, say("sentence.silent", seconds=seconds), say("sentence.silent-note"))
    if scene.cut_off:
        names = [bank.name_en if lang == "en" else bank.name_zh for bank in scene.cut_off]
        banks = (", " if lang == "en" else "、").join(names[:_BANKS_MAX])
        return Spoken(ILL, say("sentence.cut-off", banks=banks), say("sentence.cut-off-note"))
    if diagnosis.sight is Sight.SEES:
        said = diagnosis.sentence_en if lang == "en" else diagnosis.sentence_zh
        return Spoken(
            WELL if diagnosis.well else ILL, said or say(f"sentence.{'well' if diagnosis.well else 'ill'}")
        )
    ailing = sum(link.state != "up" for bank in scene.banks for link in bank.links)
    links = sum(len(bank.links) for bank in scene.banks)
    note = say(f"sentence.{diagnosis.sight}-note", seconds=f"{diagnosis.age_s:.0f}")
    return Spoken(BLIND, say("sentence.blind", up=links - ailing, links=links), note)


class SentencePanel:
    """Shows it."""

    FIGURES = ("rate", "approved", "wait", "open", "reversals", "owner")

    def __init__(self, say: Say, lang: str) -> None:
        self._say, self._lang = say, lang
        with box("section", "sentence", aria_live="polite") as self.root:
            self._sentence = text("h1", "said")
            self._note = text("p", "note")
            with box("dl", "figures"):
                self._figures = {name: self._pair(say(f"figures.{name}")) for name in self.FIGURES}
            self._restart = text("p", "restart")

    def __repr__(self) -> str:
        return f"<sentence: {self._sentence.text}>"

    @staticmethod
    def _pair(name: str) -> Text:
        with box("div"):
            text("dt", "", name)
            return text("dd", "")

    def show(self, scene: Scene) -> None:
        """Says how it is now."""
        said, node = spoken(scene, self._say, self._lang), scene.node
        dress(self.root, f"sentence {said.tone}")
        self._sentence.text, self._note.text = said.sentence, said.note
        show(self._note, bool(said.note))
        alive = node.state is NodeState.UP
        share = None if node.approved_share is None else 100 * node.approved_share
        wait = f"{milliseconds(node.typical_ms)} / {milliseconds(node.late_ms)} ms"
        told = {
            "rate": f"{figure(node.per_s)}/s",
            "approved": f"{figure(share, 1)} %",
            "wait": wait,
            "open": figure(node.open_payments),
            "reversals": figure(node.open_reversals),
            "owner": figure(node.needs_owner),
        }
        for name, label in self._figures.items():
            label.text = told[name] if alive else "–"
            dress(label, "wrong" if alive and name == "owner" and node.needs_owner else "")
        restart = node.restart
        show(self._restart, restart is not None)
        if restart is not None:
            away = f"{restart.away_ns / 1e9:.1f}"
            self._restart.text = self._say("sentence.restarted", at=clock(restart.at_ns), seconds=away)
