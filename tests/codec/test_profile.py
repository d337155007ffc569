"""Dialect files: every key, and every mistake with a word on where it is."""

import json
from pathlib import Path

import pytest

from posswitch.base.errors import CodecError, ConfigError
from posswitch.codec import Message, load_dialect


def dialect_of(tmp_path: Path, text: str, name: str = "net.toml"):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return load_dialect(str(path))


def test_a_built_in_is_loaded_once() -> None:
    assert load_dialect("pos") is load_dialect("pos")
    assert load_dialect("pos").name == "pos"
    assert load_dialect("cups").header_bytes == 46


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    toml = dialect_of(tmp_path, 'base = "cups"\nheader_bytes = 0\n[field_overrides]\n48 = ["n", "LL", 12]\n')
    data = {"base": "cups", "header_bytes": 0, "field_overrides": {"48": ["n", "LL", 12]}}
    from_json = dialect_of(tmp_path, json.dumps(data), "net.json")
    message = Message("0200", {48: "123456"})
    assert toml.pack(message) == from_json.pack(message)
    assert toml.pack(message).endswith(b"06123456")
    assert toml.name == "net"


@pytest.mark.parametrize(
    ("row", "value", "written"),
    [
        ('{ prefix = "bcd 2", encoding = "ascii", max = 99 }', "res_1", "0005" + b"res_1".hex()),
        ('{ prefix = "binary 1", encoding = "ebcdic", max = 99 }', "reserved-2", "0a9985a28599a5858460f2"),
        ('{ prefix = "ebcdic 3", encoding = "ascii", max = 99 }', "878", "f0f0f3" + b"878".hex()),
        ('{ prefix = "ascii 1", encoding = "bcd", max = 9 }', "123", "33" + "1230"),
        ('{ prefix = "LLLL", encoding = "raw", max = 2000 }', b"\x01", "30303031" + "01"),
        ('{ prefix = "LL", encoding = "hex-ascii", max = 20 }', b"\xab", "3031" + b"AB".hex()),
        ('{ length = 4, encoding = "cp500" }', "1234", "f1f2f3f4"),
        ('{ length = 3, encoding = "bcd" }', "123", "0123"),
    ],
)
def test_a_field_is_encoding_times_prefix(tmp_path: Path, row: str, value: str | bytes, written: str) -> None:
    dialect = dialect_of(tmp_path, f"bitmap = 'binary'\n[fields]\n61 = {row}\n")
    payload = dialect.pack(Message("1100", {61: value}))
    assert payload[12:].hex() == written
    assert dialect.unpack(payload).fields == {61: value}


def test_digits_in_ebcdic_are_still_digits(tmp_path: Path) -> None:
    dialect = dialect_of(tmp_path, 'numeric = "ebcdic"\nmti = "ebcdic"\nbitmap = "binary"\n')
    payload = dialect.pack(Message("0800", {11: "000001"}))
    assert payload.hex() == "f0f8f0f00020000000000000f0f0f0f0f0f1"
    with pytest.raises(CodecError) as caught:
        dialect.unpack(payload[:-1] + b"1")
    assert (caught.value.field, caught.value.offset) == (11, 17)


def test_the_same_in_words(tmp_path: Path) -> None:
    words = {
        "61": "length 2 bytes BCD, ascii",
        "62": "length 1 byte binary, ebcdic",
        "2": "LL ascii",
        "96": "raw 4",
    }
    dialect = dialect_of(tmp_path, json.dumps({"bitmap": "binary", "custom": words}))
    message = Message("1100", {2: "62", 61: "a", 62: "b", 96: b"\x00\x01\x02\x03"})
    payload = dialect.pack(message)
    assert payload[20:].hex() == "30323632000161018200010203"
    assert dialect.unpack(payload) == message


def test_a_second_bitmap_that_is_always_there(tmp_path: Path) -> None:
    dialect = dialect_of(tmp_path, "bitmap_fixed_128 = true\n")
    assert dialect.pack(Message("0800", {11: "000001"})) == b"080000200000000000000000000000000000000001"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mti = ", "not TOML"),
        ("{", "not TOML or JSON"),
        ('mti = "morse"', "morse"),
        ("colour = 1", "colour"),
        ('base = "visa"', "pos, cups"),
        ("header_bytes = -1", "header_bytes"),
        ('[field_overrides]\n48 = ["q", "LL", 9]', "field_overrides.48"),
        ('[field_overrides]\n48 = ["n", "XX", 9]', "field 48"),
        ('[field_overrides]\n65 = ["n", "LL", 9]', "field_overrides.65"),
        ('[field_overrides]\nx = ["n", "LL", 9]', "field_overrides.x"),
        ('[field_overrides]\n48 = ["n", "LL", 0]', "field 48"),
        ('base = "pos"\n[fields]\n7 = { encoding = "bcd" }', "fields.7"),
        ("[fields]\n48 = { length = 4, max = 9 }", "fields.48"),
        ('[fields]\n48 = { prefix = "morse 3" }', "field 48"),
        ('[fields]\n48 = { encoding = "morse" }', "morse"),
        ('[custom]\n48 = "as you like"', "custom.48"),
        ('[custom]\n48 = "morse 6"', "custom.48"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        dialect_of(tmp_path, text)
    assert "net.toml" in str(caught.value)
    assert says in str(caught.value)


def test_a_missing_file_names_the_built_ins() -> None:
    with pytest.raises(ConfigError, match="pos, cups"):
        load_dialect("/nowhere/x.toml")
