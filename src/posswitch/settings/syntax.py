"""From the bytes of a file to TOML's values, or where it stops being TOML and what is likely the cause."""

import re
import stat
import tomllib
from pathlib import Path as File
from typing import Any, NamedTuple

from posswitch.base.errors import ConfigError
from posswitch.settings.finding import ERROR, Finding, one_line

CONFIG_BYTES_MAX = 8 << 20  # tens of thousands of terminals

# What the line looks like, what tomllib says about it, the remedy; the first row that fits both.
_CAUSES = [
    ("", "declare .* twice|redefine", "the table stands twice; join the two, or write [[…]] for a list"),
    ("", "overwrite|Duplicate|mutate", "a key or table stands twice; remove one, or write [[…]] for a list"),
    (r"\[\[[^\]]*\]?\s*(#|$)", "Expected", "close the heading with ]]"),
    (r"\[[^\]]*(#|$)", "Expected", "close the heading with ]"),
    (r"[^=]*＝", "", "write = in ASCII, not in full width"),
    (r"\S+\s*:", "'='|statement", "write = between key and value, not a colon"),
    (r"[^=]*(#|$)", "'='", "write key = value"),
    (r".*[“”‘’「」]", "", "write straight quotes, not typographic ones"),
    ("", r"Unescaped|hex value|Unicode scalar", "write \\\\ for a backslash, or the text between ' quotes"),
    ("", r"character '\\n'|Unterminated|Expected [\"']+$", "close the text with its quote (\" or ')"),
    (
        "",
        "Illegal|invalid character",
        "remove the control character (a tab or others), or write it as an escape",
    ),
    ("", "Unclosed array", "put commas between the items and close the list with ]"),
    ("", "Unclosed inline", "put commas between the pairs and close the braces with }, all on one line"),
    (r"[^=]*=\s*(#|$)", "value", "write a value after ="),
    (r"[^=]*=\s*[+-]?0[0-9]", "value|Expected newline", "put the number between quotes: it begins with 0"),
    (r"[^=]*=\s*(True|False|TRUE|FALSE)\b", "value", "write true or false in small letters"),
    (
        r"[^=]*=\s*[^\s\"'\[{]",
        "value|Expected newline",
        "put the text between quotes, or remove what follows",
    ),
    (
        "",
        "after a statement",
        "one key = value on each line: remove what follows, or put it on the next line",
    ),
    ("", "date or time", "put it between quotes if it is a text, or correct the date"),
    ("", "value", "put the text between quotes"),
    ("", "statement|key part", "a line is a [table], a key = value, or a # comment"),
    ("", "", "correct the line"),
]
_BAD_LINES_MAX = 20
_GOES_ON = r"Unclosed|Unterminated|Expected [\"']+$"  # what begins on a line and does not end there
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Read(NamedTuple):
    """A file: its bytes, its text and its values, and the findings that keep it from being TOML."""

    raw: bytes
    text: str = ""
    values: dict[str, Any] = {}  # noqa: RUF012 - never changed
    findings: tuple[Finding, ...] = ()
    readable: bool = True  # as a whole, or without the lines that are no TOML


def read_toml(path: File) -> Read:
    """Reads a file; raises ConfigError when there is none to read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path}: cannot be read (not a file); give a configuration file")
        with path.open("rb") as file:
            raw = file.read(CONFIG_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise ConfigError(f"{path}: cannot be read ({reason}); give a configuration file") from None
    if len(raw) > CONFIG_BYTES_MAX:
        return _unread(raw, 1, 1, f"larger than {CONFIG_BYTES_MAX >> 20} MiB", "give a configuration file")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line_start = raw.rfind(b"\n", 0, error.start) + 1
        line, column = raw.count(b"\n", 0, error.start) + 1, len(raw[line_start : error.start].decode()) + 1
        return _unread(raw, line, column, f"not UTF-8 at byte {error.start}", "save the file as UTF-8")
    return _parsed(raw, text)


def _parsed(raw: bytes, text: str) -> Read:
    if text.startswith("\ufeff"):
        return _unread(raw, 1, 1, "begins with a byte order mark", "save the file as UTF-8 without BOM")
    lines = text.split("\n")
    findings: list[Finding] = []
    while True:
        rest = "\n".join(lines)
        try:
            return Read(raw, rest, tomllib.loads(rest), tuple(findings))
        except tomllib.TOMLDecodeError as error:
            line, column, what, remedy = _explained(rest, str(error))
            findings.append(Finding(line, column, ERROR, "", what, remedy))
            if len(findings) == _BAD_LINES_MAX or not _alone(lines[line - 1], what):
                return Read(raw, text, {}, tuple(findings), readable=False)
            lines[line - 1] = ""  # and on with the rest
        except RecursionError:
            return _unread(raw, 1, 1, "nested too deeply to be a configuration", "remove the inner brackets")
        except ValueError:  # int() of thousands of digits
            return _unread(raw, *_longest_number(text), "not TOML: a number too long", "shorten the number")


def _alone(line: str, what: str) -> bool:
    """Whether a bad line can be left out without changing what the others mean."""
    words = line.strip()
    return words != "" and words[0] not in "[]{}" and not re.search(_GOES_ON, what)


def _explained(text: str, said: str) -> tuple[int, int, str, str]:
    """Line, column, what and remedy of what tomllib said; a text without end is told where it began."""
    place = _PLACE.search(said)
    reason = said[: place.start()] if place else said
    lines = text.split("\n")
    if place and place[1]:
        line, column = int(place[1]), int(place[2])
    else:
        opened = max(text.rfind('"""'), text.rfind("'''"))
        start = opened if opened >= 0 and text.count("\n", opened) else len(text.rstrip("\n"))
        line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
    words = lines[line - 1].strip()
    remedy = next(
        remedy for looks, says, remedy in _CAUSES if re.match(looks, words) and re.search(says, reason)
    )
    return line, max(column, 1), f"not TOML: {one_line(reason)[:120]}", remedy


def _longest_number(text: str) -> tuple[int, int]:
    number = max(re.finditer(r"[0-9_]+", text), key=lambda match: len(match[0]), default=None)
    start = number.start() if number else 0
    return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)


def _unread(raw: bytes, line: int, column: int, what: str, remedy: str) -> Read:
    return Read(raw, findings=(Finding(line, column, ERROR, "", what, remedy),), readable=False)
