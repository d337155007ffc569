"""An import: any encoding, all mistakes at once, nothing activated when there is one."""

import csv
import time

import msgspec
import pytest
from office_rows import SHOP, activate, merchant, new_tmk, rows_of, terminal

from posswitch.base.errors import OfficeError
from posswitch.base.policy import Limit, Pause, Route, StandIn
from posswitch.base.registry import Bin, Merchant, Source
from posswitch.crypto.commands import Usage
from posswitch.office.intake import take_in
from posswitch.office.sheets import write_sheets


@pytest.fixture
def sheet(tmp_path):
    """Writes a file and gives its path."""

    def sheet(text, name="rows.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return sheet


@pytest.fixture
def mistakes(desk, sheet):
    """The mistakes of one CSV file."""
    return lambda text, table=None: take_in(desk(), [sheet(text)], table, False).mistakes


SHOPS = "id,name,city,mcc\n802440354990900,老茶馆,深圳,5499\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_encodings(registry, desk, sheet, encoding, ends):
    said = registry("import", sheet(SHOPS.replace("\n", ends), encoding=encoding))
    assert said.code == 0, said.err
    assert desk().registry.merchants["802440354990900"] == Merchant(
        "802440354990900", "老茶馆", "深圳", "5499"
    )


def test_gb18030_with_a_mark(registry, desk, sheet):
    assert registry("import", sheet("\ufeff" + SHOPS, encoding="gb18030")).code == 0
    assert desk().registry.merchants["802440354990900"].city == "深圳"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters(registry, desk, sheet, delimiter):
    assert registry("import", sheet(SHOPS.replace(",", delimiter))).code == 0
    assert "802440354990900" in desk().registry.merchants


def test_neither_encoding(registry, sheet):
    said = registry("import", sheet(b"id,name\nx,\xff\xff\xff\n"))
    assert said.code == 2
    assert "rows.csv:2: neither UTF-8 nor GB 18030" in said.err


def test_every_kind_of_row(registry, desk, hsm, sheet):
    zpk, zak, tmk = (hsm.new_key(usage).hex() for usage in (Usage.ZPK, Usage.ZAK, Usage.TMK))
    banks = sheet(
        "id,name_zh,name_en,links,zpk,zak\n"
        f"90990000,戊银行,Bank E,10.0.0.1:7001 e.example:7002,{zpk},{zak}\n",
        "b.csv",
    )
    bins = sheet("prefix,pan_digits,bank,foreign\n62909,16,90990000,true\n629091,19,90990000,\n", "i.csv")
    shops = sheet(SHOPS, "m.csv")
    tills = sheet(f"id,merchant,tmk,kinds\n30000001,802440354990900,{tmk},sale;void\n", "t.csv")
    said = registry("import", tills, shops, bins, banks, "--note", "new bank", "--by", "lin")
    assert said.code == 0, said.err
    assert "version 1: 5 added, 0 changed, 0 removed" in said.out
    now = desk().registry
    assert [str(link) for link in now.banks["90990000"].links] == ["10.0.0.1:7001", "e.example:7002"]
    assert now.bin_of("6290900000000000") == Bin("62909", 16, "90990000", True)
    assert now.terminals["30000001"].kinds == ("sale", "void")
    assert (desk().entries[0].author, desk().entries[0].note) == ("lin", "new bank")


def test_toml_as_in_the_configuration(registry, desk, hsm, sheet, city):
    text = f"""
[[merchant]]
id = "802440354990900"
name = "老茶馆"
city = "深圳"
mcc = "5499"

[[terminal]]
id = "30000001"
merchant = "802440354990900"
tmk = "{new_tmk(hsm).hex()}"
kinds = ["sale", "void"]

[[bin]]
prefix = "62909"
pan_digits = 16
bank = "90010000"
"""
    assert registry("import", sheet(text, "more.toml", "gb18030")).code == 0
    assert desk().registry.terminals["30000001"].kinds == ("sale", "void")
    assert "nothing to change; version 1 stands" in registry("import", city / "posswitch.toml").out


def test_a_column_that_is_not_there_keeps_what_is_registered(registry, desk, hsm, sheet):
    row = terminal(7, new_tmk(hsm), model="X990", kinds=("sale",))
    activate(desk(), [row])
    said = registry("import", sheet("id,firmware\n00000007,2.1\n"))
    assert said.code == 0
    assert "~ terminal 00000007: firmware '' → '2.1'" in said.out
    now = desk().registry.terminals["00000007"]
    assert (now.tmk, now.model, now.firmware, now.kinds) == (row.tmk, "X990", "2.1", ("sale",))
    assert registry("import", sheet("id,model\n00000007,\n")).code == 0
    assert desk().registry.terminals["00000007"].model == ""


def test_a_dry_run_changes_nothing(registry, desk, sheet, config):
    said = registry("import", sheet(SHOPS), "--dry-run")
    assert said.code == 0
    assert "+ merchant 802440354990900: name 老茶馆, city 深圳, mcc 5499" in said.out
    assert "dry run: 1 added" in said.out
    assert not config.data.exists()


def test_replace_removes_what_is_not_in_the_files(registry, desk, sheet, tmp_path):
    write_sheets(tmp_path / "out", desk().registry)
    path = tmp_path / "out" / "terminal.csv"
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:-2]), "utf-8")
    said = registry("import", path, "--replace")
    assert said.code == 0
    assert "0 added, 0 changed, 2 removed" in said.out
    assert len(desk().registry.terminals) == 18
    assert len(desk().registry.merchants) == 12


