"""Building blocks of the page: plain HTML and SVG elements that tell the browser only what has changed."""

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

Handler = Callable[..., Any]

STATE_MARKS = {"up": "●", "probed": "◐", "fenced": "◌", "down": "✕", "unknown": "?"}  # not by colour alone


class Text(TextElement):
    """An element with a text of its own; setting what stands already sends nothing."""

    def __init__(self, tag: str, classes: str = "", text: str = "") -> None:
        super().__init__(tag=tag, text=text)
        self.classes(classes)


def box(tag: str, classes: str = "", **attributes: object) -> ui.element:
    """An element around others; `_` in names of attributes stands for `-`."""
    element = ui.element(tag).classes(classes)
    for name, value in attributes.items():
        put(element, name.rstrip("_").replace("_", "-"), value)
    return element


def text(tag: str, classes: str, said: str = "") -> Text:
    """An element that says something."""
    return Text(tag, classes, said)


def button(label: str, classes: str, pressed: Handler, **attributes: object) -> Text:
    """A button; `pressed` takes nothing and may be a coroutine function."""
    made = Text("button", classes, label)
    put(made, "type", "button")
    for name, value in attributes.items():
        put(made, name.replace("_", "-"), value)
    made.on("click", pressed)
    return made


def put(element: ui.element, name: str, value: object) -> None:
    """Sets an attribute; None takes it away."""
    if value is None:
        if name in element.props:
            del element.props[name]
    elif element.props.get(name) != value:
        element.props[name] = value


def dress(element: ui.element, classes: str) -> None:
    """Gives it these classes and no others."""
    if element.classes != classes.split():
        element.classes(replace=classes)


def show(element: ui.element, wanted: bool) -> None:
    """Shows or hides it."""
    put(element, "hidden", None if wanted else True)


def figure(value: float | None, digits: int = 0) -> str:
    """A number for people; a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def milliseconds(value: float | None) -> str:
    """A short time: one decimal below ten."""
    return figure(value, 1 if value is not None and value < 10 else 0)


def spark(counts: tuple[int, ...], width: int, height: int) -> str:
    """The points of a small line over the last minute, scaled to its highest."""
    top = max(counts, default=0) or 1
    step = width / max(len(counts) - 1, 1)
    return " ".join(
        f"{place * step:.1f},{height - 1 - (height - 2) * count / top:.1f}"
        for place, count in enumerate(counts)
    )
