"""Rooms are pure where they must be, small, and named after what they hold."""

import ast
from pathlib import Path

import pytest
from house_rules import (
    FUNCTION_LINES_MAX,
    PURE_PACKAGES,
    ROOM_LINES_MAX,
    SOURCE,
    impurities,
    oversizes,
    rooms,
    vague_parts,
)


def _breaches(check):
    return [f"{path.relative_to(SOURCE)} {what}" for path in rooms() for what in check(path)]


def test_levels_0_to_3_are_pure():
    def check(path: Path):
        package = path.relative_to(SOURCE).parts[0]
        return impurities(ast.parse(path.read_text()), package) if package in PURE_PACKAGES else []

    assert _breaches(check) == []


@pytest.mark.parametrize(
    "planted",
    [
        "import time",
        "import os.path",
        "from random import choice",
        "from asyncio import sleep",
        "import socket as s",
        "import secrets, uuid",
        "def f():\n    import time",
        "text = open('x').read()",
        "at = datetime.now()",
        "async def f(): ...",
        "async def f():\n    await g()",
        "for x in {1, 2}: ...",
        "for x in set(y): ...",
        "a = [x for x in frozenset(y)]",
        "a = ''.join({x for x in y})",
        "a = list(set(y))",
        "a = [*{1, 2}]",
        "A = frozenset('ab')\nfor x in A: ...",
        "A: frozenset[str] = f()\nb = tuple(A)",
        "def f(a: set[int]):\n    for x in a: ...",
        "for x in set(a) - set(b): ...",
    ],
)
def test_purity_bites(planted):
    assert impurities(ast.parse(planted))


@pytest.mark.parametrize(
    "fine",
    [
        "for x in sorted({1, 2}): ...",
        "found = x in {1, 2}",
        "for x in [1, 2]: ...",
        "from importlib.resources import files\nt = (files('a') / 'b').read_text()",
        "from datetime import datetime\nat = datetime.fromtimestamp(1)",
    ],
)
def test_purity_lets_pure_rooms_be(fine):
    assert impurities(ast.parse(fine)) == []


def test_rooms_are_small_and_say_their_purpose():
    def check(path: Path):
        source = path.read_text()
        return oversizes(ast.parse(source), source)

    assert _breaches(check) == []


@pytest.mark.parametrize(
    "planted",
    [
        "",
        "x = 1\n",
        '# first\n"""Late purpose."""\n',
        '"""\nPurpose on the second line."""\n',
        '"""Purpose."""\n' + "x = 1\n" * ROOM_LINES_MAX,
        '"""Purpose."""\ndef f():\n' + "    x = 1\n" * FUNCTION_LINES_MAX,
    ],
)
def test_room_size_bites(planted):
    assert oversizes(ast.parse(planted), planted)


def test_room_size_lets_small_rooms_be():
    source = '"""Purpose."""\n\n\ndef f() -> int:\n    return 1\n'
    assert oversizes(ast.parse(source), source) == []


def test_rooms_are_named_after_what_they_hold():
    assert _breaches(lambda path: vague_parts(path.relative_to(SOURCE))) == []


@pytest.mark.parametrize("planted", ["base/utils.py", "edge/common/link.py", "engine/key_manager.py"])
def test_names_bite(planted):
    assert vague_parts(Path(planted))
