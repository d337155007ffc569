"""What a configuration needs around it: secret, keys that it opens, dialect files, a folder, an address."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path as File
from typing import NamedTuple

import posswitch
from posswitch.base.errors import CodecError, ConfigError, CryptoError, SecretShut
from posswitch.codec import BUILT_IN, Dialect, Message, load_dialect
from posswitch.crypto.commands import Usage, wrapped_bytes
from posswitch.crypto.hostcommands import is_host_key
from posswitch.crypto.hsm import SoftHsm
from posswitch.settings.address import unbindable
from posswitch.settings.asking import FILE_VARIABLE
from posswitch.settings.certificates import authorities_good, certificate_good, ciphers_strong
from posswitch.settings.clock import SystemClock
from posswitch.settings.draft import Draft
from posswitch.settings.finding import NOTE, WARNING, Fault, shown
from posswitch.settings.production import keys_in_hardware, memory_unswapped, secret_sealed
from posswitch.settings.rows import wrapped_key
from posswitch.settings.rules import Check
from posswitch.settings.secret import KEPT
from posswitch.settings.shape import Row, did_you_mean

_KEYS = {"bank": {"zpk": Usage.ZPK, "zak": Usage.ZAK, "zmk": Usage.ZMK}, "terminal": {"tmk": Usage.TMK}}
_CLEAR_BYTES = (8, 16, 24)
_WHOLE_BLOCK = 8  # bytes of a check value that are the same for the same key only
_DIALECT_BYTES_MAX = 1 << 20
_A_SECRET = re.compile(r"[0-9A-Fa-f]{32,}")
_NAME_AND_PLACE, _NAME_AND_PLACE_BYTES = 43, 40
_PROGRAM = File(posswitch.__file__).parent


class _Key(NamedTuple):
    """A wrapped key of the right length, and what stands behind it under this secret."""

    row: Row
    name: str
    usage: Usage
    wrapped: bytes

    def opened(self, hsm: SoftHsm, usage: Usage) -> bytes | None:
        """Eight bytes of its check value, or None."""
        try:
            return hsm.check_value(usage, self.wrapped, _WHOLE_BLOCK)
        except CryptoError:
            return None


def secret_readable(draft: Draft) -> Iterator[Fault]:
    """The secret is a file of its owner with 64 hex digits, outside of what is copied with the data."""
    for row in draft.having("node", "secret"):
        name = row.good["secret"]
        if _A_SECRET.search(name):
            what = "holds a secret, not the name of its file"
            yield row.fault("secret", what, "put a new one into a file of mode 0600 and name the file here")
            continue
        try:
            _root(draft, row)
        except SecretShut:
            what = "is sealed, and nobody opened it: neither keys nor journal were looked at"
            yield row.fault("secret", what, f"run this at a terminal, or set {FILE_VARIABLE}")._replace(
                severity=NOTE
            )
        except ConfigError as error:
            what, _, remedy = str(error).partition("; ")
            yield row.fault("secret", what, remedy)
        data = row.good.get("data", "")
        if _inside(draft.file(name), draft.file(data)):
            what = "lies in the data folder"
            fault = row.fault("secret", what, "keep it elsewhere: whoever copies the data must not have it")
            yield fault._replace(severity=WARNING)


def _root(draft: Draft, row: Row) -> bytes | None:
    """The root secret; None when a person would be asked for a file that is only looked at."""
    path = draft.file(row.good["secret"])
    return None if not draft.asks and KEPT.needs_asking(path) else KEPT.root(path)


def keys_whole(draft: Draft) -> Iterator[Fault]:
    """A wrapped key has the form of one, of the HSM that there is."""
    network, keys = draft.network_hsm, list(_written_keys(draft))
    if network and len(keys) > 1 and not any(is_host_key(wrapped) for *_, wrapped in keys):
        for row in draft.having("hsm", "links"):
            what = f"names an HSM, and none of the {len(keys)} keys is one of an HSM"
            yield Fault(
                row.path, "[hsm]", what, "copy every key as the HSM shows it (U…), or leave [hsm] out"
            )
        return
    for row, name, usage, wrapped in keys:
        at_hsm = is_host_key(wrapped)
        if network and not at_hsm:
            yield row.fault(name, "is no key of a network HSM", "copy it as the HSM shows it: U…")
        elif at_hsm and not network:
            yield row.fault(name, "is a key of a network HSM", "name the HSM in [hsm] links")
        elif not at_hsm and len(wrapped) not in wrapped_bytes(usage):
            lengths = " or ".join(str(2 * length) for length in wrapped_bytes(usage))
            what = f"has {2 * len(wrapped)} hex digits, a wrapped {usage} has {lengths}"
            clear = len(wrapped) in _CLEAR_BYTES
            remedy = "copy the whole of it"
            yield row.fault(name, what, "wrap it: a clear key must not stand here" if clear else remedy)


def keys_open(draft: Draft) -> Iterator[Fault]:
    """The secret opens every wrapped key, for what it is used for."""
    hsm = _hsm(draft)
    if hsm is None:
        return
    keys = [_Key(*one) for one in _written_keys(draft) if len(one[3]) in wrapped_bytes(one[2])]
    shut = [(key, _opening(key, hsm)) for key in keys if key.opened(hsm, key.usage) is None]
    if len(shut) > 1 and len(shut) == len(keys) and not any(other for _, other in shut):
        for node in draft.having("node"):
            what = f"opens none of the {len(keys)} keys: it is another switch's secret"
            yield node.fault("secret", what, "bring its own secret, or wrap every key again under this one")
        return
    for key, other in shut:
        why = f"is wrapped as a {other}" if other else "is damaged, or wrapped under another secret"
        yield key.row.fault(key.name, why, f"wrap the key again under this secret as a {key.usage}")


def keys_differ(draft: Draft) -> Iterator[Fault]:
    """No two partners share a key."""
    hsm = _hsm(draft)
    first: dict[bytes, _Key] = {}
    for key in (_Key(*one) for one in _written_keys(draft)):
        value = key.opened(hsm, key.usage) if hsm is not None else key.wrapped
        before = first.setdefault(value, key) if value is not None else key
        if before is not key:
            what = f"is the same key as {before.row.name(before.name)}"
            fault = key.row.fault(key.name, what, "agree on a key of its own: one that leaks opens both")
            yield fault._replace(severity=WARNING)


def dialects_readable(draft: Draft) -> Iterator[Fault]:
    """A bank's dialect is built in or a file that can be used, and it writes the merchants' names."""
    read: dict[str, Dialect | str] = {}
    for row in draft.having("bank", "dialect"):
        name = row.good["dialect"]
        if name not in read:
            read[name] = _dialect(draft, name)
        dialect = read[name]
        if isinstance(dialect, str):
            meant = did_you_mean(name, BUILT_IN)
            known = f"name a file or one of {', '.join(BUILT_IN)}"
            yield row.fault("dialect", dialect, meant if meant.startswith("did") else known)
    for name, dialect in read.items():
        if isinstance(dialect, Dialect) and _writes(dialect, ""):
            yield from _unwritable(draft, name, dialect)


def data_usable(draft: Draft) -> Iterator[Fault]:
    """The data folder may be written and is not part of the program."""
    for row in draft.having("node", "data"):
        yield from _unusable(draft, row, "data")


def backup_apart(draft: Draft) -> Iterator[Fault]:
    """The backup's folder may be written, lies outside of what it keeps, and best on another disk."""
    for row in draft.having("backup", "to"):
        if not row.good["to"]:
            continue
        yield from _unusable(draft, row, "to")
        to = draft.file(row.good["to"])
        for node in draft.having("node", "data", "secret"):
            data = draft.file(node.good["data"])
            if _inside(to, data) or _inside(data, to):
                what = "and the data folder lie in each other"
                yield row.fault("to", what, "name a folder on another disk")
            elif _disk(to) == _disk(data):
                what = "is on the disk of the data folder: both are lost together, or full together"
                yield row.fault("to", what, "name a folder on another disk")._replace(severity=WARNING)
            if _inside(draft.file(node.good["secret"]), to):
                what = "holds the secret"
                yield row.fault("to", what, "keep it elsewhere: it opens the backup")


