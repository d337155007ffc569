"""A configuration becomes values, or one error that names the file, the place and what to do."""

import re
from copy import deepcopy

import pytest
from good_config import OTHER_ZAK, OTHER_ZPK, SECRET, TMK, ZAK, ZPK, write_config

from posswitch.base.bounds import LINKS_PER_BANK_MAX, Timers
from posswitch.base.errors import ConfigError
from posswitch.base.registry import Address, Bank, Bin, Limits, Merchant, Terminal
from posswitch.settings.config import load_config
from posswitch.settings.secret import write_secret

BANK = {
    "id": "01020000",
    "name_zh": "甲银行",
    "name_en": "Bank A",
    "links": ["127.0.0.1:7001", "bank.example:7002"],
    "zpk": ZPK.upper(),
    "zak": ZAK,
}
OTHER = {"id": "01030000", "links": ["127.0.0.1:7003"], "zpk": OTHER_ZPK, "zak": OTHER_ZAK}
FILE = {
    "node": {"id": "A", "listen": "0.0.0.0:6000"},
    "bank": [BANK, {**BANK, **OTHER}],
    "bin": [{"prefix": "6222", "pan_digits": 16, "bank": "01020000"}],
    "merchant": [{"id": "M00000000000001", "name": "SHOP", "city": "SHANGHAI", "mcc": "5411"}],
    "terminal": [{"id": "T0000001", "merchant": "M00000000000001", "tmk": TMK}],
}


def value(of) -> str:
    if isinstance(of, str):
        return '"' + of.replace("\\", "\\\\") + '"'
    if isinstance(of, list):
        return "[" + ", ".join(value(one) for one in of) + "]"
    return str(of).lower()


def toml(file) -> str:
    lines = []
    for name, rows in file.items():
        head = f"[[{name}]]" if isinstance(rows, list) else f"[{name}]"
        for row in rows if isinstance(rows, list) else [rows]:
            lines += [head, *(f"{key} = {value(of)}" for key, of in row.items())]
    return "\n".join(lines)


@pytest.fixture
def load(tmp_path):
    """Loads FILE after a change to a copy of it."""

    def load(change=lambda file: None):
        file = deepcopy(FILE)
        change(file)
        return load_config(write_config(tmp_path, toml(file)))

    return load


def put(table: str, key: str, to, row: int | None = 0):
    """A change: one key of a table, or of a row of it."""

    def change(file):
        at = file.setdefault(table, {})
        (at[row] if isinstance(at, list) else at)[key] = to

    return change


def drop(table: str, key: str = ""):
    """A change: a table or a key of its first row is missing."""

    def change(file):
        at = file[table]
        if key:
            del (at[0] if isinstance(at, list) else at)[key]
        else:
            del file[table]

    return change


def again(table: str):
    """A change: the first row stands twice."""
    return lambda file: file[table].append(file[table][0])


def test_a_file_becomes_values(load, tmp_path):
    config = load()
    assert (config.node, config.listen) == ("A", Address("0.0.0.0", 6000))
    assert (config.data, config.secret) == (tmp_path / "data", tmp_path / "secret.key")
    assert (config.acquirer, config.centre) == ("00000000", "00010000")
    assert (config.timers, config.limits) == (Timers(), Limits())
    links = (Address("127.0.0.1", 7001), Address("bank.example", 7002))
    assert config.registry.banks["01020000"] == Bank(
        "01020000", "甲银行", "Bank A", links, bytes.fromhex(ZPK), bytes.fromhex(ZAK)
    )
    assert Bin("6222", 16, "01020000") in config.registry.rows
    assert config.registry.merchants == {
        "M00000000000001": Merchant("M00000000000001", "SHOP", "SHANGHAI", "5411")
    }
    assert config.registry.terminals == {
        "T0000001": Terminal("T0000001", "M00000000000001", bytes.fromhex(TMK))
    }
    assert str(config.listen) == "0.0.0.0:6000"


def test_folders_are_relative_to_the_file_unless_they_are_not(load, tmp_path):
    config = load(put("node", "data", "/var/lib/switch"))
    assert str(config.data) == "/var/lib/switch"
    (tmp_path / "keys").mkdir()
    write_secret(tmp_path / "keys" / "root", SECRET)
    config = load(put("node", "secret", "keys/root"))
    assert config.secret == tmp_path / "keys" / "root"


def test_timers_and_limits_are_taken(load):
    def change(file):
        file["timers"] = {"bank": 1, "centre": 2, "terminal": 4.5}
        file["limits"] = {"card_daily_minor": 77}

    config = load(change)
    assert (config.timers.terminal, config.timers.reversal) == (4.5, Timers().reversal)
    assert config.limits.card_daily_minor == 77


