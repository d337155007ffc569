"""Where in a TOML text each table and key stands: what tomllib knows and does not tell."""

import re
import tomllib
from bisect import bisect_left
from contextlib import suppress
from typing import NamedTuple

Path = tuple[str | int, ...]  # tables, numbers of rows, keys, from the outside in

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANKS = re.compile(r"[ \t]*")
_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_SCALAR = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|[^\s,\]}#\[{][^,\]}#\n]*",
    re.DOTALL,
)


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


class Places:
    """The places of a text; where the scan is lost or tomllib would be, the nearest table answers."""

    def __init__(self, text: str) -> None:
        text = text.replace("\r\n", "\n")
        self._ends = [match.start() for match in re.finditer("\n", text)]
        scan = _Scan(text)
        with suppress(_Lost, tomllib.TOMLDecodeError, RecursionError):  # what was found so far stands
            scan.document()
        self._found = scan.found

    def __repr__(self) -> str:
        return f"<places of {len(self._found)} tables and keys>"

    def of(self, path: Path) -> Place:
        """Where a table or key stands, else what it is part of, else the beginning."""
        for size in range(len(path), 0, -1):
            if path[:size] in self._found:
                return self.at(self._found[path[:size]])
        return Place(1, 1)

    def at(self, offset: int) -> Place:
        """The place of a character."""
        line = bisect_left(self._ends, offset)
        return Place(line + 1, offset - (self._ends[line - 1] + 1 if line else 0) + 1)


class _Lost(Exception):
    """Not the TOML that tomllib has read."""


class _Scan:
    """One pass over the text; `found` maps paths to the offset of their first mention."""

    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._rows: dict[Path, int] = {}  # arrays of tables → rows so far

    def document(self) -> None:
        """Reads headings and pairs to the end."""
        table: Path = ()
        while self._skip(_GAP) < len(self._text):
            if self._text[self._at] == "[":
                table = self._heading()
            else:
                self._pair(table)

    def _heading(self) -> Path:
        start = self._at
        brackets = 2 if self._text.startswith("[[", start) else 1
        self._at += brackets
        *outer, last = self._key()
        self._skip(_BLANKS)
        self._take("]" * brackets)
        path: Path = ()
        for part in outer:
            path += (part,)
            self._note(path, start)
            if path in self._rows:
                path += (self._rows[path] - 1,)
        path += (last,)
        self._note(path, start)
        if brackets == 2:
            row = self._rows.get(path, 0)
            self._rows[path] = row + 1
            path += (row,)
            self._note(path, start)
        return path

    def _pair(self, table: Path) -> None:
        start = self._at
        path = table
        for part in self._key():
            path += (part,)
            self._note(path, start)
        self._skip(_BLANKS)
        self._take("=")
        self._skip(_BLANKS)
        self._value(path)

    def _key(self) -> list[str]:
        parts = []
        self._skip(_BLANKS)
        while True:
            word = self._match(_KEY)
            parts.append(tomllib.loads(f"key = {word}")["key"] if word[0] in "\"'" else word)
            if not self._skipped(_DOT):
                return parts

    def _value(self, path: Path) -> None:
        if self._text.startswith("[", self._at):
            self._array(path)
        elif self._text.startswith("{", self._at):
            self._inline(path)
        else:
            self._match(_SCALAR)

    def _array(self, path: Path) -> None:
        self._take("[")
        item = 0
        while not self._closes("]"):
            self._note((*path, item), self._at)
            self._value((*path, item))
            item += 1
            self._skip(_GAP)
            self._comma("]")

    def _inline(self, path: Path) -> None:
        self._take("{")
        while not self._closes("}"):
            self._pair(path)
            self._skip(_GAP)
            self._comma("}")

    def _closes(self, bracket: str) -> bool:
        if self._text.startswith(bracket, self._skip(_GAP)):
            self._at += 1
            return True
        return False

    def _comma(self, or_else: str) -> None:
        if not self._text.startswith(or_else, self._at):
            self._take(",")

    def _note(self, path: Path, offset: int) -> None:
        self.found.setdefault(path, offset)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        self._skipped(pattern)
        return self._at

    def _skipped(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match is not None

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _Lost
        self._at = match.end()
        return match[0]

    def _take(self, word: str) -> None:
        if not self._text.startswith(word, self._at):
            raise _Lost
        self._at += len(word)