def _disk(path: File) -> int | None:
    there = _existing(path)
    try:
        return os.stat(there).st_dev  # noqa: PTH116 - pathlib's raise for names that cannot be
    except (OSError, ValueError):
        return None


def _existing(path: File) -> str:
    """The folder itself, or the nearest one above that is there."""
    there = os.fspath(path)
    while not os.path.lexists(there) and there != os.path.dirname(there):  # noqa: PTH120
        there = os.path.dirname(there)  # noqa: PTH120
    return there


def _unusable(draft: Draft, row: Row, key: str) -> Iterator[Fault]:
    """Why the folder at a key cannot be made or written."""
    folder = draft.file(row.good[key])
    if _inside(folder, _PROGRAM):
        what = "lies inside the program, an upgrade would remove it"
        yield row.fault(key, what, "name a folder elsewhere, such as /var/lib/posswitch")
    elif refusal := _refused_folder(folder):
        yield row.fault(key, *refusal)


def _refused_folder(folder: File) -> tuple[str, str] | None:
    """What keeps a start from making a folder its own, and the remedy."""
    try:
        owner = folder.stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        owner = None
    except (OSError, ValueError) as error:  # ValueError: letters that no name may hold
        why = getattr(error, "strerror", "no name")
        return f"{shown(os.fspath(folder))} cannot be a folder ({why})", "name another folder"
    there = _existing(folder)
    if not os.path.isdir(there):  # noqa: PTH112 - pathlib's raise for names that cannot be
        return f"{shown(there)} is not a folder", "name a folder, or remove that file"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{shown(there)} may not be written by this user", "run as its owner, or name another folder"
    if owner is not None and os.geteuid() not in (0, owner):
        return f"{shown(there)} belongs to another user", "run as its owner, or name another folder"
    if owner is None and (why := _unmakable(there)):
        return f"no folder can be made in {shown(there)} ({why})", "name another folder"
    return None


