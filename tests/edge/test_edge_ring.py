"""The ring of vitals: a damaged file keeps no node from starting, and nobody reads nonsense from it."""

import apsw
import msgspec
import pytest

from posswitch.edge.vitals import Vitals
from posswitch.journal.vitals import VITALS, read_gauges


@pytest.mark.parametrize("left", [b"", b"nonsense" * 1000, b"SQLite format 3\0" + bytes(8176)])
def test_a_damaged_ring_is_thrown_away(tmp_path, left):
    (tmp_path / VITALS).write_bytes(left)
    (tmp_path / f"{VITALS}-wal").write_bytes(left)
    vitals = Vitals(tmp_path)
    vitals.write(2**62, {"record": 7})
    vitals.close()
    assert read_gauges(tmp_path)["record"] == 7


def test_where_no_file_can_be_made_it_is_kept_in_memory(tmp_path):
    (tmp_path / VITALS).mkdir()
    vitals = Vitals(tmp_path)
    vitals.write(2**62, {"record": 7})
    vitals.close()
    assert read_gauges(tmp_path) == {}


def test_gauges_of_another_release_are_none(tmp_path):
    Vitals(tmp_path).close()
    db = apsw.Connection(str(tmp_path / VITALS))
    db.execute("INSERT INTO vitals VALUES(?, ?, ?)", (2**62, msgspec.msgpack.encode({"record": True}), b""))
    db.close()
    assert read_gauges(tmp_path) == {}
