"""Measures the journal and its backup: appending, recovering, verifying, keeping, restoring."""

import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from posswitch.archive.backup import Backup
from posswitch.archive.reading import Sealed
from posswitch.archive.restore import Until, restore
from posswitch.archive.segment import Sealer
from posswitch.archive.shelf import Shelf
from posswitch.journal.chain import Chain
from posswitch.journal.layout import DATABASE
from posswitch.journal.recovery import look
from posswitch.journal.verify import verify
from posswitch.settings.clock import SystemClock
from posswitch.sim.bench_codec import yardstick_us
from posswitch.sim.busy_days import BusyDays

_NODE, _KEY = "1", bytes(range(32))


def run(quick: bool, seed: int) -> dict[str, Any]:
    """The figures; µs, records a second, bytes. Two records a purchase."""
    purchases = 10_000 if quick else 100_000
    with tempfile.TemporaryDirectory(prefix="posswitch-bench-") as place:
        return _measured(Path(place), purchases, seed)


def _measured(place: Path, purchases: int, seed: int) -> dict[str, Any]:
    data, clock = place / "data", SystemClock()
    shelf, sealed = Shelf(place / "archive"), Sealed(_NODE, Sealer(_KEY, clock.entropy))
    yardstick = yardstick_us()
    figures: dict[str, Any] = {
        f"append_us_batch_{batch}": _appended(place / f"batch-{batch}", purchases // 10, batch, seed)
        for batch in (1, 64)
    }
    figures["append_us_batch_256"] = _appended(data, purchases, 256, seed)
    records = 2 * purchases + 1

    def backup() -> None:
        shelf.create()
        with shelf.locked():
            written = Backup(data, Chain(_KEY), shelf, sealed, clock.wall_ns).run()
        assert written.records == records

    figures |= _timed("backup", records, backup)
    figures["archive_bytes_per_record"] = round(sum(map(shelf.size, _names(shelf))) / records)
    figures |= _timed("verify", records, lambda: _none(verify(data, _KEY, _NODE)))
    into, now_ns = place / "restored", clock.wall_ns()
    figures |= _timed("restore", records, lambda: restore(shelf, sealed, _KEY, into, Until(), now_ns))
    _forget_snapshots(data)
    figures |= _timed("recovery", records, lambda: look(data, _KEY, _NODE))
    return {**figures, "records": records, "pyiso8583_us": yardstick or 0.0}


def _appended(data: Path, purchases: int, batch: int, seed: int) -> float:
    """µs a record for begin, append and commit; the disk's sync is in it."""
    days = BusyDays(data, _KEY, _NODE, seed)
    days.write(purchases, batch)
    days.close()
    if batch < 256:
        shutil.rmtree(data)
    return round(days.spent_ns / 1000 / (2 * purchases), 2)


def _timed(name: str, records: int, work: Callable[[], object]) -> dict[str, float]:
    """Records a second, and the CPU µs of one in all processes together."""
    began, cpu_began = time.perf_counter(), _cpu_s()
    work()
    return {
        f"{name}_records_per_s": round(records / (time.perf_counter() - began)),
        f"{name}_cpu_us": round((_cpu_s() - cpu_began) * 1e6 / records, 1),
    }


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _none(findings: list[str]) -> None:
    assert findings == [], findings


def _names(shelf: Shelf) -> list[str]:
    return [span.name for span in shelf.spans()]


def _forget_snapshots(data: Path) -> None:
    """So that a recovery folds every record."""
    db = apsw.Connection(str(data / DATABASE))
    db.execute("DELETE FROM snapshot")
    db.close()
