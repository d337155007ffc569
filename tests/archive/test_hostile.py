"""What somebody put into an archive's folder is refused in one line, in little memory, nothing written."""

import contextlib
import os
import shutil
import struct
import tracemalloc
import zlib

import pytest
from archive_town import town_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posswitch.archive.reading import Sealed, read_links
from posswitch.archive.segment import CHUNK_BYTES_MAX, JOURNAL, MAGIC, Head, Sealer, pack_chunk
from posswitch.archive.shelf import SEGMENT_FILE_BYTES_MAX, Span
from posswitch.base.errors import ArchiveError, PosswitchError
from posswitch.journal.chain import GENESIS

FIRST, SECOND, THIRD = range(3)
MEMORY_MAX = 16 << 20


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def chunk_starts(path):
    """Where each chunk's length stands."""
    data = path.read_bytes()
    at = len(MAGIC) + 2 + int.from_bytes(data[8:10], "big") + 28
    starts = []
    while at < len(data):
        starts.append(at)
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return starts


def _changed(town, paths):
    flip(paths[SECOND], paths[SECOND].stat().st_size // 2)


def _changed_head(town, paths):
    flip(paths[SECOND], 14)


def _changed_stamp(town, paths):
    flip(paths[SECOND], chunk_starts(paths[SECOND])[0] - 1)


def _changed_magic(town, paths):
    flip(paths[SECOND], 0)


def _cut_by_a_byte(town, paths):
    os.truncate(paths[SECOND], paths[SECOND].stat().st_size - 1)


def _cut_to_its_head(town, paths):
    os.truncate(paths[SECOND], chunk_starts(paths[SECOND])[0])


def _empty(town, paths):
    os.truncate(paths[SECOND], 0)


def _longer(town, paths):
    with paths[SECOND].open("ab") as file:
        file.write(b"\0")


def _swapped(town, paths):
    first, second = paths[FIRST].read_bytes(), paths[SECOND].read_bytes()
    paths[FIRST].write_bytes(second)
    paths[SECOND].write_bytes(first)


def _removed(town, paths):
    paths[SECOND].unlink()


def _first_removed(town, paths):
    paths[FIRST].unlink()


def _renamed(town, paths):
    paths[SECOND].rename(paths[SECOND].with_name(Span(8, 11).name))


def _doubled_elsewhere(town, paths):
    shutil.copy(paths[SECOND], paths[THIRD].with_name(Span(23, 25).name))


def _overlapping(town, paths):
    shutil.copy(paths[SECOND], paths[SECOND].with_name(Span(9, 12).name))


def _backwards(town, paths):
    paths[SECOND].rename(paths[SECOND].with_name("0000000000000010-0000000000000008.seg"))


def _zero(town, paths):
    shutil.copy(paths[FIRST], paths[FIRST].with_name("0000000000000000-0000000000000007.seg"))


def _a_strange_name(town, paths):
    paths[SECOND].rename(paths[SECOND].with_name("8-10.seg"))


def _a_name_of_bytes(town, paths):
    shutil.copy(paths[SECOND], os.fsencode(town.shelf.folder) + b"/\xff\x1b[2J.seg")


def _a_link(town, paths):
    paths[SECOND].rename(town.folder / "elsewhere")
    paths[SECOND].symlink_to(town.folder / "elsewhere")


def _a_link_to_nowhere(town, paths):
    paths[SECOND].unlink()
    paths[SECOND].symlink_to("/dev/zero")


def _a_folder(town, paths):
    paths[SECOND].unlink()
    paths[SECOND].mkdir()


def _a_pipe(town, paths):
    paths[SECOND].unlink()
    os.mkfifo(paths[SECOND])


def _too_long(town, paths):
    os.truncate(paths[SECOND], SEGMENT_FILE_BYTES_MAX + 1)


def _random_bytes(town, paths):
    paths[SECOND].write_bytes(os.urandom(5000))


def _a_huge_head(town, paths):
    data = paths[SECOND].read_bytes()
    paths[SECOND].write_bytes(data[:8] + b"\xff\xff" + data[10:])


def _a_huge_chunk(town, paths):
    at = chunk_starts(paths[SECOND])[0]
    data = paths[SECOND].read_bytes()
    paths[SECOND].write_bytes(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])


def _an_empty_chunk(town, paths):
    with paths[SECOND].open("ab") as file:
        file.write(struct.pack(">I", 0))


def _a_bomb_in_the_open(town, paths):
    bomb = zlib.compress(bytes(200 << 20), 9)
    at = chunk_starts(paths[SECOND])[0]
    paths[SECOND].write_bytes(paths[SECOND].read_bytes()[:at] + struct.pack(">I", len(bomb)) + bomb)


def _forged(town, paths, packed, first=8, last=10, **head):
    """A segment that was sealed with the right key."""
    old = dict(zip(range(3), town.shelf.spans(), strict=True))[SECOND]
    assert (old.first, old.last) == (8, 10)
    with town.shelf.opened(old.name) as file:
        real, _ = town.sealed.sealer.opened(file, old.name)
    made = {name: getattr(real, name) for name in real.__struct_fields__} | head
    paths[SECOND].write_bytes(b"".join(town.sealed.sealer.sealed(Head(**made), packed)))


def _a_sealed_bomb(town, paths):
    _forged(town, paths, [zlib.compress(bytes(200 << 20), 9)])


def _a_sealed_chunk_that_is_a_little_too_long(town, paths):
    _forged(town, paths, [zlib.compress(bytes(CHUNK_BYTES_MAX + 1), 9)])


def _sealed_noise(town, paths):
    _forged(town, paths, [os.urandom(1000)])


def _sealed_and_more_behind_it(town, paths):
    _forged(town, paths, [pack_chunk(b"\x90") + b"more"])


def _sealed_other_things(town, paths):
    _forged(town, paths, [pack_chunk(b"\x93\x01\x02\x03")])


def _sealed_without_records(town, paths):
    _forged(town, paths, [pack_chunk(b"\x90")])


def _sealed_wrong_records(town, paths):
    _forged(town, paths, [pack_chunk(b"\x93\xc4\x01a\xc4\x01b\xc4\x01c")])


def _sealed_of_another_node(town, paths):
    _forged(town, paths, [pack_chunk(b"\x90")], node="Z")


def _sealed_after_another_record(town, paths):
    _forged(town, paths, [pack_chunk(b"\x90")], before=GENESIS)


def _of_another_secret(town, paths):
    other = town_in(town.folder / "other")
    other.pay(5)
    other.backup()
    paths[SECOND].write_bytes(other.segments()[0].read_bytes())


def _a_longer_one_of_another_switch(town, paths):
    other = town_in(town.folder / "other")
    other.pay(5)
    other.backup()
    (found,) = other.segments()
    paths[FIRST].with_name(Span(1, 9).name).write_bytes(found.read_bytes())


def _books_for_records(town, paths):
    head = Head("office", town.config.node, 8, 10, 0, b"", b"", 0, 0, 0)
    paths[SECOND].write_bytes(b"".join(town.sealed.sealer.sealed(head, [pack_chunk(b"\x90")])))


HOSTILE = {
    _changed: "record 8: cannot be read: .* is damaged in chunk 1",
    _changed_head: "its head was changed",
    _changed_stamp: "its head was changed",
    _changed_magic: "is not a segment of a backup",
    _cut_by_a_byte: "is damaged in chunk 1",
    _cut_to_its_head: "is damaged in chunk 1",
    _empty: "is not a segment of a backup",
    _longer: "is damaged in chunk 1",
    _swapped: "holds records 8 to 10, it was given another name",
    _removed: "records 8 to 10: the segment before .* is missing",
    _first_removed: "records 1 to 7: the segment before .* is missing",
    _renamed: "holds records 8 to 10, it was given another name",
    _doubled_elsewhere: "holds records 8 to 10, it was given another name",
    _overlapping: "holds records 8 to 10, it was given another name",
    _backwards: "holds records 8 to 10, it was given another name",
    _zero: "holds records 1 to 7, it was given another name",
    _a_strange_name: "is no name of a segment",
    _a_name_of_bytes: "is no name of a segment",
    _a_link: "cannot be opened",
    _a_link_to_nowhere: "cannot be opened",
    _a_folder: "is not a file|cannot be opened",
    _a_pipe: "is not a file",
    _too_long: "is too long for a segment",
    _random_bytes: "is not a segment of a backup",
    _a_huge_head: "is not a segment of a backup",
    _a_huge_chunk: "is damaged in chunk 1",
    _an_empty_chunk: "is damaged in chunk 1",
    _a_bomb_in_the_open: "is damaged in chunk 1",
    _a_sealed_bomb: "is damaged in chunk 1",
    _a_sealed_chunk_that_is_a_little_too_long: "is damaged in chunk 1",
    _sealed_noise: "is damaged in chunk 1",
    _sealed_and_more_behind_it: "is damaged in chunk 1",
    _sealed_other_things: "is of another release",
    _sealed_without_records: "does not end as its head says",
    _sealed_wrong_records: "record 8: its body is not a record",
    _sealed_of_another_node: "is of node Z, not of 1",
    _sealed_after_another_record: "does not follow what is before it",
    _of_another_secret: "made under another secret",
    _a_longer_one_of_another_switch: "0000000000000001-0000000000000009.seg: .*made under another secret",
    _books_for_records: "holds a copy of office, it was given another name",
}


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda spoil: spoil.__name__.strip("_"))
def test_a_hostile_archive_is_refused_in_one_line(town, spoil):
    spoil(town, town.segments())
    outside = sorted(path for path in town.folder.rglob("*") if "archive" not in path.parts)
    tracemalloc.start()
    with pytest.raises(ArchiveError, match=HOSTILE[spoil]) as refused:
        town.restore()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(refused.value)
    assert "; " in str(refused.value), "no remedy"
    assert peak < MEMORY_MAX
    assert sorted(path for path in town.folder.rglob("*") if "archive" not in path.parts) == outside
    if "body" not in HOSTILE[spoil]:
        with pytest.raises(ArchiveError, match=HOSTILE[spoil]):
            list(read_links(town.shelf, town.sealed, town.chain))


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda spoil: spoil.__name__.strip("_"))
def test_a_look_at_a_hostile_archive_names_it(town, spoil):
    spoil(town, town.segments())
    try:
        findings = town.look().findings
    except ArchiveError as refused:  # names that are none
        findings = [str(refused)]
    assert findings
    assert all("\n" not in line for line in findings)


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda spoil: spoil.__name__.strip("_"))
def test_a_backup_writes_nothing_over_it(town, spoil):
    spoil(town, town.segments())
    before = {path: path.lstat().st_mtime_ns for path in town.segments()}
    town.pay(1)
    with contextlib.suppress(PosswitchError):
        town.backup()
    after = {path: path.lstat().st_mtime_ns for path in town.segments()}
    assert before.items() <= after.items()