def test_replace_does_not_leave_orphans(registry, desk, sheet):
    said = registry("import", sheet(SHOPS), "--replace")
    assert said.code == 1
    assert f"merchant {SHOP}: 2 terminal rows still name it (10000001, 10000013); remove or move" in said.err
    assert desk().version == 0


def test_all_mistakes_of_all_rows_at_once(desk, hsm, sheet, registry):
    tmk = new_tmk(hsm).hex()
    shut = hsm.wrap(Usage.ZAK, bytes(range(16))).hex()
    text = f"""id,merchant,tmk,kinds,currency
3000001,{SHOP},{tmk},,156
30000002,80244035411000,{tmk},sale,CNY
30000003,{SHOP},,,
30000004,{SHOP},0123456789ABCDEFFEDCBA9876543210,,
30000005,{SHOP},{shut},,
30000006,{SHOP},{tmk},sale lottery,
30000007,802440354999999,{tmk},,
30000008,{SHOP},{tmk}
30000009,{SHOP},{tmk},,
30000009,{SHOP},{tmk},,

"3000001
0",{SHOP},{tmk},,
30000011,8.02440E+14,{tmk},,
"""
    said = registry("import", sheet(text))
    assert said.code == 1
    assert "posswitch: 12 mistakes; nothing was changed" in said.err
    for line, what in [
        (2, 'terminal 3000001: id: is "3000001"; write 8 ASCII characters'),
        (3, 'merchant: is "80244035411000"; write 15 ASCII characters'),
        (3, 'currency: is "CNY"; write 3 digits, such as 156'),
        (4, "tmk: is missing; add its wrapped key, or use posswitch registry onboard"),
        (5, "tmk: does not open; wrap it as a TMK under this node's secret"),
        (6, "tmk: does not open"),
        (7, 'kinds: kind "lottery" is not known; use one of sale, void'),
        (8, "no merchant 802440354999999; add that merchant first, or with it"),
        (9, "3 cells, the header has 5; check commas and quotes"),
        (11, "stands already at rows.csv:10; remove one"),
        (13, 'terminal 3000001?0: id: is "3000001?0"'),
        (15, "a spreadsheet has rounded it"),
    ]:
        assert any(
            told.startswith(f"rows.csv:{line}: ") and what in told for told in said.err.splitlines()
        ), (line, what, said.err)
    assert "FEDCBA" not in said.err
    assert desk().version == 0


