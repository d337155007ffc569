"""The node's look into office.db: read-only, bounded, and never in the way of a payment."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from posswitch.base.order import CHANGE_BYTES_MAX, OFFICE, order_fits, read_change
from posswitch.base.registry import Change

ORDERS_LABEL = "orders"  # the key of their MAC is `Vault.derive` of it
CHANGES_PER_POLL_MAX = 8
BYTES_PER_POLL_MAX = 4 * CHANGE_BYTES_MAX
_BUSY_MS = 200
_STEPS_MAX = 1_000_000  # of SQLite's machine; a full poll takes a few hundred

_READ = "SELECT seq, id, body, mac FROM orders WHERE seq > ? ORDER BY seq LIMIT ?"
_LAST = "SELECT seq FROM orders WHERE seq = ?"


class OrderBox:
    """What the office has ordered and the node has not applied yet; for one helper thread.

    What goes wrong is counted in `counts` and said in `problem` (one line, empty while all is well), never
    raised: a node runs without an office.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._path = folder / OFFICE
        self._key = key
        self.counts: Counter[str] = Counter()
        self.problem = ""

    def __repr__(self) -> str:
        return f"<orders: {self.problem or 'fine'}>"

    def poll(self, after_version: int) -> list[Change]:
        """The next changes after a version, ascending by 1; those behind an order that is wrong wait."""
        self.problem = ""
        changes: list[Change] = []
        try:
            for change in self._changes(after_version):
                changes.append(change)
        except _Waits as waits:
            self._report(waits.reason, str(waits))
        except (apsw.BusyError, apsw.LockedError):
            self._report("locked", "locked by another program; read again at the next look")
        except (apsw.Error, OSError):
            self._report("damaged", "cannot be read; run posswitch registry check")
        self.counts["orders-read"] += len(changes)
        return changes

    def _changes(self, version: int) -> Iterator[Change]:
        size = 0
        for seq, order, body, mac in self._rows(version):
            size += len(body) if isinstance(body, bytes) else 0
            if size > BYTES_PER_POLL_MAX:
                return
            version += 1
            yield self._checked(version, seq, order, body, mac)

    def _rows(self, version: int) -> list[tuple[Any, ...]]:
        """The rows after a version as they are found, closed again before they are judged."""
        if not self._path.exists():
            if not version:  # nothing was ever ordered
                return []
            raise _Waits("missing", "not there; the node runs on with what it has")
        with contextlib.closing(apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            db.set_busy_timeout(_BUSY_MS)
            db.set_progress_handler(lambda: True, _STEPS_MAX)  # a file that would keep us is damaged
            db.limit(apsw.SQLITE_LIMIT_LENGTH, 2 * CHANGE_BYTES_MAX)
            rows = db.execute(_READ, (version, CHANGES_PER_POLL_MAX)).fetchall()
            last = rows or db.execute(_LAST, (version,)).fetchall()
        if not rows and not last and version:
            raise _Waits(
                "behind", f"has no version {version}, which this node has; bring back the newest office.db"
            )
        return rows

    def _checked(self, expected: int, seq: object, order: object, body: object, mac: object) -> Change:
        """The change of a row when it is the next one that the office signed."""
        if seq != expected:
            raise _Waits("gap", f"order {expected} is missing; run posswitch registry check")
        if not order_fits(self._key, expected, order, body, mac):
            raise _Waits(
                "forged",
                f"the signature of order {seq} does not fit, it and all after it wait; "
                "find out who wrote it, then bring back the newest good copy",
            )
        assert isinstance(body, bytes)
        change = read_change(body)
        if change is None or change.version != seq:
            raise _Waits("unreadable", f"order {seq} is of another release; upgrade the node")
        return change

    def _report(self, reason: str, what: str) -> None:
        self.counts[f"orders-{reason}"] += 1
        self.problem = f"{OFFICE}: {what}"


class _Waits(Exception):
    """Why orders wait: a reason to count, a line to say."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason
