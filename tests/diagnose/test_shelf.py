"""diagnosis.db: read while it is written, bounded, and a damaged one stops nobody."""

import threading

import apsw
import pytest
from msgspec.structs import replace

from posswitch.diagnose import shelf as room
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.shelf import SHELF, Shelf, read_incident, read_incidents, read_now

AT_NS = 1_800_000_000_000_000_000


def incident(number=1, at_ns=AT_NS, phase=Phase.CONFIRMED):
    return Incident(number, phase, "iss-silent", "bank", {"bank": "B1"}, at_ns, at_ns, at_ns)


@pytest.fixture
def shelf(tmp_path):
    opened = Shelf(tmp_path)
    yield opened
    opened.close()


def test_where_diagnosis_never_ran_there_is_nothing(tmp_path):
    assert (read_incidents(tmp_path), read_incident(tmp_path, 1), read_now(tmp_path)) == ([], None, None)
    apsw.Connection(str(tmp_path / SHELF)).execute("CREATE TABLE half(made)")  # not laid out yet
    assert (read_incidents(tmp_path), read_now(tmp_path)) == ([], None)


def test_incidents_their_steps_and_what_is_said_come_back(shelf, tmp_path):
    first, second = incident(1), incident(2, AT_NS + 5)
    over = replace(first, phase=Phase.RESOLVED, changed_ns=AT_NS + 9)
    shelf.keep([first, second])
    shelf.keep([over])
    shelf.say(AT_NS + 9, {"well": False, "open": [2]})
    assert read_incidents(tmp_path) == [second, over]
    assert read_incidents(tmp_path, open_only=True) == [second]
    assert read_incidents(tmp_path, 1) == [second]
    assert read_incident(tmp_path, 1) == (over, [first, over])
    assert read_incident(tmp_path, 3) is None
    assert read_now(tmp_path) == (AT_NS + 9, {"well": False, "open": [2]})
    assert shelf.open_ones() == [second]
    assert shelf.last_number() == 2


def test_what_is_over_makes_room_and_what_is_open_stays(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "KEPT_MAX", 20)
    shelf.keep([incident(1)])
    for number in range(2, 61):
        shelf.keep([incident(number, phase=Phase.RESOLVED)])
    kept = [one.number for one in read_incidents(tmp_path)]
    assert kept == [*range(60, 40, -1), 1]
    steps = apsw.Connection(str(tmp_path / SHELF)).execute("SELECT DISTINCT number FROM step ORDER BY number")
    assert [number for (number,) in steps] == [1, *range(41, 61)]


def test_the_steps_of_one_incident_are_bounded_and_the_first_stays(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "STEPS_MAX", 10)
    for step in range(50):
        shelf.keep([replace(incident(), changed_ns=AT_NS + step)])
    found = read_incident(tmp_path, 1)
    assert [one.changed_ns - AT_NS for one in found[1]] == [0, *range(41, 50)]


def test_readers_see_whole_incidents_while_they_are_written(shelf, tmp_path):
    shelf.keep([incident()])
    shelf.say(AT_NS, {"open": [1]})
    seen, over = [], threading.Event()

    def read():
        while not over.is_set():
            newest = read_incidents(tmp_path)[0]
            now, steps = read_now(tmp_path), read_incident(tmp_path, 1)[1]
            seen.append((newest.affected, now[0], len(steps)))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 200):
        shelf.keep([replace(incident(), affected=number, changed_ns=AT_NS + number)])
        shelf.say(AT_NS + number, {"open": [1]})
    over.set()
    reader.join()
    assert len(seen) > 3
    assert seen == sorted(seen)


def test_what_was_learned_is_kept(tmp_path):
    first = Shelf(tmp_path)
    first.learn("usual", b"\x00\x01")
    first.close()
    second = Shelf(tmp_path)
    assert (second.learned("usual"), second.learned("other")) == (b"\x00\x01", None)
    second.close()


def _noise(path):
    path.write_bytes(b"no database at all" * 500)


def _pages(path):
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def _layout(path):
    db = apsw.Connection(str(path))
    db.pragma("user_version", room.LAYOUT + 1)
    db.close()


@pytest.mark.parametrize("spoil", [_noise, _pages, _layout])
def test_a_file_that_nobody_can_read_is_put_aside(tmp_path, spoil):
    old = Shelf(tmp_path)
    old.keep([incident(number) for number in range(1, 40)])
    old.close()
    spoil(tmp_path / SHELF)
    new = Shelf(tmp_path)
    new.keep([incident(1)])
    assert [one.number for one in read_incidents(tmp_path)] == [1]
    assert (tmp_path / f"{SHELF}.{room.PUT_ASIDE}").exists()
    new.close()


def test_an_incident_of_another_release_is_passed_over(shelf, tmp_path):
    shelf.keep([incident(1), incident(2)])
    db = apsw.Connection(str(tmp_path / SHELF))
    db.execute("UPDATE incident SET body = '{}' WHERE number = 2")
    db.close()
    assert [one.number for one in read_incidents(tmp_path)] == [1]
    assert read_incident(tmp_path, 2) is None
    assert [one.number for one in shelf.open_ones()] == [1]


def test_a_damaged_file_is_an_error_for_readers(tmp_path):
    _noise(tmp_path / SHELF)
    with pytest.raises(apsw.Error):
        read_incidents(tmp_path)
