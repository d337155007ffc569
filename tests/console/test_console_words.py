"""Every text of the screen is in the table, in both languages; the table has nothing that nobody says."""

import ast
import re
import string
from pathlib import Path

import pytest

import posswitch.console
from posswitch.base.codes import RETRIES
from posswitch.base.errors import PosswitchError
from posswitch.console.remedies import REMEDIES
from posswitch.console.scene import LinkState, NodeState, Sight
from posswitch.console.words import LANGUAGES, TEXTS, chosen, saying
from posswitch.diagnose.incident import Phase

CONSOLE = Path(posswitch.console.__file__).parent
CHINESE = re.compile(r"[\u3400-\u9fff]")
# Keys that code puts together: everything that can stand behind the dot.
FAMILIES = {
    "phase": tuple(Phase),
    "node": tuple(NodeState),
    "link": (*LinkState, "waiting"),
    "sight": tuple(Sight),
    "title": ("well", "ill", "blind"),
    "tile-state": ("well", "ill", "unknown"),
    "remedy": tuple(sorted({one.label for row in REMEDIES.values() for one in row})),
    "figures": ("rate", "approved", "wait", "open", "reversals", "owner"),
    "bar": (
        "name", "pages", "overview", "users", "four-eyes", "tickets", "later", "language", "theme", "leave",
    ),
    "door": ("no-session", "bad-key", "wrong-host", "wrong-origin", "no-page", "welcome"),
}  # fmt: skip


def said_in_code():
    """Keys that stand in the rooms of the console as they are, and beginnings of those put together."""
    whole, begun = set(), set()
    for path in CONSOLE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in TEXTS:
                whole.add(node.value)
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                first = node.args[0]
                if name in ("say", "_say") and isinstance(first, ast.Constant) and "." in first.value:
                    whole.add(first.value)
                if name == "_named" and isinstance(first, ast.Constant):
                    begun.add(f"{first.value}.")
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                begun |= (
                    {node.values[0].value}
                    if re.fullmatch(r"[a-z-]+\.[a-z-]*", node.values[0].value)
                    else set()
                )
    return whole, begun


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_stands_in_both_languages_with_the_same_values(key):
    zh, en = TEXTS[key]
    assert zh.strip() and en.strip() and zh == zh.strip() and en == en.strip()
    holes = [sorted(name for _, name, _, _ in string.Formatter().parse(text) if name) for text in (zh, en)]
    assert holes[0] == holes[1]
    assert not CHINESE.search(en) or key == "bar.language"
    assert CHINESE.search(zh) or not re.search("[a-z]", re.sub(r"\{\w+\}", "", en))


def test_every_key_that_code_says_is_there():
    whole, _ = said_in_code()
    assert whole
    assert not [key for key in whole if key not in TEXTS]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_complete(family):
    assert not [name for name in FAMILIES[family] if f"{family}.{name}" not in TEXTS]


def test_nothing_is_in_the_table_that_nobody_says():
    whole, begun = said_in_code()
    assert not [key for key in TEXTS if key not in whole and not key.startswith(tuple(begun))]


def test_no_room_of_the_console_says_chinese_of_its_own():
    speaking = []
    for path in CONSOLE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CHINESE.search(node.value):
                speaking.append(f"{path.name}:{node.lineno}")
    assert not speaking


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_text_is_filled(lang):
    assert "7" in saying(lang)("sentence.silent", seconds="7")
    assert "{" not in saying(lang)("sentence.well")
    with pytest.raises(KeyError):
        saying(lang)("no.such.key")


def test_a_language_that_is_not_known():
    with pytest.raises(PosswitchError, match="zh or en"):
        saying("de")


@pytest.mark.parametrize(
    ("header", "lang"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh;q=0.5", "en"),
        ("fr-FR, en;q=0.3, zh-TW;q=0.4", "zh"),
        ("fr", "zh"),
        ("", "zh"),
        ("en;q=nonsense, zh;q=0", "zh"),
        ("EN-gb", "en"),
        ("," * 10_000 + "en", "zh"),
    ],
)
def test_the_browser_is_asked_for_its_language(header, lang):
    assert chosen(header) == lang


def test_every_code_says_whether_it_may_be_tried_again():
    assert all(f"retry.{name}" in TEXTS for name in RETRIES)
