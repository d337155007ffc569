"""The rules of a configuration's rows, among imported rows and those that are registered already."""

import pytest
from office_rows import SHOP, activate, merchant, new_tmk, terminal

from posswitch.base.registry import Address, Bank, Registry
from posswitch.crypto.commands import Usage
from posswitch.office.forms import COLUMNS, cell, values_of
from posswitch.office.intake import take_in
from posswitch.office.rules import findings


@pytest.fixture
def mistakes(desk, tmp_path):
    """The mistakes of CSV texts, each a file of its own: `1.csv`, `2.csv` …"""

    def mistakes(*texts):
        paths = [tmp_path / f"{number}.csv" for number in range(1, len(texts) + 1)]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, "utf-8")
        return take_in(desk(), paths, None, False).mistakes

    return mistakes


@pytest.fixture
def bank(hsm):
    """A bank's row, every key of its own."""

    def bank(number, *links, **more):
        where = tuple(Address(host, int(port), "tls") for host, port in (link.split(":") for link in links))
        zpk, zak = hsm.new_key(Usage.ZPK), hsm.new_key(Usage.ZAK)
        return Bank(number, "戊银行", "Bank E", where, zpk, zak, **more)

    return bank


def banks(*rows):
    """Banks as a sheet."""
    lines = [",".join(cell(values_of(row)[name]) for name in COLUMNS["bank"]) for row in rows]
    return "\n".join([",".join(COLUMNS["bank"]), *lines])


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("currency", "999", "currency: currency 999 is not known; use one of 156"),
        ("dialect", "cups", 'dialect: "cups" is not served towards terminals; use pos, or leave it out'),
        ("kinds", "sale void salle", 'kinds: kind "salle" is not known; did you mean sale?'),
    ],
)
def test_terminals(mistakes, hsm, column, value, said):
    tmk = new_tmk(hsm).hex()
    (told,) = mistakes(f"id,merchant,tmk,{column}\n30000001,{SHOP},{tmk},{value}\n")
    assert told.startswith(f"1.csv:2: terminal 30000001: {said}")


@pytest.mark.parametrize(
    ("column", "words", "said"),
    [
        ("name", f"{'茶' * 13},B", "takes 26 bytes in GB 18030, field 43 has 25; shorten it to 25 letters"),
        ("city", f"A,{'深' * 7}", "takes 14 bytes in GB 18030, field 43 has 13; shorten it to 13 letters"),
    ],
)
def test_field_43(mistakes, column, words, said):
    (told,) = mistakes(f"id,name,city,mcc\n802440354990900,{words},5499\n")
    assert told.startswith(f"1.csv:2: merchant 802440354990900: {column}: {said}")


def test_a_bank_does_not_speak_as_a_terminal(mistakes, bank):
    (told,) = mistakes(banks(bank("90990000", "10.0.0.1:7001", dialect="pos")))
    assert told.startswith('1.csv:2: bank 90990000: dialect: "pos" is a dialect of terminals; use cups')


def test_two_imported_banks_at_one_address(mistakes, bank):
    rows = bank("90990000", "10.0.0.1:7001"), bank("90980000", "10.0.0.2:7001", "10.0.0.1:7001")
    (told,) = mistakes(banks(*rows))
    what = "links: tls://10.0.0.1:7001 is a link of bank 90980000 too; give each bank its own address"
    assert told == f"1.csv:2: bank 90990000: {what}"


@pytest.mark.parametrize("number", ["90000000", "90990000"])  # before and after the other
def test_a_registered_bank_at_an_imported_one_s_address(mistakes, desk, bank, number):
    activate(desk(), [bank("90500000", "localhost:7001")])
    (told,) = mistakes(banks(bank(number, "127.0.0.1:7001")))
    what = "links: tls://127.0.0.1:7001 is a link of bank 90500000 too; give each bank its own address"
    assert told == f"1.csv:2: bank {number}: {what}"


