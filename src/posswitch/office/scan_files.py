"""The scan's look at files: who may read or write what the switch rests on, and the folders above."""

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from posswitch.office.scan_finding import Premises, Weakness, weak

_WRITE, _ANY = 0o022, 0o077
_IN_DATA = ("journal.db", "journal.db-wal", "journal.db-shm", "journal.head", "office.db", "vitals.db",
            "node.log", "bans.json", "firewall.nft", "scans")  # fmt: skip
_FORBIDDEN = {"configuration": _WRITE, "secret": _ANY, "key": _ANY, "data": _ANY, "archive": _ANY}


def rights(premises: Premises) -> Iterator[Weakness]:
    """Each file that there is, then every folder above it, once."""
    named = {"configuration": premises.path.resolve(), **premises.files}
    owners = {0, _owner(premises.files["data"]) or os.geteuid()}
    above: dict[Path, None] = {}
    looked = [(path, _FORBIDDEN[what]) for what, path in named.items()]
    looked += [(premises.files["data"] / name, _WRITE) for name in _IN_DATA]
    for path, forbidden in looked:
        yield from _file(path, forbidden, owners)
        above |= dict.fromkeys(path.parents)
    for folder in above:
        yield from _folder(folder, owners)


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


def _file(path: Path, forbidden: int, owners: set[int]) -> Iterator[Weakness]:
    try:
        found = path.stat()
    except OSError:  # not there, or not to be seen: other commands say so
        return
    mode = stat.S_IMODE(found.st_mode)
    if beyond := mode & forbidden:
        en, zh = ("change", "修改") if beyond & _WRITE else ("read", "读取")
        fix = f"chmod {mode & ~forbidden:o} {shlex.quote(str(path))}"
        yield weak("file-rights", path, fix, what=en, zh=zh)
    if found.st_uid not in owners:
        yield _owned("file-owner", path, found.st_uid, max(owners))


def _folder(folder: Path, owners: set[int]) -> Iterator[Weakness]:
    try:
        found = folder.stat()
    except OSError:
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & _WRITE and not mode & stat.S_ISVTX:
        yield weak("folder-rights", folder, f"chmod go-w {shlex.quote(str(folder))}")
    if found.st_uid not in owners:
        yield _owned("folder-owner", folder, found.st_uid, 0)


def _owned(name: str, path: Path, owner: int, wanted: int) -> Weakness:
    return weak(name, path, f"chown {wanted} {shlex.quote(str(path))}", what=_account(owner))


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
