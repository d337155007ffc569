"""What people read: every field named and explained in both languages, its parts below it, nothing secret."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.codec import (
    Dialect,
    Message,
    cups_header,
    field_names,
    load_dialect,
    pack_tlv,
    picture,
    picture_text,
)
from posswitch.codec.parts import Row, _layouts
from posswitch.codec.wording import TABLES, TAGS, meaning, mti_words, rows

from .strategies import NAMES, messages

POS, CUPS = load_dialect("pos"), load_dialect("cups")
PAN = "6222021234567894"
POS_HEADER = bytes.fromhex("6000030000603100311004")


def said(dialect: Dialect, message: Message, label: str, reveal: bool = False) -> str:
    """The line behind one label, blanks folded."""
    lines = [" ".join(str(line).split()) for line in picture(dialect, message, reveal) if line.label == label]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("number", "value", "label", "words"),
    [
        (3, "200000", "3.1", "退货或撤销 · refund or void"),
        (22, "051", "22.1", "芯片（接触） · chip, contact"),
        (22, "051", "22.2", "可输密码 · PIN can be entered"),
        (25, "06", "25", "预授权 · pre-authorisation"),
        (39, "51", "39", "余额不足 · Not enough money on the account"),
        (4, "000000004711", "4", "CNY 47.11"),
        (60, "22000001003601", "60.1", "消费 · sale"),
        (60, "22000001003601", "60.3", "签到（双倍长密钥） · sign-on, double-length keys"),
        (60, "22000001003601", "60.4", "非接触 · contactless"),
        (61, "0000070000420115", "61.1", "000007"),
        (61, "0000070000420115", "61.3", "0115"),
        (63, "CUP thanks", "63.1", "银联 · UnionPay"),
        (54, "1002156C000000012345", "54.1.5", "000000012345"),
    ],
)
def test_a_field_of_a_terminal_in_words(number, value, label, words):
    assert words in said(POS, Message("0210", {number: value, 49: "156"}, POS_HEADER), label)


def test_a_field_between_banks_in_words():
    original = "0200" + "000042" + "0115103000" + "00001020000" + "00000010000"
    message = Message(
        "0420", {7: "0115103000", 43: "书店".ljust(23) + "上海".ljust(11) + "CN", 70: "301", 90: original}
    )
    message.header = cups_header("00010000", "01020000", 100)
    assert "01-15 10:30:00" in said(CUPS, message, "7")
    assert "回响测试 · echo test" in said(CUPS, message, "70")
    assert "000042" in said(CUPS, message, "90.2")
    assert "00001020000" in said(CUPS, message, "90.4")
    text = picture_text(CUPS, message)
    assert re.search(r"0146 +报文总长度", text)
    assert "现行版，生产" in text
    assert re.search(r"00000 +拒绝码 · reject code = 未被拒绝", text)


def test_a_terminal_header_in_words():
    text = picture_text(POS, Message("0800", {}, POS_HEADER))
    assert re.search(r"0003 +目的地址 · destination address", text)
    signs_on_again = bytes.fromhex("6000000003603103311004")
    assert "重新签到 · sign on again" in picture_text(POS, Message("0210", {}, signs_on_again))


def test_totals_of_a_batch():
    totals = "000000004711" + "003" + "000000000100" + "001" + "1" + "0" * 30 + "2"
    message = Message("0510", {48: totals}, POS_HEADER)
    assert "003" in said(POS, message, "48.2")
    assert "对账平 · balanced" in said(POS, message, "48.5")
    assert "对账不平 · not balanced" in said(POS, message, "48.10")


def test_uploaded_records_show_masked_cards():
    record = "00" + "000042" + PAN.rjust(20, "0") + "000000004711"
    message = Message("0320", {48: "02" + record + record.replace("000042", "000043")}, POS_HEADER)
    assert "622202******7894" in said(POS, message, "48.2.3")
    assert "000043" in said(POS, message, "48.3.2")
    assert PAN not in picture_text(POS, message)
    assert PAN in said(POS, message, "48.2.3", reveal=True)


@pytest.mark.parametrize(
    "value", ["03" + "00000042" + "0" * 32, "01" + PAN + "0" * 24, "01" + "07" + PAN.rjust(38, "0"), PAN * 3]
)
def test_records_that_do_not_fit_are_not_taken_apart(value):
    lines = picture(POS, Message("0320", {48: value}, POS_HEADER))
    assert not [line for line in lines if line.label.startswith("48.")]
    assert PAN not in picture_text(POS, Message("0320", {48: value}, POS_HEADER))


@pytest.mark.parametrize(("size", "keys"), [(24, 2), (40, 2), (57, 3), (60, 3)])
def test_working_keys_are_counted_and_their_check_values_begun(size, keys):
    value = bytes(range(0xA0, 0xA0 + size))
    text = picture_text(POS, Message("0810", {62: value}, POS_HEADER))
    assert text.count("check value") == keys
    assert not re.search("A0A1A2", text)
    assert not re.search("[0-9A-F]{8}", text.partition("62  ")[2])
    assert "A0A1A2A3A4A5A6A7" in picture_text(POS, Message("0810", {62: value}, POS_HEADER), reveal=True)


def test_chip_objects_are_named_and_secret_ones_hidden():
    chip = pack_tlv(
        [
            ("9F27", b"\x80"),
            ("5F2A", b"\x01\x56"),
            ("5A", bytes.fromhex(PAN)),
            ("70", pack_tlv([("57", bytes.fromhex(PAN + "D4912" + "0"))])),
            ("DF7E", b"\x01"),
        ]
    )
    message = Message("0200", {55: chip}, POS_HEADER)
    assert "请求联机" in said(POS, message, "9F27")
    assert "人民币" in said(POS, message, "5F2A")
    assert "*** (8 bytes)" in said(POS, message, "5A")
    assert "*** (" in said(POS, message, "57")
    assert "not in the table" in said(POS, message, "DF7E")
    assert PAN in said(POS, message, "5A", reveal=True)


@pytest.mark.parametrize("name", NAMES)
@given(st.data())
def test_no_line_shows_what_is_secret(name, data):
    dialect = load_dialect(name)
    message = data.draw(messages(name))
    secret = "4539578763621486"
    for number in [
        n for n in message.fields if n in (2, 35, 36, 45, 43, 44, 48, 54, 56, 57, 58, 59, 61, 62, 63)
    ]:
        message.fields[number] = secret
    text = picture_text(dialect, message)
    assert secret not in text
    for number in (14, 35, 36, 45, 52):
        assert not [line for line in picture(dialect, message) if line.label.startswith(f"{number}.")]


@pytest.mark.parametrize("name", NAMES)
@given(st.data())
def test_every_message_has_a_picture_with_each_field_once(name, data):
    message = data.draw(messages(name))
    lines = picture(load_dialect(name), message)
    assert [int(line.label) for line in lines if line.depth == 0] == sorted(message.fields)
    assert all(line.name.zh and line.name.en for line in lines)


def test_a_foreign_header_is_not_spelled_out():
    text = picture_text(POS, Message("0800", {}, bytes.fromhex("00" + PAN + "0000")))
    assert PAN not in text
    assert "not a header of this dialect" in text


def test_the_tables_are_whole():
    for table, value, zh, en in rows("values.tsv"):
        assert re.search("[一-鿿]", zh) or table in ("mti.version", "brand"), (table, value)
        assert re.search("[A-Za-z0-9]", en)
        assert not re.search("[一-鿿]", en)
    layouts = _layouts()
    wanted = {row.table for layout in layouts.values() for row in layout if row.table}
    assert wanted <= TABLES
    known = {str(number) for number in field_names()}
    assert {field for _, _, field in layouts} - {"header"} <= known
    assert all(
        isinstance(row, Row) and row.show in ("plain", "text", "")
        for layout in layouts.values()
        for row in layout
    )
    assert {"57", "5A", "5F20", "5F24", "99"} <= {tag for tag, row in TAGS.items() if row.secret}
    assert len(TAGS) == len(rows("emv.tsv"))


def test_words_of_an_mti_and_of_nothing():
    assert mti_words("0421") == ("冲正通知（受理方重发）", "reversal advice (acquirer, repeated)")
    assert mti_words("0700") is None
    assert mti_words("") is None
    assert meaning("condition", "99") is None