def test_a_row_that_could_not_be_read_is_no_unknown_reference(desk, hsm, sheet):
    shops = sheet("id,name,city,mcc\n802440354990900,老茶馆,深圳,none\n", "m.csv")
    tills = sheet(f"id,merchant,tmk\n30000001,802440354990900,{new_tmk(hsm).hex()}\n", "t.csv")
    (told,) = take_in(desk(), [tills, shops], None, False).mistakes
    assert told == 'm.csv:2: merchant 802440354990900: mcc: is "none"; write 4 digits'


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("62,16,90990000,", "bin 62/16: bank: no bank 90990000; add that bank first, or with it"),
        ("62A,16,90010000,", 'prefix: is "62A"; write the first digits of the cards'),
        ("62,12,90010000,", "pan_digits: is 12; write a whole number from 13 to 19"),
        ("62,many,90010000,", 'pan_digits: is "many"'),
        ("62,16,9001,", 'bank: is "9001"; write 8 to 11 digits'),
        ("62,16,90010000,perhaps", 'foreign: is "perhaps"; write true or false'),
        ("62900100000000000,16,90010000,", "prefix: is longer than its cards (16 digits)"),
        (",16,90010000,", "prefix: is missing; write the first digits of the cards"),
    ],
)
def test_mistakes_in_bins(mistakes, row, said):
    (told,) = mistakes(f"prefix,pan_digits,bank,foreign\n{row}\n")
    assert told.startswith("rows.csv:2: ")
    assert said in told


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("links", "", "links: is missing; list 1 to 16 addresses, tls://host:port, with blanks between"),
        ("links", "here", 'links: "here" is not host:port; write it as'),
        ("links", "a:0 b:65536", 'links: "a:0" is not host:port, the port'),
        (
            "links",
            " ".join(f"a:{port}" for port in range(1, 18)),
            "links: 17 of them; list 1 to 16 addresses",
        ),
        ("dialect", "none.toml", "dialect: "),
        ("framing", "morse", 'framing "morse" is not known; use one of'),
        ("zpk", "xx", "zpk: is no wrapped key; write the wrapped key in hex"),
        ("zak", "00ff", "zak: does not open"),
        ("id", "9099", 'id: is "9099"; write 8 to 11 digits'),
        ("name_zh", "", "name_zh: is missing; write a name of at most 64"),
        ("name_en", "x" * 65, 'name_en: is "xxxx'),
    ],
)
def test_mistakes_in_banks(mistakes, hsm, column, value, said):
    row = {
        "id": "90990000",
        "name_zh": "戊银行",
        "name_en": "Bank E",
        "links": "10.0.0.1:7001",
        "zpk": hsm.new_key(Usage.ZPK).hex(),
        "zak": hsm.new_key(Usage.ZAK).hex(),
        "dialect": "cups",
        "framing": "",
    } | {column: value}
    told = mistakes(f"{','.join(row)}\n{','.join(row.values())}\n")
    assert said in told[0]
    assert "\n" not in told[0]


def test_a_card_number_in_a_wrong_place_is_masked(mistakes):
    (told,) = mistakes("id,name,city,mcc\n802440354990900,A,B,4000000000000002\n")
    assert "4000000000000002" not in told
    assert "400000******0002" in told


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("id,colour", 'no table has these columns ("colour")'),
        ("", "no table has these columns"),
        ("name,mcc", "a naming column missing"),
        ("id,dialect", "fit bank and terminal; give --table"),
    ],
)
def test_columns_that_name_no_table(registry, sheet, header, said):
    told = registry("import", sheet(f"{header}\nx,y\n"))
    assert told.code == 2
    assert said in told.err
    assert told.err.count("\n") == 1


