"""Labels: what a test has done with a payment, read from a file beside its line."""

from pathlib import Path
from typing import NamedTuple

from scenario_lines import Line, read_line

from posswitch.office.why_evidence import Decider, Outcome, Retry


class Label(NamedTuple):
    """One payment of a line (`place` -1: the last of its kind), and what must be said of it."""

    kind: str
    place: int
    outcome: Outcome
    decided: Decider
    retry: Retry


class Labelled(NamedTuple):
    """A line and the labels of its payments."""

    line: Line
    labels: tuple[Label, ...]


def read_labelled(path: Path) -> list[Labelled]:
    """Every line of a file with its labels."""
    found = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if raw.strip() and not raw.startswith("#"):
            text, _, labels = raw.partition("=>")
            line = read_line(text.strip(), f"{path.name}:{number}")
            found.append(Labelled(line, tuple(_label(part.split()) for part in labels.split(","))))
    return found


def _label(words: list[str]) -> Label:
    kind, *place, says = words
    outcome, decided, retry = says.split("/")
    return Label(kind, int(place[0]) - 1 if place else -1, Outcome(outcome), Decider(decided), Retry(retry))
