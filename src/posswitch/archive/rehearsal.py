"""A rehearsal: the archive is restored beside itself, judged, removed, and the result kept as a file."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from posswitch.archive.aside import aside
from posswitch.archive.reading import Sealed
from posswitch.archive.restore import Until, rebuilt
from posswitch.archive.shelf import Shelf
from posswitch.base.errors import ArchiveError, PosswitchError
from posswitch.base.moment import clock_text
from posswitch.journal.verify import verify

RESULT = "rehearsal.json"
_PREFIX = ".rehearsal-"
_GROWTH = 8  # a journal takes up to so many times the bytes of its segments


def rehearse(shelf: Shelf, sealed: Sealed, key: bytes, at_ns: int) -> dict[str, Any]:
    """Restores into a folder on the archive's own disk, verifies as `verify` does, and says how it went."""
    began = time.monotonic()
    result: dict[str, Any] = {"at": clock_text(at_ns), "ok": False, "why": "", "records": 0, "position": ""}
    try:
        _need_room(shelf)
        with aside(shelf.folder, _PREFIX) as folder:
            restored = rebuilt(shelf, sealed, key, folder, Until())
            findings = verify(folder, key, sealed.node)
        result |= {"records": restored.records, "position": clock_text(restored.at_ns), "open": restored.open}
        result |= {"ok": not findings, "why": "; ".join(findings[:5])}
    except (PosswitchError, OSError) as error:
        result["why"] = str(error)
    result["seconds"] = round(time.monotonic() - began, 1)
    shelf.note(RESULT, json.dumps(result, ensure_ascii=False) + "\n")
    return result


def _need_room(shelf: Shelf) -> None:
    needed = _GROWTH * sum(shelf.size(span.name) for span in shelf.spans())
    free = shutil.disk_usage(shelf.folder).free
    if free < needed:
        raise ArchiveError(
            f"{shelf.folder}: a rehearsal needs {needed >> 20} MiB, {free >> 20} are free; make room"
        )


def last_rehearsal_s(folder: Path) -> float:
    """Seconds since the epoch of the last result, 0 when there is none."""
    try:
        return (folder / RESULT).stat(follow_symlinks=False).st_mtime
    except OSError:
        return 0.0