def _unmakable(there: str) -> str:
    """Why no folder can be made in one, by making one for a moment: a right to write does not say it."""
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".posswitch-", dir=there))  # noqa: PTH106
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def listen_here(draft: Draft) -> Iterator[Fault]:
    """The listen address is of this machine."""
    listen = draft.listen()
    if listen is not None:
        row, address = listen
        if why := unbindable(address):
            what = f"nobody can listen at {shown(address.host)} here ({why})"
            yield row.fault("listen", what, "write an address of this machine, or 0.0.0.0 for all")


def _written_keys(draft: Draft) -> Iterator[tuple[Row, str, Usage, bytes]]:
    for table, names in _KEYS.items():
        for row in draft.having(table):
            for name, usage in names.items():
                if row.good.get(name):
                    yield row, name, usage, wrapped_key(row.good[name])


def _opening(key: _Key, hsm: SoftHsm) -> Usage | None:
    """What else a key is wrapped for."""
    return next((usage for usage in Usage if key.opened(hsm, usage) is not None), None)


def _hsm(draft: Draft) -> SoftHsm | None:
    """What opens the keys here: nothing does where they lie in a network HSM."""
    if draft.network_hsm:
        return None
    for row in draft.having("node", "secret"):
        try:
            root = _root(draft, row)
        except ConfigError:
            return None
        return None if root is None else SoftHsm(root, SystemClock().entropy)
    return None


def _dialect(draft: Draft, name: str) -> Dialect | str:
    """The dialect, or why there is none."""
    path = draft.file(name)
    try:
        if name not in BUILT_IN and path.exists():
            if not path.is_file():
                return f"{shown(name)} is not a file"
            if path.stat().st_size > _DIALECT_BYTES_MAX:
                return f"{shown(name)} is larger than {_DIALECT_BYTES_MAX >> 20} MiB"
        return load_dialect(draft.dialect(name))
    except ConfigError as error:
        return str(error).partition("; name a file")[0]
    except OSError as error:
        return f"{shown(name)}: {error.strerror}"


def _unwritable(draft: Draft, name: str, dialect: Dialect) -> Iterator[Fault]:
    writable: dict[str, bool] = {}
    for row in draft.having("merchant"):
        for key in ("name", "city"):
            for letter in sorted(set(row.good.get(key, ""))):
                if letter not in writable:
                    writable[letter] = letter.isascii() or _writes(dialect, letter)
                if not writable[letter]:
                    what = f"the dialect {shown(name)} of a bank cannot write {letter}"
                    fault = row.fault(key, what, "write it in letters that this bank can read")
                    yield fault._replace(severity=WARNING)
                    break


def _writes(dialect: Dialect, letter: str) -> bool:
    """Whether the dialect writes a letter where field 43 has it: 40 bytes of GB 18030."""
    words = letter + " " * (_NAME_AND_PLACE_BYTES - len(letter.encode("gb18030", "replace")))
    try:
        dialect.pack(Message("0200", {_NAME_AND_PLACE: words}, bytes(dialect.header_bytes)))
    except CodecError:
        return False
    return True


def _inside(path: File, folder: File) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a name that cannot be, a link in a circle
        return False


# What the file needs to be read anywhere, and what only the machine needs that serves it.
NEEDS: tuple[Check, ...] = (secret_readable, keys_whole, keys_open, keys_differ, dialects_readable)
NEEDS_TO_SERVE: tuple[Check, ...] = (
    data_usable,
    backup_apart,
    listen_here,
    certificate_good,
    authorities_good,
    ciphers_strong,
    secret_sealed,
    keys_in_hardware,
    memory_unswapped,
)
