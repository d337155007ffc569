"""The program `posswitch`: its commands, its exit codes (0 fine, 1 found something wrong, 2 used wrongly)."""

import os
import sys
import traceback

import typer

from posswitch import __version__
from posswitch.base.errors import PosswitchError
from posswitch.cli import bench, switch, words

app = typer.Typer(
    name="posswitch",
    help="A POS switching centre (POS 交换中心).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"posswitch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: bool = typer.Option(False, "--debug", help="Show a trace with an error."),
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    if debug:
        os.environ["POSSWITCH_DEBUG"] = "1"


app.command("run")(switch.run)
app.command("demo")(switch.demo)
app.command("verify")(switch.verify)
app.command("decode")(words.decode)
app.command("explain")(words.explain)
app.command("bench")(bench.bench)


def main() -> None:
    """Runs the program; every expected error is one line on standard error and exit code 2."""
    try:
        app()
    except PosswitchError as error:
        if os.environ.get("POSSWITCH_DEBUG"):
            traceback.print_exc()
        print(f"posswitch: {error}", file=sys.stderr)
        sys.exit(2)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(130)