@pytest.mark.parametrize("moved", ["90980000", "90990000"])
def test_a_registered_bank_moves_to_another_s_address(mistakes, desk, bank, moved):
    links = {"90980000": "10.0.0.1:7001", "90990000": "10.0.0.2:7001"}
    activate(desk(), [bank(number, link) for number, link in links.items()])
    (other,) = links.keys() - {moved}
    (told,) = mistakes(f"id,links\n{moved},{links[other]}\n")
    assert told.startswith(f"1.csv:2: bank {moved}: links: {links[other]} is a link of bank {other} too")


def test_a_dialect_file_lies_beside_its_sheet(mistakes, desk, bank, tmp_path, monkeypatch, registry):
    (tmp_path / "own.toml").write_text('base = "iso87a"\n')
    row = bank("90990000", "10.0.0.1:7001", dialect="own.toml")
    (told,) = mistakes(banks(row).replace("90990000", "9099"))
    assert "id: is" in told
    assert mistakes(banks(row)) == []
    monkeypatch.chdir(tmp_path)
    assert registry("import", "1.csv").code == 0
    assert desk().registry.banks["90990000"].dialect == str(tmp_path / "own.toml")
    (tmp_path / "own.toml").unlink()
    assert "bank 90990000: dialect: " in registry("check").out


def test_a_row_s_mistakes_are_listed_whatever_finds_them(mistakes, hsm, bank):
    till = f"id,merchant,tmk,kinds,currency\n3000001,802440354999999,{new_tmk(hsm).hex()},lottery,999\n"
    shared = bank("90990000", "10.0.0.1:7001"), bank("9099", "10.0.0.1:7001", "here:0", dialect="none.toml")
    text = banks(*shared)
    told = mistakes(till, text)
    starts = [
        "1.csv:2: terminal 3000001: currency: currency 999",
        "1.csv:2: terminal 3000001: id: is",
        '1.csv:2: terminal 3000001: kinds: kind "lottery"',
        "1.csv:2: terminal 3000001: merchant: no merchant 802440354999999",
        "2.csv:2: bank 90990000: links: tls://10.0.0.1:7001 is a link of bank 9099 too",
        "2.csv:3: bank 9099: dialect: dialect ",
        "2.csv:3: bank 9099: id: is",
        '2.csv:3: bank 9099: links: "tls://here:0" is not host:port',
    ]
    assert len(told) == len(starts)
    for one, start in zip(told, starts, strict=True):
        assert one.startswith(start), told


def _stand(desk, rows):
    """Rows get into the books although something is wrong with them, as under older rules."""
    plan = desk.plan(rows)
    assert plan.errors
    desk.activate(plan._replace(errors=[]), "test", "")


def test_what_stands_does_not_stop_a_change(desk, hsm, bank, registry):
    shop = merchant(100, "茶" * 13)
    tills = [terminal(number, new_tmk(hsm), shop.id, currency="999", dialect="cups") for number in (7, 8)]
    shared = [bank(number, "10.0.0.1:7001") for number in ("90980000", "90990000", "90970000")]
    _stand(desk(), [shop, *tills, *shared])
    version = desk().version
    said = registry("check")
    assert said.code == 1
    assert said.out.count("\n") == 1 + 2 * 2 + 2
    new = bank("90960000", "10.0.0.9:7001")
    assert activate(desk(), [merchant(101), new])  # rows move
    for row in shared:
        renamed = Bank(row.id, row.name_zh, "Renamed", row.links, row.zpk, row.zak)
        assert activate(desk(), [renamed])
    assert registry("remove", "terminal", "00000007").code == 0
    assert registry("remove", "bank", "90980000").code == 0
    assert registry("revert", version).code == 1  # it brings back what is wrong


def test_a_registry_without_parents_is_told(desk):
    tills = list(desk().registry.terminals.values())
    told = findings(Registry(tills))
    assert len(told) == len(tills)
    assert all("no merchant" in one.what for one in told)
