"""Results that are kept in the data folder: whole or not at all, so many of a sort."""

import contextlib
import os
from pathlib import Path


def keep_one(data: Path, name: str, file_name: str, content: bytes, kept_max: int) -> None:
    """Writes a file into the folder `name` of a data folder; the oldest by their names leave."""
    folder = data / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _given_to_owner(folder, data)
    new = folder / "new"
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _given_to_owner(new, data)
    new.replace(folder / file_name)
    for old in sorted(folder.glob("*.json"))[:-kept_max]:
        with contextlib.suppress(OSError):
            old.unlink()


def _given_to_owner(path: Path, data: Path) -> None:
    """What root leaves in the data folder belongs to the node's account: it goes on there by itself."""
    if os.geteuid() == 0:
        owner = data.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