def test_every_damaged_segment_is_named(town):
    for path in town.segments():
        flip(path, path.stat().st_size - 1)
    assert [line.partition(":")[0] for line in town.look().findings] == ["record 1", "record 8", "record 11"]


def test_damage_in_a_later_chunk_names_its_first_record(town, monkeypatch):
    monkeypatch.setattr("posswitch.archive.backup._BODY_BYTES_MAX", 600)
    first = town.look().last + 1
    town.pay(9)
    town.backup()
    path = town.segments()[-1]
    starts = chunk_starts(path)
    assert len(starts) > 3
    flip(path, starts[2] + 10)
    (line,) = town.look().findings
    record = int(line.partition(":")[0].removeprefix("record "))
    assert first < record < first + 19
    assert "chunk 3" in line


def test_chunks_do_not_change_places(town, monkeypatch):
    monkeypatch.setattr("posswitch.archive.backup._BODY_BYTES_MAX", 600)
    town.pay(9)
    town.backup()
    path = town.segments()[-1]
    one, two, three, *_ = chunk_starts(path)
    data = path.read_bytes()
    path.write_bytes(data[:one] + data[two:three] + data[one:two] + data[three:])
    assert "chunk 1" in town.look().findings[0]


def test_a_chunk_cannot_be_left_out_at_the_end(town, monkeypatch):
    monkeypatch.setattr("posswitch.archive.backup._BODY_BYTES_MAX", 600)
    town.pay(9)
    town.backup()
    path = town.segments()[-1]
    starts = chunk_starts(path)
    os.truncate(path, starts[-1])
    assert f"chunk {len(starts) - 1}" in town.look().findings[0]


def test_a_segment_of_an_older_backup_in_place_of_the_same_one_is_fine(town):
    """Sealed anew, the same records are the same records."""
    old = town.segments()[SECOND].read_bytes()
    town.segments()[SECOND].unlink()
    town.segments()[-1].unlink()
    town.backup()
    for path in town.segments()[1:]:
        path.unlink()
    town.backup()
    assert town.look().findings == []
    (town.shelf.folder / Span(8, 10).name).write_bytes(old)
    assert town.look().findings == []


@pytest.fixture(scope="module")
def still(written, tmp_path_factory):
    """One copy for many examples: each puts back what it changed."""
    return town_in(shutil.copytree(written, tmp_path_factory.mktemp("still") / "town"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_no_change_of_any_byte_goes_unseen(still, data):
    path = still.segments()[data.draw(st.integers(0, 2))]
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.integers(0, len(whole)))
    new = data.draw(
        st.sampled_from(
            [
                whole[:at] + bytes((whole[at] ^ data.draw(st.integers(1, 255)),)) + whole[at + 1 :],
                whole[:cut],
                whole[cut:],
                whole[:cut] + data.draw(st.binary(max_size=40)) + whole[cut:],
                whole[:at] + whole[min(at, cut) :],
                whole + whole,
            ]
        )
    )
    path.write_bytes(new)
    try:
        assert bool(still.look().findings) == (new != whole)
    finally:
        path.write_bytes(whole)


@settings(max_examples=200)
@given(noise=st.binary(max_size=3000), begins=st.booleans())
def test_random_bytes_are_refused(tmp_path_factory, noise, begins):
    path = tmp_path_factory.mktemp("noise") / "x.seg"
    path.write_bytes((MAGIC if begins else b"") + noise)
    sealer = Sealer(bytes(32), os.urandom)
    with path.open("rb") as file, pytest.raises(ArchiveError):
        list(sealer.opened(file, "x.seg")[1])


@given(parts=st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=6))
def test_what_is_sealed_opens_to_the_same(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("seal") / "x.seg"
    head = Head(JOURNAL, "1", 1, 2, 0, GENESIS, bytes(32), 3, 4, 5)
    sealed = Sealed("1", Sealer(bytes(range(32)), os.urandom))
    path.write_bytes(b"".join(sealed.sealer.sealed(head, [pack_chunk(part) for part in parts])))
    with path.open("rb") as file:
        found, chunks = sealed.sealer.opened(file, "x.seg")
        assert found == head
        assert list(chunks) == parts
