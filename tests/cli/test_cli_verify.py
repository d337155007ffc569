"""posswitch verify: 0 for a whole journal, 1 with the place of the damage, 2 for nothing to read."""

import apsw
import pytest
from cli_runs import one_line, posswitch
from written_city import EVENTS


def changed(folder, sql):
    """Changes the database as somebody with a SQL shell would."""
    db = apsw.Connection(str(folder / "data" / "journal.db"))
    for (trigger,) in list(db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")):
        db.execute(f"DROP TRIGGER {trigger}")
    db.execute(sql)
    db.close()


def test_a_whole_journal_is_ok_by_its_file_its_folder_and_the_journals_folder(capsys, folder):
    for words in (("-c", folder / "posswitch.toml"), ("--data", folder), ("--data", folder / "data")):
        assert posswitch(capsys, "verify", *words) == (0, "ok\n", "")


@pytest.mark.parametrize("seq", [1, 6, 9, len(EVENTS)])
def test_one_flipped_bit_in_the_file_is_found_and_named(capsys, folder, seq):
    path = folder / "data" / "journal.db"
    db = apsw.Connection(str(path))
    (body,) = db.execute("SELECT body FROM journal WHERE seq = ?", (seq,)).fetchone()
    db.close()
    data = bytearray(path.read_bytes())
    data[data.index(body) + len(body) // 2] ^= 1
    path.write_bytes(data)
    ended = posswitch(capsys, "verify", "--data", folder)
    assert ended.code == 1
    assert f"record {seq}:" in ended.out


DAMAGES = {
    "UPDATE journal SET link = zeroblob(32) WHERE seq = 4": "record 4",
    "UPDATE journal SET at_ns = at_ns + 1 WHERE seq = 5": "record 5",
    "UPDATE journal SET body = (SELECT body FROM journal WHERE seq = 3) WHERE seq = 2": "record 2",
    "DELETE FROM journal WHERE seq = 3": "record 3",
    f"DELETE FROM journal WHERE seq = {len(EVENTS)}": "the tail is cut",
    "DELETE FROM journal": "the tail is cut",
    "UPDATE payment SET state = 'approved' WHERE payment = 8": "payment 8",
    "DELETE FROM payment WHERE payment = 9": "payment 9",
    "INSERT INTO payment VALUES(99, 'key', 'sale', 1, 0, 0, 'approved', '00', '', '')": "payment 99",
    "UPDATE counter SET used_minor = used_minor - 1": "counter",
    "DELETE FROM counter": "counter",
    "UPDATE snapshot SET body = CAST(body || x'00' AS BLOB)": "snapshot",
    f"UPDATE snapshot SET seq = {len(EVENTS) + 1}": "snapshot",
}


@pytest.mark.parametrize("sql", DAMAGES)
def test_every_other_change_is_found_and_named(capsys, folder, sql):
    changed(folder, sql)
    ended = posswitch(capsys, "verify", "--data", folder)
    assert ended.code == 1
    assert DAMAGES[sql] in ended.out
    assert "ok" not in ended.out.split()


def test_verify_changes_nothing(capsys, folder):
    path = folder / "data" / "journal.db"
    before = path.read_bytes()
    posswitch(capsys, "verify", "--data", folder)
    assert path.read_bytes() == before


def test_the_wrong_secret_is_never_ok(capsys, folder):
    (folder / "secret.key").write_text("00" * 32)
    assert posswitch(capsys, "verify", "--data", folder).code in (1, 2)


@pytest.mark.parametrize(
    ("own", "other"),
    [('id = "1"', 'id = "2"'), ('acquirer = "48020000"', 'acquirer = "48020001"')],
)
def test_the_journal_of_another_node_is_named_as_that_and_nothing_else(capsys, folder, own, other):
    config = folder / "posswitch.toml"
    text = config.read_text("utf-8")
    assert own in text
    config.write_text(text.replace(own, other, 1), "utf-8")
    ended = posswitch(capsys, "verify", "-c", config)
    assert ended.code == 1
    (line,) = ended.out.splitlines()
    assert line.startswith("the journal is of node/acquirer/centre 1/48020000/00010000, the configuration ")


def _no_journal(folder):
    (folder / "data" / "journal.db").unlink()


def _no_database(folder):
    (folder / "data" / "journal.db").write_bytes(b"not a database" * 1000)


def _no_secret(folder):
    (folder / "secret.key").unlink()


def _open_secret(folder):
    (folder / "secret.key").chmod(0o644)


def _no_configuration(folder):
    (folder / "posswitch.toml").unlink()


def _no_toml(folder):
    (folder / "posswitch.toml").write_text("[node\n")


@pytest.mark.parametrize("spoil", [_no_database, _no_secret, _open_secret, _no_configuration, _no_toml])
def test_what_cannot_be_read_is_exit_2_with_one_line(capsys, folder, spoil):
    spoil(folder)
    ended = posswitch(capsys, "verify", "--data", folder)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)


def test_a_journal_missing_beside_its_head_is_a_finding(capsys, folder):
    _no_journal(folder)
    ended = posswitch(capsys, "verify", "--data", folder)
    assert ended.code == 1
    assert "missing" in ended.out


def test_file_and_folder_together_or_neither_is_exit_2(capsys, folder):
    for words in ((), ("-c", folder / "posswitch.toml", "--data", folder)):
        ended = posswitch(capsys, "verify", *words)
        assert ended.code == 2
        assert one_line(ended.err)
