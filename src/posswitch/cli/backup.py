"""backup and restore: the journal kept a second time, followed, rehearsed, and brought back."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import apsw
import msgspec
import typer

from posswitch.archive.backup import Backup, Written
from posswitch.archive.inspection import inspect
from posswitch.archive.reading import Sealed
from posswitch.archive.rehearsal import last_rehearsal_s, rehearse
from posswitch.archive.restore import Until, restore
from posswitch.archive.segment import Sealer
from posswitch.archive.shelf import Shelf
from posswitch.base.errors import ArchiveError, ConfigError, PosswitchError
from posswitch.base.moment import clock_text, of_iso
from posswitch.cli.options import AsJson, ConfigFile
from posswitch.crypto.vault import Vault
from posswitch.edge.process import SUPERVISOR
from posswitch.edge.start import journal_key
from posswitch.journal.chain import Chain
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config, load_config
from posswitch.settings.finding import counted
from posswitch.settings.handing import handed
from posswitch.settings.secret import read_secret

ARCHIVE_LABEL = "archive"  # the key of the segments is `Vault.derive` of it
PROGRAM = (sys.executable, "-m", "posswitch")
_LOOK_S = 0.5  # how soon a stop is seen
_NICE = 10  # payments first
_RETRY_S = 3600  # after a rehearsal that left no result


class _Keeper:
    """The node whose journal is kept, its keys, and the folder of its archive."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.clock = SystemClock()
        vault = Vault(read_secret(config.secret), self.clock.entropy)
        self.config = config
        self.key = journal_key(vault)
        self.shelf = Shelf(folder)
        self.sealed = Sealed(config.node, Sealer(vault.derive(ARCHIVE_LABEL), self.clock.entropy))

    def backup(self) -> Backup:
        """A backup that begins where the archive ends."""
        chain = Chain(self.key)
        return Backup(self.config.data, chain, self.shelf, self.sealed, self.clock.wall_ns)