def test_a_table_that_is_named(mistakes, registry, desk, hsm, sheet):
    activate(desk(), [terminal(7, new_tmk(hsm))])
    assert registry("import", sheet("id,dialect\n00000007,pos\n"), "--table", "terminal").code == 0
    told = mistakes("id,colour,id\n00000007,red,1\n", "terminal")
    assert any('column "colour" is not known; terminal has id, merchant' in line for line in told)
    assert any('column "id" stands twice' in line for line in told)
    assert any("column id is missing" in line for line in mistakes("model\nX\n", "terminal"))
    assert registry("import", sheet("id\n1\n"), "--table", "shop").code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[shop]]\nid = 1\n", "more.toml:1: no table [[shop]]; there are bank, bin, merchant, terminal"),
        ("\n\n[merchant]\nid = 1\n", "more.toml:3: no table"),
        ("bin = 3\n", "more.toml:1: no table"),
        ('[[bin]]\nprefix="62"\npan_digits=16\nbank="90010000"\n\n[[bin]]\nprefix=62\npan_digits=16\n',
         "more.toml:6: bin 62/16: stands already at more.toml:1"),
        ('[[merchant]]\nid="802440354990900"\nname="A"\ncity="B"\nmcc="5"\ncolour="red"\n',
         'more.toml:1: "colour" is not known; merchant has id'),
        ('merchant = [{id="802440354990900", name=1, city="B", mcc="5499"}]\n',
         "more.toml:1: merchant 802440354990900: name: is 1; write a name of at most 25 letters or 12 汉字"),
    ],
)  # fmt: skip
def test_mistakes_in_toml(desk, sheet, text, said):
    told = take_in(desk(), [sheet(text, "more.toml")], None, False).mistakes
    assert any(line.startswith(said) for line in told), told


@pytest.mark.parametrize("text", ["[[bin", "x = ", "a = " + "[" * 5000])
def test_no_toml(registry, sheet, text):
    said = registry("import", sheet(text, "more.toml"))
    assert said.code == 2
    assert "not TOML" in said.err


def test_no_file(registry, tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        said = registry("import", path)
        assert said.code == 2
        assert "cannot be read" in said.err


@pytest.mark.parametrize("text", ['id,name,city,mcc\n"x\n', 'id,name,city,mcc\na"b"c",d\n'])
def test_no_csv(mistakes, text):
    assert mistakes(text)


def test_the_same_cards_of_two_banks_are_a_note(registry, sheet):
    said = registry("import", sheet("prefix,pan_digits,bank\n6290011,16,90020000\n62900100,16,90010000\n"))
    assert said.code == 0
    assert (
        "note: bin 6290011/16: prefix: lies inside 629001 of bank 90010000; the longer prefix wins"
        in said.out
    )
    assert "note: bin 62900100/16" not in said.out


def test_a_category_that_differs_is_a_note(registry, sheet):
    said = registry("import", sheet("id,name,city,mcc\n802440354990900,茶馆,深圳,5411\n"))
    assert said.code == 0
    assert "mcc: 5411 differs from 5499 in digits 8 to 11 of the merchant's number" in said.out


def test_old_faults_do_not_stop_a_change(registry, city, sheet):
    path = city / "posswitch.toml"
    shop = merchant(100)
    assert registry("import", sheet(f"id,name,city,mcc\n{shop.id},A,B,5411\n")).code == 0
    assert registry("import", sheet(f"id,merchant\n10000001,{shop.id}\n")).code == 0
    path.write_text(path.read_text().replace("90040000", "90050000", 1))  # the bank, not its BIN rows
    text = path.read_text().replace('bank = "90040000"', 'bank = "90050000"')
    path.write_text(text)
    assert registry("check").code == 0
    assert registry("import", sheet("prefix,pan_digits,bank\n629004,16,90050000\n")).code == 0
    path.write_text(text.replace("90050000", "90060000"))  # now a version names a bank that has gone
    assert registry("check").code == 0 or "no bank" in registry("check").out
    assert registry("import", sheet(SHOPS)).code == 0


def test_export_and_import_agree(registry, desk, hsm, tmp_path):
    activate(
        desk(),
        [
            terminal(7, new_tmk(hsm), kinds=("sale", "void"), model="X, 1"),
            Bin("63", 19, "90010000", True),
            Bin("6410-6420", 16, "90010000"),
            Limit("night", of="merchant", only=("8024",), day_minor=100, hours="0700-2300", trial=True),
            Route("r", ("90010000",), bins=("63", "64"), choose="split", split=(1,), to_minor=500),
            Pause("90010000", "2026-10-01 02:00", "2026-10-01 04:00", "maintenance"),
            StandIn("90010000", 10_000, 20_000, 1_000_000),
        ],
    )
    out = tmp_path / "out"
    assert registry("export", out).code == 0
    paths = sorted(out.iterdir())
    assert [path.name for path in paths] == [
        "bank.csv",
        "bin.csv",
        "limit.csv",
        "merchant.csv",
        "pause.csv",
        "route.csv",
        "source.csv",
        "standin.csv",
        "terminal.csv",
    ]
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths)
    said = registry("import", *paths, "--replace")
    assert "nothing to change" in said.out
    before = rows_of(desk().registry)
    assert registry("revert", 0).code == 0
    assert registry("import", *paths, "--replace").code == 0
    assert rows_of(desk().registry) == before
    said = registry("export", out)
    assert said.code == 2
    assert "is there already" in said.err


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "'=1", "''=1", "'", "'x", "''", "a=b", "'-"]


