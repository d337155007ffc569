"""The acts about keys in the books: no order stands without its act, no act without its order."""

import shutil

import apsw
import msgspec
import pytest
from cli_runs import one_line, posswitch
from office_ceremony import BANK, ZMK, confirmed
from office_rows import activate, merchant

from posswitch.base.errors import OfficeError
from posswitch.base.order import OFFICE, pack_change, sign_order
from posswitch.edge.orders import ORDERS_LABEL
from posswitch.office.acts import Ledger, pack_act, sign_act
from posswitch.office.books import LAYOUT_VERSION


def old_books(path):
    """Makes a file as it was before there were acts."""
    with apsw.Connection(str(path)) as db:
        db.execute("DROP TABLE act")
        db.pragma("user_version", LAYOUT_VERSION - 1)
    db.close()


def forced(config, statement):
    """As somebody with the file in hand."""
    with apsw.Connection(str(config.data / OFFICE)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)
    db.close()


def test_books_of_the_layout_before_go_on(keys, parts, desk, config):
    activate(desk(), [merchant(100)])
    old_books(config.data / OFFICE)
    assert desk().version == 1
    assert keys("history").out == "nothing\n"
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    assert keys("confirm", 1, "--by", "Wang").code == 0
    assert desk().version == 2
    with apsw.Connection(str(config.data / OFFICE)) as db:
        assert db.pragma("user_version") == LAYOUT_VERSION
        for statement in ("DELETE FROM act", "UPDATE act SET body = x'00'"):
            with pytest.raises(apsw.ConstraintError, match="append-only"):
                db.execute(statement)
    db.close()


def test_a_copy_goes_on(keys, parts, with_zmk, desk, config, city, capsys, tmp_path):
    keys("expire", ZMK, "--on", "2040-01-01", "--by", "Chen")
    shutil.copytree(city, tmp_path / "copy")
    said = posswitch(capsys, "keys", "confirm", 3, "--by", "Wang", "--data", tmp_path / "copy")
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE act SET body = (SELECT body FROM act WHERE seq = 2) WHERE seq = 1", "act 1: its signature"),
        ("UPDATE act SET mac = x'00' WHERE seq = 2", "act 2: its signature does not fit"),
        ("DELETE FROM act WHERE seq = 1", "act 1 is missing"),
    ],
)
def test_a_changed_act_is_seen(keys, with_zmk, config, statement, said):
    with apsw.Connection(str(config.data / OFFICE)) as db:
        db.execute("DROP TRIGGER act_no_update; DROP TRIGGER act_no_delete")
        db.execute(statement)
    db.close()
    ended = keys("history")
    assert ended.code == 2
    assert said in ended.err
    assert one_line(ended.err)


def test_an_order_does_not_stand_without_its_act(keys, registry, parts, with_zmk, config, desk):
    """Else cutting off the newest acts would bring back what they destroyed."""
    confirmed(keys, "destroy", ZMK)
    forced(config, "DELETE FROM act WHERE seq > 2")
    for ended in (
        registry("revert", 1),
        registry("check"),
        keys("list"),
        keys("history"),
        keys("expire", ZMK, "--by", "Li"),
    ):
        assert ended.code in (1, 2)
        assert "act 4, which version 2 was made upon, is missing" in ended.out + ended.err
        assert (ended.out + ended.err).count("\n") == 1
    with pytest.raises(OfficeError, match="act 4"):
        desk()


def test_whatever_is_ordered_later_holds_every_act_before(keys, config, desk):
    keys("expire", f"bank/{BANK}/zpk", "--by", "Li")
    activate(desk(), [merchant(100)])
    assert (desk().entries[0].change.acts, len(desk().ledger.acts)) == (1, 1)
    forced(config, "DELETE FROM act")
    with pytest.raises(OfficeError, match="act 1, which version 1 was made upon, is missing"):
        desk()


def test_an_act_does_not_stand_without_its_order(keys, with_zmk, config, desk):
    forced(config, "DELETE FROM change; DELETE FROM orders")
    with pytest.raises(OfficeError, match="version 1, which act 2 made, is missing"):
        desk()


def test_an_act_of_another_history_does_not_hold_an_order(keys, with_zmk, config, desk, hsm, vault):
    """Signed under the same secret, as in a copy that went another way."""
    act = desk().ledger.acts[1]
    name, body = bytes(16), pack_act(act)
    mac = sign_act(vault.derive(ORDERS_LABEL), 2, name, body)
    forced(
        config,
        f"UPDATE act SET id = x'{name.hex()}', body = x'{body.hex()}', mac = x'{mac.hex()}' WHERE seq = 2",
    )
    with pytest.raises(OfficeError, match="act 2, which version 1 was made upon, is missing"):
        desk()


def test_orders_of_earlier_releases_name_no_act(keys, with_zmk, config, desk, vault):
    body = msgspec.msgpack.encode(msgspec.msgpack.decode(pack_change(desk().entries[0].change))[:5])
    mac = sign_order(vault.derive(ORDERS_LABEL), 1, bytes(16), body)
    forced(config, f"UPDATE orders SET id = zeroblob(16), body = x'{body.hex()}', mac = x'{mac.hex()}'")
    assert desk().entries[0].change.acts == 0
    assert (desk().version, len(desk().ledger.acts)) == (1, 2)


def test_check_says_that_an_act_was_changed(keys, with_zmk, config, city, capsys):
    assert "signature" not in posswitch(capsys, "check", "-c", city / "posswitch.toml").out
    forced(config, "UPDATE act SET mac = zeroblob(32) WHERE seq = 2")
    said = posswitch(capsys, "check", "-c", city / "posswitch.toml")
    (line,) = [line for line in said.out.splitlines() if "signature" in line]
    assert ": warning: node.data: " in line
    assert "act 2: its signature does not fit" in line


def test_the_repr_of_a_ledger_shows_nothing():
    assert repr(Ledger([])) == "<ledger of 0 acts>"
