"""Proposals about keys: how long and how often they count, and what a confirmed one does."""

import json

import pytest
from cli_runs import posswitch
from office_ceremony import BANK, ZMK, confirmed
from office_rows import activate, merchant, new_tmk, terminal
from written_city import write_city

from posswitch.base.errors import OfficeError
from posswitch.base.moment import stamp
from posswitch.edge.orders import ORDERS_LABEL, OrderBox
from posswitch.office.acts import PROPOSALS_MAX, Proposed
from posswitch.office.ceremony import confirm, propose
from posswitch.office.desk import Desk
from posswitch.settings.clock import SystemClock


class Later(SystemClock):
    """A clock that is ahead, or behind."""

    def __init__(self, hours):
        super().__init__()
        self._ahead_ns = int(hours * 3600 * 10**9)

    def wall_ns(self):
        return super().wall_ns() + self._ahead_ns


@pytest.mark.parametrize(("hours", "counts"), [(23.9, True), (24.1, False), (-0.1, False)])
def test_a_proposal_counts_for_a_day(keys, parts, config, hours, counts):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    later = Desk(config, Later(hours))
    assert bool(later.ledger.open(later.now_ns())) == counts
    if counts:
        assert confirm(later, 1, "Wang").version == 1
    else:
        with pytest.raises(OfficeError, match="has expired after 24 hours"):
            confirm(later, 1, "Wang")


def test_proposals_are_bounded(desk):
    def rotation():
        return Proposed("expire", "Li", desk().now_ns(), f"bank/{BANK}/zpk")

    for number in range(1, PROPOSALS_MAX + 1):
        assert propose(desk(), rotation()) == number
    with pytest.raises(OfficeError, match="20 proposals are open"):
        propose(desk(), rotation())


def test_withdrawn_confirmed_and_unknown_ones_cannot_be_confirmed(keys, parts, desk):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    assert "1     " in keys("history", "--open").out
    assert keys("withdraw", 1, "--by", "Chen").code == 0
    assert "proposal 1 was withdrawn by Chen already" in keys("confirm", 1, "--by", "Wang").err
    assert "no proposal 2" in keys("confirm", 2, "--by", "Wang").err  # that is the withdrawal
    assert "no proposal 0" in keys("confirm", 0, "--by", "Wang").err
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    assert keys("confirm", 3, "--by", "Wang").code == 0
    assert "proposal 3 was confirmed by Wang already" in keys("confirm", 3, "--by", "Li").err
    assert desk().version == 1
    assert keys("history", "--open").out == "nothing\n"


def test_a_key_that_changed_meanwhile_is_not_replaced(keys, parts, with_zmk, desk):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    keys("form", "ZMK", "--bank", BANK, "--by", "Li", *parts)
    assert keys("confirm", 4, "--by", "Wang").code == 0
    said = keys("confirm", 3, "--by", "Wang")
    assert said.code == 2
    assert "changed meanwhile; propose it again" in said.err


def test_a_change_beside_a_proposal_stays(keys, parts, desk):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    activate(desk(), [merchant(100)])
    row = desk().registry.banks[BANK]
    activate(
        desk(),
        [type(row)(**{name: getattr(row, name) for name in row.__struct_fields__} | {"name_en": "New"})],
    )
    assert keys("confirm", 1, "--by", "Wang").code == 0
    row = desk().registry.banks[BANK]
    assert (row.name_en, bool(row.zmk), desk().version) == ("New", True, 3)


def test_two_at_once_confirm_once(keys, parts, desk):
    keys("form", "ZMK", "--bank", BANK, "--by", "Chen", *parts)
    one, other = desk(), desk()
    confirm(one, 1, "Wang")
    with pytest.raises(OfficeError, match="meanwhile"):
        confirm(other, 1, "Li")
    assert desk().version == 1
    assert len(desk().ledger.acts) == 2


# Rotation, end, destruction


def test_a_rotation_is_an_order_to_the_node(keys, with_zmk, config, vault, registry):
    confirmed(keys, "rotate", BANK, BANK)
    box = OrderBox(config.data, vault.derive(ORDERS_LABEL))
    assert [change.rekey for change in box.poll(0)] == [(), (BANK,)]
    assert f"Li + Wang  new zone keys with {BANK}  keys rotate" in registry("history").out


def test_an_end_is_set_by_two(keys, with_zmk, desk):
    confirmed(keys, "expire", ZMK)
    said = keys("list")
    assert said.code == 1
    assert f"due: {ZMK}: its end is past" in said.out
    assert desk().version == 1


def test_an_end_may_be_today_or_in_fifty_years(keys):
    now_ns = SystemClock().wall_ns()
    for day in (stamp(now_ns).day, stamp(now_ns + 49 * 366 * 86400 * 10**9).day):
        assert keys("expire", f"bank/{BANK}/zpk", "--on", day, "--by", "Li").code == 0


def test_a_destroyed_key_never_comes_back(keys, with_zmk, registry, desk, tmp_path):
    said = keys("destroy", ZMK, "--by", "Li")
    assert "irreversible" in said.out
    assert "不可恢复" in said.out
    before = desk().registry.banks[BANK]
    assert keys("confirm", 3, "--by", "Wang").code == 0
    assert desk().registry.banks[BANK].zmk == b""
    said = registry("revert", 1)
    assert said.code == 1
    assert "zmk: this key was destroyed; form a new one" in said.err
    with pytest.raises(OfficeError, match="this key was destroyed"):
        activate(desk(), [before])
    assert keys("export", "--bank", BANK, "--key", "zmk", "--by", "Li").code == 2
    assert json.loads(keys("list", "--json").out)["keys"][-1]["state"] == "destroyed"


def test_a_terminal_goes_with_its_key(keys, desk, hsm):
    activate(desk(), [terminal(7, new_tmk(hsm))])
    confirmed(keys, "destroy", "terminal/00000007/tmk")
    assert "00000007" not in desk().registry.terminals


def test_a_bank_that_cards_still_lead_to_stays(keys, registry, desk):
    said = keys("destroy", f"bank/{BANK}/zpk", "--by", "Li")
    assert said.code == 2
    assert "bin rows still name it" in said.err
    for row in list(desk().registry.rows):
        if getattr(row, "bank", "") == BANK:
            registry("remove", "bin", f"{row.prefix}/{row.pan_digits}")
    confirmed(keys, "destroy", f"bank/{BANK}/zpk")
    assert BANK not in desk().registry.banks


def test_while_payments_are_open_nothing_is_destroyed(capsys, tmp_path):
    write_city(tmp_path)
    for place, said in (
        ("terminal/10000001/tmk", "5 payments of this terminal are open"),
        ("bank/90010000/zpk", "5 payments of this bank are open"),
    ):
        ended = posswitch(capsys, "keys", "destroy", place, "--by", "Li", "--data", tmp_path)
        assert ended.code == 2
        assert said in ended.err
    ended = posswitch(capsys, "keys", "destroy", "terminal/10000002/tmk", "--by", "Li", "--data", tmp_path)
    assert ended.code == 0