def test_no_cell_of_an_export_is_a_formula_and_every_value_comes_back(registry, desk, tmp_path):
    shops = [
        msgspec.structs.replace(merchant(number), name=name) for number, name in enumerate(FORMULAS, 2000)
    ]
    activate(desk(), shops)
    out = tmp_path / "out"
    assert registry("export", out).code == 0
    with (out / "merchant.csv").open(encoding="utf-8-sig", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert "'=1+1" in names
    assert not [name for name in names if name[0] in "=+-@＝"]
    before = rows_of(desk().registry)
    assert registry("revert", 0).code == 0
    assert registry("import", out / "merchant.csv").code == 0
    assert rows_of(desk().registry) == before


def test_ten_thousand_terminals_in_seconds(registry, desk, hsm, sheet, capsys, tmp_path):
    path = tmp_path / "many.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "merchant", "tmk", "model"])
        rows.writerows([f"{number:08d}", SHOP, new_tmk(hsm).hex(), "X990"] for number in range(10_000))
    began = time.process_time()
    said = registry("import", path)
    spent = time.process_time() - began
    assert said.code == 0, said.err
    assert "10,000 added" in said.out
    assert "… and 9,980 more" in said.out
    assert desk().version == 5
    assert len(desk().registry.terminals) == 10_020
    assert spent < 25  # a few seconds; minutes if a row cost more the more there are


def test_too_big_a_file(desk, sheet, monkeypatch):
    monkeypatch.setattr("posswitch.office.sheets._FILE_BYTES_MAX", 10)
    with pytest.raises(OfficeError, match="split the file"):
        take_in(desk(), [sheet(SHOPS)], None, False)


def test_sources_are_imported_and_come_back(registry, desk, tmp_path):
    path = tmp_path / "source.csv"
    colons = ":".join(["AB"] * 32)
    path.write_text(f"id,certificates,terminals,merchants\nchain-1,{colons} {'cd' * 32},1 20,8024403\n")
    assert registry("import", path).code == 0
    row = desk().registry.sources["chain-1"]
    assert row == Source("chain-1", ("ab" * 32, "cd" * 32), ("1", "20"), ("8024403",))
    out = tmp_path / "out"
    assert registry("export", out).code == 0
    assert "nothing to change" in registry("import", *sorted(out.iterdir()), "--replace").out
    assert "chain-1" in registry("list", "source").out
    assert registry("remove", "source", "chain-1").code == 0
    assert not desk().registry.sources


def test_a_source_that_is_wrong_is_not(registry, desk, tmp_path):
    path = tmp_path / "source.csv"
    path.write_text("id,certificates,terminals\nchain-1,ab:cd,123456789\n")
    said = registry("import", path)
    assert said.code == 1
    assert '"ab:cd" is no SHA-256 of a certificate' in said.out + said.err
    assert '"123456789" is not how a number of terminals begins' in said.out + said.err
    assert not desk().registry.sources