def test_the_version_follows_the_content(load):
    assert load().version == load().version != load(put("node", "id", "B")).version


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (drop("node"), "node"),
        (drop("bank"), "bank"),
        (drop("terminal"), "terminal"),
        (drop("node", "listen"), "listen"),
        (drop("bank", "zpk"), "zpk"),
        (put("node", "port", 1), "port"),
        (put("bank", "colour", "red"), "colour"),
        (put("timers", "bnak", 1), "bnak"),
        (put("limits", "daily", 1), "daily"),
        (put("extra", "x", 1), "extra"),
        (put("node", "id", 1), r"node\.id"),
        (put("node", "id", "AB"), r"node\.id"),
        (put("node", "id", "a"), r"node\.id"),
        (put("node", "acquirer", "12"), "acquirer"),
        (put("node", "centre", "123456789012"), "centre"),
        (put("bank", "id", "BANK0001"), "bank"),
        (put("bank", "links", []), "links"),
        (put("bank", "links", ["h:1"] * (LINKS_PER_BANK_MAX + 1)), "links"),
        (put("bank", "links", "127.0.0.1:1"), "links"),
        (put("bank", "zpk", "0"), "zpk"),
        (put("bank", "zak", "no hex"), "zak"),
        (put("bank", "zak", ""), "zak"),
        (put("bin", "prefix", ""), "prefix"),
        (put("bin", "prefix", "62A"), "prefix"),
        (put("bin", "pan_digits", 12), "pan_digits"),
        (put("bin", "pan_digits", 20), "pan_digits"),
        (put("bin", "pan_digits", "16"), "pan_digits"),
        (put("merchant", "id", "M1"), "merchant"),
        (put("merchant", "name", "N" * 26), "name"),
        (put("merchant", "city", "N" * 14), "city"),
        (put("merchant", "mcc", "541"), "mcc"),
        (put("terminal", "id", "T1"), "terminal"),
        (put("terminal", "tmk", "xx"), "tmk"),
        (put("timers", "bank", "soon"), "bank"),
        (put("limits", "card_daily_minor", 1.5), "card_daily_minor"),
        (again("bank"), "bank 01020000: id: stands twice"),
        (again("merchant"), "merchant M00000000000001: id: stands twice"),
        (again("terminal"), "terminal T0000001: id: stands twice"),
        (put("bin", "bank", "01990000"), r"bin 6222: bank: no bank 01990000; add a \[\[bank\]\]"),
        (put("terminal", "merchant", "M00000000000009"), r"no merchant M0+9; add a \[\[merchant\]\]"),
        (put("timers", "bank", 30), r"bank \(30 s\).*centre \(30\.0 s\).*raise centre or lower bank"),
        (put("timers", "centre", 60), r"centre \(60 s\).*terminal"),
        (put("timers", "bank", 0), "more than 0"),
        (put("timers", "flight_max", 59), "flight_max"),
        (put("timers", "reversal", 61), "reversal_max"),
        (put("timers", "reversal", 0), "reversal"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_place(load, change, named):
    with pytest.raises(ConfigError, match=named) as raised:
        load(change)
    assert re.search(r"switch\.toml:\d+:\d+: .*posswitch check -c \S*switch\.toml\)$", str(raised.value))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "address", ["", "host", ":6000", "host:", "host:x", "host:0", "host:65536", "host:-1"]
)
@pytest.mark.parametrize("place", ["node", "bank"])
def test_an_address_that_is_none(load, address, place):
    change = put("node", "listen", address) if place == "node" else put("bank", "links", [address])
    with pytest.raises(ConfigError, match=f"{place}.*is not host:port"):
        load(change)


def test_an_ipv6_address_keeps_its_colons(load):
    banks = load(put("bank", "links", ["::1:6001", "[::2]:6001"])).registry.banks
    assert banks["01020000"].links == (Address("::1", 6001), Address("::2", 6001))


def test_no_file(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read .*give a configuration file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize("text", ["node", "[node", '[node]\nid = "A"\nid = "A"', "\0"])
def test_no_toml(tmp_path, text):
    path = tmp_path / "switch.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"switch\.toml:\d+:\d+: not TOML"):
        load_config(path)


def test_no_utf_8(tmp_path):
    path = tmp_path / "switch.toml"
    path.write_bytes("[node]\nname = '甲'".encode("gbk"))
    with pytest.raises(ConfigError, match="not UTF-8 at byte 15"):
        load_config(path)


@pytest.mark.parametrize(
    ("pan", "bank"),
    [
        ("6222020000000001", "01020000"),
        ("6222990000000001", "01030000"),
        ("6200000000000001", "01030000"),
        ("622202000000000", ""),  # no such length
        ("6222020000000000001", "01040000"),
        ("4000000000000000", ""),
        ("", ""),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_longest_prefix_of_the_right_length_wins(load, pan, bank, turned):
    rows = [
        ("62", 16, "01030000"),
        ("622202", 16, "01020000"),
        ("6222", 16, "01030000"),
        ("62", 19, "01040000"),
    ]

    def change(file):
        file["bank"].append({**BANK, "id": "01040000", "links": ["127.0.0.1:7004"]})
        file["bin"] = [
            {"prefix": prefix, "pan_digits": digits, "bank": of}
            for prefix, digits, of in (reversed(rows) if turned else rows)
        ]

    row = load(change).registry.bin_of(pan)
    assert (row.bank if row else "") == bank
