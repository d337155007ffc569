"""The room on the journal's disk: with little, nothing new is begun and what was begun can be finished."""

from pathlib import Path

import structlog

from posswitch.base.bounds import DISK_AGAIN, DISK_LOW_BYTES, DISK_LOW_SHARE
from posswitch.journal.disk import Disk

log = structlog.get_logger()


class Headroom:
    """Looks when asked; a disk that cannot be asked counts as it did before."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        self.free_bytes = 0
        self.low = False

    def __repr__(self) -> str:
        return f"<headroom {self.free_bytes >> 20} MiB{', low' if self.low else ''}>"

    def look(self) -> None:
        """Notes how much is free; low ends only well above the mark."""
        try:
            self.free_bytes, whole_bytes = self._disk.space(self._folder)
        except OSError:
            return
        mark = mark_bytes(whole_bytes)
        low = self.free_bytes < (mark * DISK_AGAIN if self.low else mark)
        if low != self.low:
            self.low = low
            log.warning("disk", low=low, free_mib=self.free_bytes >> 20, mark_mib=mark >> 20)


def mark_bytes(whole_bytes: int) -> int:
    """With less than this free, of a disk of so many bytes, no new payment is taken."""
    return min(DISK_LOW_BYTES, int(whole_bytes * DISK_LOW_SHARE))
