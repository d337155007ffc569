"""The program `posswitch`: its commands, its exit codes (0 fine, 1 found something wrong, 2 used wrongly)."""

import io
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TextIO

import typer

from posswitch import __version__
from posswitch.base.errors import PosswitchError
from posswitch.cli import backup, batches, bench, check, peers, recorded, sim, switch, unknowns, words
from posswitch.cli.capacity import capacity
from posswitch.cli.card import card
from posswitch.cli.console import console
from posswitch.cli.drill import drill
from posswitch.cli.firewall import firewall
from posswitch.cli.guards import guards
from posswitch.cli.incidents import incident, incidents
from posswitch.cli.inspect import inspect
from posswitch.cli.keys import keys
from posswitch.cli.limits import limits
from posswitch.cli.logs import logs
from posswitch.cli.ping import ping
from posswitch.cli.registry import registry
from posswitch.cli.route import route
from posswitch.cli.scan import scan
from posswitch.cli.secret import secret
from posswitch.cli.support_bundle import support_bundle
from posswitch.cli.why import why
from posswitch.settings.handing import take_handed

_UNREAD = 128 + signal.SIGPIPE  # as of a program that its closed pipe has ended

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
app.command("backup")(backup.backup)
app.command("restore")(backup.restore_)
app.command("check")(check.check)
app.command("scan")(scan)
app.command("guards")(guards)
app.command("incidents")(incidents)
app.command("incident")(incident)
app.command("inspect")(inspect)
app.command("logs")(logs)
app.command("support-bundle")(support_bundle)
app.command("capacity")(capacity)
app.command("ping")(ping)
app.command("console")(console)
app.command("batches")(batches.batches)
app.command("unknowns")(unknowns.unknowns)
app.command("why")(why)
app.command("decode")(words.decode)
app.command("diff")(recorded.diff)
app.command("convert")(recorded.convert)
app.command("fit")(recorded.fit)
app.command("explain")(words.explain)
app.command("bench")(bench.bench)
app.command("sim")(sim.sim)
app.command("drill")(drill)
app.command("sim-bank")(peers.sim_bank)
app.command("sim-terminal")(peers.sim_terminal)
app.add_typer(registry)
app.add_typer(keys)
app.add_typer(card)
app.add_typer(limits)
app.add_typer(route)
app.add_typer(secret)
app.add_typer(firewall)


def main() -> None:
    """Runs the program; every expected error is one line on standard error and exit code 2."""
    _have_streams()
    out = sys.stdout
    try:
        try:
            take_handed()
            app()
        finally:
            out.flush()  # what nobody reads any more is found here, whatever ended the command
    except (BrokenPipeError, SystemExit) as ended:
        if isinstance(ended, SystemExit) and not isinstance(ended.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # Python flushes once more at its end
        sys.exit(_UNREAD)
    except (PosswitchError, OSError) as error:
        if os.environ.get("POSSWITCH_DEBUG"):
            traceback.print_exc()
        print(f"posswitch: {_said(error)}", file=sys.stderr)
        if isinstance(error, OSError):  # what is left in a stream that cannot be written is not tried again
            sys.stdout = _nowhere()
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _said(error: Exception) -> str:
    """What a person can use: of the system's errors the file and the reason, without a number."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; give another file or folder"
    return str(error)


def _have_streams() -> None:
    """Closed standard streams lead nowhere, and no character is beyond a terminal's encoding."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")
