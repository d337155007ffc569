"""Lines, contact and telephone of a bank: from the file, through a sheet and back, and in old orders."""

import msgspec
import pytest
from good_config import HSM, write_config
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.registry import Bank, Line
from posswitch.office.forms import cell, read_row, values_of
from posswitch.settings.config import load_config
from posswitch.settings.rows import read_line

WORDS = st.text(st.characters(exclude_characters="/,;|", exclude_categories=["Z", "C"]), max_size=40)


@given(WORDS, WORDS, st.integers(0, 999_999_999))
def test_a_line_is_read_as_it_is_written(circuit, carrier, kbit):
    line = Line(circuit, carrier, kbit)
    assert read_line(str(line)) == line


@pytest.mark.parametrize(
    "text", ["", "a", "a/b", "a/b/c", "a/b/0", "a/b/1/2", "a b/c/1", "a/b/-1", "a/b/1\n"]
)
def test_what_is_no_line_is_none(text):
    assert read_line(text) is None


def test_they_come_from_the_file_and_go_through_a_sheet(tmp_path):
    path = write_config(tmp_path)
    before = 'links = ["clear://127.0.0.1:9002"]'
    keys = 'contact = "甲 Duty, Room 3"\nphone = "+86 755 0000"\nlines = ["SZ-4711/电信/2048"]'
    path.write_text(path.read_text().replace(before, f"{before}\n{keys}"))
    bank = load_config(path, serve=False).registry.banks["01030000"]
    assert (bank.contact, bank.phone) == ("甲 Duty, Room 3", "+86 755 0000")
    assert bank.lines == (Line("SZ-4711", "电信", 2048),)
    sheet = {name: cell(value) for name, value in values_of(bank).items()}
    assert read_row("bank", sheet, None, tmp_path, HSM) == (bank, [])


def test_a_bank_of_an_old_order_has_none():
    old = msgspec.msgpack.encode(["Bank", "01020000", "甲", "A", [], b"z", b"k", "cups", "ascii4"])
    bank = msgspec.msgpack.decode(old, type=Bank)
    assert (bank.contact, bank.phone, bank.lines) == ("", "", ())
