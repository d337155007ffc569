"""Runs the program in this process and says how it ended."""

import sys
from typing import NamedTuple

from posswitch.cli.main import main


class Ended(NamedTuple):
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


def posswitch(capsys, *words: str) -> Ended:
    """`posswitch WORDS`."""
    before, sys.argv = sys.argv, ["posswitch", *map(str, words)]
    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.argv = before
    said = capsys.readouterr()
    return Ended(code if isinstance(code, int) else 0, said.out, said.err)


def one_line(text: str) -> bool:
    """An error is one line, without a trace."""
    return text.count("\n") == 1 and text.startswith("posswitch: ") and "Traceback" not in text
