"""Clear parts of keys: files of one owner, memory that is wiped, and errors that show nothing."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.errors import OfficeError
from posswitch.crypto.ciphers import kcv, xor
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.office.parts import (
    Part,
    draw_parts,
    form,
    hexed,
    load_part,
    read_part,
    write_parts,
)

HSM = SoftHsm(bytes(range(32)), os.urandom)
VALUE = bytes.fromhex("00112233445566778899AABBCCDDEEFF")


@given(st.binary(min_size=16, max_size=16) | st.binary(min_size=24, max_size=24))
def test_any_value_is_read_as_it_was_written(value):
    text = hexed(bytearray(value))
    assert text.decode() == value.hex().upper()
    assert read_part(text, "part 1") == value


@given(st.binary(max_size=200))
def test_any_text_is_read_or_refused_and_always_wiped(text):
    memory = bytearray(text)
    try:
        assert len(read_part(memory, "part 1")) in (16, 24, 32)
    except OfficeError as error:
        assert "part 1" in str(error)
    assert not any(memory)


def test_files_of_one_owner(tmp_path):
    parts, paths = draw_parts(HSM, Usage.ZMK, 3, "tdes", 16), [tmp_path / name for name in "abc"]
    write_parts(paths, Usage.ZMK, parts)
    for path, part in zip(paths, parts, strict=True):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert load_part(path) == part.value
    key = xor(xor(*(bytes(part.value) for part in parts[:2])), bytes(parts[2].value))
    assert HSM.check_value(Usage.ZMK, form(HSM, Usage.ZMK, parts, "tdes")) == kcv(key)
    for part in parts:
        part.wipe()
        assert not any(part.value)


def test_no_file_is_overwritten_and_none_is_left(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    paths[2].write_text("mine")
    with pytest.raises(OfficeError, match="no part was written"):
        write_parts(paths, Usage.ZMK, draw_parts(HSM, Usage.ZMK, 3, "tdes", 16))
    assert [path.exists() for path in paths] == [False, False, True]
    assert paths[2].read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be 32, 48 or 64 hex digits"),
        (VALUE.hex()[:-1], "must be"),
        (VALUE.hex() + "0", "must be"),
        (f"{VALUE.hex()}\ncheck value 00000000\n", "check value does not fit"),
    ],
)
def test_files_that_hold_no_part(tmp_path, text, said):
    path = tmp_path / "part"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(OfficeError, match=said) as refused:
        load_part(path)
    assert VALUE.hex()[4:20] not in str(refused.value)


def test_a_part_that_others_may_read_is_known(tmp_path):
    path = tmp_path / "part"
    path.write_text(VALUE.hex())
    path.chmod(0o640)
    with pytest.raises(OfficeError, match="its part is known"):
        load_part(path)
    path.chmod(0o600)
    assert load_part(path) == VALUE
    with pytest.raises(OfficeError, match="is not a file"):
        load_part(_no_file(tmp_path))
    with pytest.raises(OfficeError, match="cannot be read"):
        load_part(tmp_path / "gone")


def _no_file(folder):
    """A file that is none, and that nobody waits for."""
    (folder / "link").symlink_to(os.devnull)
    return folder / "link"


@pytest.mark.parametrize("count", [-1, 0, 1, 10])
def test_one_person_alone_may_not_know_a_key(count):
    with pytest.raises(OfficeError, match="--parts: must be 2 to 9"):
        draw_parts(HSM, Usage.ZMK, count, "tdes", 16)


def test_parts_that_make_no_key():
    same = [Part("Chen", bytearray(VALUE), "tdes"), Part("Wang", bytearray(VALUE), "tdes")]
    with pytest.raises(OfficeError, match="weak key"):
        form(HSM, Usage.ZMK, same, "tdes")
    with pytest.raises(OfficeError, match="one length"):
        form(HSM, Usage.ZMK, [same[0], Part("Wang", bytearray(24), "tdes")], "tdes")
    assert repr(same[0]) == f"Part(Chen {kcv(VALUE).hex().upper()})"