def backup(
    config: ConfigFile,
    to: Annotated[
        Path | None, typer.Option(help="The archive's folder; without it that of the configuration.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="From the first record on: only into a new folder.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until stopped.")] = False,
    every: Annotated[
        int | None, typer.Option(min=1, max=3600, help="Seconds between looks while following.")
    ] = None,
    rehearsal: Annotated[
        bool, typer.Option("--rehearse", help="Restore the archive aside and verify it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Keep the journal a second time, sealed: all of it, then what is new; also beside a running switch."""
    settings = load_config(config, serve=False)
    folder = _folder(settings, to)
    if folder.resolve().is_relative_to(settings.data.resolve()):
        raise ConfigError(f"{folder}: lies in the data folder that it keeps; name one on another disk")
    keeper = _Keeper(settings, folder)
    if rehearsal:
        _rehearse(keeper, as_json)
        return
    keeper.shelf.create()
    if full and keeper.shelf.spans():
        raise ArchiveError(f"{keeper.shelf.folder}: holds a backup already; name a new folder for a full one")
    with keeper.shelf.locked():
        if follow:
            plan = settings.backup
            _follow(keeper, config, every or (plan.every_s if plan else 10), as_json)
        else:
            _say(keeper.backup().run(), as_json)


def _folder(settings: Config, to: Path | None) -> Path:
    if to is not None:
        return to
    if settings.backup is None:
        raise ConfigError("no folder for the backup; give --to DIR, or [backup] to in the configuration")
    return settings.backup.to


def _follow(keeper: _Keeper, config: Path, every_s: int, as_json: bool) -> None:
    """Looks again and again; what goes wrong after the first look is said once and tried again."""
    os.nice(_NICE)
    stop = _Stop()
    running = keeper.backup()
    _say(running.run(), as_json)
    rehearsals = _Rehearsals(keeper, config)
    trouble, going_on = "", True
    while going_on:
        going_on = stop.wait(every_s)
        try:
            written = running.run()  # at the end, too: the switch has written its last records
        except (PosswitchError, OSError) as error:
            running = keeper.backup()  # begins again where the archive ends
            if str(error) != trouble:
                print(f"posswitch: {error}", file=sys.stderr, flush=True)
            trouble = str(error)
            continue
        trouble = ""
        if written.records or written.office:
            _say(written, as_json)
        if going_on:
            rehearsals.look()
    rehearsals.end()


class _Rehearsals:
    """Rehearses when it is time, in a process of its own; one that never ends well is not tried all day."""

    def __init__(self, keeper: _Keeper, config: Path) -> None:
        folder, plan = keeper.shelf.folder, keeper.config.backup
        self._folder = folder
        self._secret = keeper.config.secret
        self._pause_s = plan.rehearse_hours * 3600 if plan else None
        self._words = (*PROGRAM, "backup", "-c", str(config), "--to", str(folder), "--rehearse")
        self._running: subprocess.Popen[bytes] | None = None
        self._tried_s = 0.0

    def look(self) -> None:
        """Begins one when the last is long ago."""
        now_s = time.time()
        if self._pause_s is None or (self._running is not None and self._running.poll() is None):
            return
        last_s = max(last_rehearsal_s(self._folder), self._tried_s - self._pause_s + _RETRY_S)
        if not last_s <= now_s < last_s + self._pause_s:
            self._tried_s = now_s
            with handed(self._secret) as given:
                self._running = subprocess.Popen(self._words, stdout=sys.stderr, **given)  # noqa: S603 - ours

    def end(self) -> None:
        """Ends one that is running; what it built is swept by the next."""
        if self._running is not None and self._running.poll() is None:
            self._running.kill()
            self._running.wait()


class _Stop:
    """SIGTERM, SIGINT, or the end of the supervisor that started this process."""

    def __init__(self) -> None:
        self._asked = False
        self._supervisor = os.environ.get(SUPERVISOR)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def _hear(self, _number: int, _frame: object) -> None:
        self._asked = True

    def wait(self, seconds: float) -> bool:
        """Waits; False when it is time to end."""
        end = time.monotonic() + seconds
        while not self._over() and time.monotonic() < end:
            time.sleep(min(_LOOK_S, seconds))
        return not self._over()

    def _over(self) -> bool:
        orphaned = self._supervisor is not None and str(os.getppid()) != self._supervisor
        return self._asked or orphaned


def _say(written: Written, as_json: bool) -> None:
    if as_json:
        print(json.dumps(msgspec.structs.asdict(written)), flush=True)
        return
    at = f" of {clock_text(written.at_ns)}" if written.at_ns else ""
    office = f", office.db version {written.office}" if written.office else ""
    size = f"{written.bytes} bytes in {counted(written.segments, 'segment')}"
    print(f"{counted(written.records, 'record')} up to {written.last}{at}, {size}{office}", flush=True)


def _rehearse(keeper: _Keeper, as_json: bool) -> None:
    result = rehearse(keeper.shelf, keeper.sealed, keeper.key, keeper.clock.wall_ns())
    print(json.dumps(result, ensure_ascii=False) if as_json else _rehearsed(result))
    raise typer.Exit(0 if result["ok"] else 1)


def _rehearsed(result: dict[str, Any]) -> str:
    if not result["ok"]:
        return f"the rehearsal failed: {result['why']}"
    return (
        f"restored and verified: {counted(result['records'], 'record')} up to {result['position']}, "
        f"{result['open']} payments open, {result['seconds']} s"
    )


def restore_(
    config: ConfigFile,
    source: Annotated[Path | None, typer.Option("--from", help="The archive's folder.")] = None,
    at: Annotated[str, typer.Option(help="The last moment: 2026-09-21T14:03:05+08:00.")] = "",
    record: Annotated[int | None, typer.Option(min=1, help="The last record.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make the journal anew from an archive, in a data folder that has none; nothing is ever overwritten."""
    if at and record is not None:
        raise ConfigError("give --at or --record, not both")
    settings = load_config(config, serve=False)
    keeper = _Keeper(settings, _folder(settings, source))
    began = time.monotonic()
    until, now_ns = Until(record, _moment(at)), keeper.clock.wall_ns()
    restored = restore(keeper.shelf, keeper.sealed, keeper.key, settings.data, until, now_ns)
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        print(json.dumps({**msgspec.structs.asdict(restored), "seconds": seconds}))
        return
    office = f", office.db version {restored.office}" if restored.office else ""
    end = f"{restored.last} of {clock_text(restored.at_ns)}"
    print(
        f"restored and verified: {counted(restored.records, 'record')} up to {end}, "
        f"{counted(restored.open, 'open payment')} given to owners{office}, {seconds} s"
    )
    if restored.open:
        print(f"next: posswitch unknowns -c {config}")
    if at or record is not None:
        print("next: a new folder for its backup; the old one goes on where this journal does not")


def foreseen_of_backup(settings: Config) -> str:
    """Why the configured backup would not go on from its archive, or empty."""
    if settings.backup is None or not settings.backup.to.is_dir():
        return ""
    try:
        _Keeper(settings, settings.backup.to).backup().foresee()
    except ArchiveError as error:
        return str(error)
    except (PosswitchError, apsw.Error):
        return ""  # of the secret or the journal: said elsewhere
    return ""


def _moment(text: str) -> int | None:
    try:
        return of_iso(text) if text else None
    except ValueError:
        raise ConfigError(f"--at {text[:40]}: is no time; write it as 2026-09-21T14:03:05+08:00") from None


def verify_archive(settings: Config, folder: Path) -> int:
    """Looks at an archive by itself; prints what it finds, returns the exit code."""
    keeper = _Keeper(settings, folder)
    seen = inspect(keeper.shelf, keeper.sealed, Chain(keeper.key))
    for finding in seen.findings:
        print(finding)
    if not seen.findings:
        office = f", office.db version {seen.office}" if seen.office else ""
        segments = counted(seen.segments, "segment")
        left_out = seen.last - seen.records
        gap = f"; {left_out:,} numbers were left out by restores" if left_out else ""
        print(f"ok: records 1 to {seen.last} in {segments}, up to {clock_text(seen.at_ns)}{office}{gap}")
    return 1 if seen.findings else 0
