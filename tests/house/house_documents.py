"""What documents promise: the commands, options, make targets and links that a reader would try."""

import re
import shlex
from collections.abc import Iterator
from itertools import dropwhile, groupby
from pathlib import Path
from typing import Any

from house_rules import ROOT

_BLOCK = re.compile(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\[[^\]\n]*\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
_END = frozenset({"|", "||", "&&", ";", "&"})
_BEFORE = re.compile(r"\$|sudo|time|exec|\w+=.*")  # may stand before a program


def documents() -> list[Path]:
    """Every Markdown file at the top and under docs/."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def calls(text: str, program: str) -> list[list[str]]:
    """The arguments of every call of `program` in shell blocks and inline code of a document."""
    lines = [line for block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    begins = re.compile(rf"(\S*/)?{program}\s")
    spans = [span for span in _INLINE.findall(text) if begins.match(span)]
    return [words for line in [*lines, *spans] for words in _calls(line, program)]


def _calls(line: str, program: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    for ends, words in groupby(lexer, key=_END.__contains__):
        if not ends:
            name, *arguments = [*dropwhile(_BEFORE.fullmatch, words), ""]
            if name.rpartition("/")[2] == program:
                yield arguments[:-1]


def broken_calls(text: str, root: Any) -> list[str]:
    """Every documented `posswitch` command or option that is not in the command tree under `root`."""
    return [wrong for words in calls(text, "posswitch") for wrong in _wrong(words, root)]


def _wrong(words: list[str], command: Any) -> Iterator[str]:
    known, is_value = _options(command), False
    for word in words:
        name, _, value = word.strip("[]").partition("=")
        if is_value:
            is_value = False
        elif re.match(r"--?[a-zA-Z]", name):
            if name not in known:
                yield f"{' '.join(words)}: no option {name}"
            is_value = not value and hasattr(command, "commands") and name in _valued(command)
        elif subcommands := getattr(command, "commands", None):
            if name not in subcommands:
                yield f"{' '.join(words)}: no command {name}"
                return
            command = subcommands[name]
            known = _options(command)


def _options(command: Any) -> set[str]:
    return {"--help", *(name for option in command.params for name in (*option.opts, *option.secondary_opts))}


def _valued(command: Any) -> set[str]:
    """The options after which a value stands."""
    return {name for option in command.params if not getattr(option, "is_flag", True) for name in option.opts}


def broken_targets(text: str, targets: list[str]) -> list[str]:
    """Every documented make target that the Makefile does not have."""
    words = [word for call in calls(text, "make") for word in call]
    return [word for word in words if "=" not in word and not word.startswith("-") and word not in targets]


def broken_links(text: str, folder: Path) -> list[str]:
    """Every relative link of a document in `folder` that leads to no file."""
    paths = [link.partition("#")[0] for link in _LINK.findall(text) if not re.match(r"[a-z]+:", link)]
    return [path for path in paths if path and not (folder / path).exists()]
