"""A restore: the journal made anew in a folder of its own, judged by a second process, moved into place."""

import os
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import apsw
import msgspec

from posswitch.archive.aside import aside, sync_folder
from posswitch.archive.reading import Sealed, read_bodies, read_links, read_office, way_of
from posswitch.archive.shelf import Shelf
from posswitch.base.errors import ArchiveError, JournalError, PosswitchError
from posswitch.base.order import OFFICE
from posswitch.engine.apply import apply
from posswitch.engine.invariants import Refold
from posswitch.engine.state import State, pack_state, unpack_state
from posswitch.journal.chain import Chain
from posswitch.journal.layout import DATABASE, HEAD
from posswitch.journal.quarantine import quarantine
from posswitch.journal.rebuild import Rebuild
from posswitch.journal.recovery import decode_record
from posswitch.journal.second import Line, second
from posswitch.journal.sqlite import Journal
from posswitch.journal.verify import beside_records

_FINDINGS_MAX = 5
_TAKEN = (DATABASE, HEAD, OFFICE)


class Until(msgspec.Struct, frozen=True):
    """How far a restore goes: to a record, or the last one that is not after a time; None: to the end."""

    record: int | None = None
    at_ns: int | None = None

    def reached(self, seq: int, at_ns: int) -> bool:
        """Whether a record is beyond it."""
        return (self.record is not None and seq > self.record) or (
            self.at_ns is not None and at_ns > self.at_ns
        )


class Restored(msgspec.Struct, frozen=True):
    """What came back: so many records, up to number `last` and its time, and what was open then.

    `office`: the version of its books, 0 without any.
    """

    records: int
    last: int
    at_ns: int
    open: int
    office: int


def restore(shelf: Shelf, sealed: Sealed, key: bytes, data: Path, until: Until, wall_ns: int) -> Restored:
    """Puts the archived journal into the data folder, which has none; ArchiveError leaves it as it was."""
    refuse_taken(data)
    data.parent.mkdir(parents=True, exist_ok=True)
    with aside(data.parent, f".{data.name}.restore-") as made:
        restored = rebuilt(shelf, sealed, key, made, until)
        handed = _quarantine(made, key, sealed.node, wall_ns)
        _move(made, data)
    return msgspec.structs.replace(restored, open=handed)


def _quarantine(folder: Path, key: bytes, node: str, wall_ns: int) -> int:
    """Its first new records: numbers beyond those that may be lost, owners for so many that were open."""
    journal = Journal(folder, key)
    try:
        handed = quarantine(journal, journal.recover(node), wall_ns)
    finally:
        journal.close()
    _sync(folder)
    return handed


def refuse_taken(data: Path) -> None:
    """ArchiveError when there is something in the data folder that a restore would replace."""
    for name in _TAKEN:
        if os.path.lexists(data / name):
            raise ArchiveError(
                f"{data / name}: is there already, nothing was restored; name a new data folder"
            )
    if data.is_mount():
        raise ArchiveError(f"{data}: is a disk's top folder; name a folder in it")


def rebuilt(shelf: Shelf, sealed: Sealed, key: bytes, folder: Path, until: Until) -> Restored:
    """Builds the journal in an empty folder, judged and durable; ArchiveError says what is wrong."""
    until = _bounded(shelf, sealed, until)
    with second(lambda line: _judge(line, shelf, sealed, folder, until)) as line:
        build = Rebuild(folder, key)
        try:
            _fill(build, shelf, sealed, Chain(key), until)
            state = _judged(line)
            head = build.finish(state)
        except apsw.Error as error:
            raise ArchiveError(
                f"{folder}: cannot be written ({type(error).__name__}); see to its disk"
            ) from None
        except JournalError as damage:
            raise ArchiveError(f"{shelf.folder}: {damage}; bring back its copy") from None
        except (LookupError, AssertionError, AttributeError):
            raise ArchiveError(
                f"{shelf.folder}: record {build.last + 1} cannot follow what came before it; report it"
            ) from None
        finally:
            build.close()
        line.tell("finished")
        _judged(line)
    last = unpack_state(state)
    assert last.seq == head.seq
    office = _restore_office(shelf, sealed, folder, last.registry)
    _sync(folder)
    return Restored(build.records, head.seq, last.at_ns, len(last.flights), office)


def _bounded(shelf: Shelf, sealed: Sealed, until: Until) -> Until:
    """Where the archive ends now: a running backup adds to it, and both processes read the same."""
    way = way_of(shelf, sealed)
    if not way:
        raise ArchiveError(f"{shelf.folder}: no backup there; name its folder")
    last = way[-1].last
    if until.record is not None and until.record > last:
        raise ArchiveError(f"{shelf.folder}: ends at record {last}; name that one, or another folder")
    return Until(until.record or last, until.at_ns)


def _fill(build: Rebuild, shelf: Shelf, sealed: Sealed, chain: Chain, until: Until) -> None:
    last = 0
    for seq, body, link in read_links(shelf, sealed, chain):
        record = decode_record(seq, body)
        if until.reached(seq, record.at_ns):
            break
        build.add(seq, body, link, record)
        last = seq
    if not last:
        raise ArchiveError(f"{shelf.folder}: holds no record so early; name a later time, or another folder")


def _restore_office(shelf: Shelf, sealed: Sealed, folder: Path, registry: int) -> int:
    """The oldest copy of the office's books that has all that is in force, or the newest."""
    versions = shelf.office_versions()
    if not versions:
        return 0
    version = next((one for one in versions if one >= registry), versions[-1])
    path = folder / OFFICE
    path.touch(mode=0o600)
    path.write_bytes(read_office(shelf, sealed, version))
    return version


def _sync(folder: Path) -> None:
    """Every file of a folder, and its names, onto the disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def _move(made: Path, data: Path) -> None:
    """Takes its place in one step; what else lay in the data folder is kept beside it."""
    refuse_taken(data)
    if data.exists():
        if any(data.iterdir()):
            data.rename(Path(tempfile.mkdtemp(prefix=f"{data.name}.before-", dir=data.parent)) / data.name)
        else:
            data.rmdir()
    made.rename(data)
    sync_folder(data.parent)


def _judge(line: Connection, shelf: Shelf, sealed: Sealed, folder: Path, until: Until) -> None:
    """The second process: folds the same records by itself, then holds the finished tables against them."""
    refold, state = Refold(), State(sealed.node)
    findings: list[str] = []
    try:
        for seq, body in read_bodies(shelf, sealed):
            record = decode_record(seq, body)
            if until.reached(seq, record.at_ns):
                break
            findings += refold.check(seq, record)
            apply(state, seq, record)
            if len(findings) >= _FINDINGS_MAX:
                break
    except PosswitchError as damage:
        findings.append(str(damage))
    except (LookupError, AssertionError, AttributeError):
        findings.append(f"record {state.seq}: cannot follow what came before it")
    line.send((findings, pack_state(state)))
    line.recv()
    line.send((beside_records(folder, refold), b""))


def _judged(line: Line) -> bytes:
    """What the second process says: the state, when nothing is wrong."""
    said = line.hear()
    assert isinstance(said, tuple)
    findings, state = said
    if findings:
        more = "; ".join(findings[:_FINDINGS_MAX])
        raise ArchiveError(f"what is archived is not whole, nothing was restored: {more}")
    assert isinstance(state, bytes)
    return state
