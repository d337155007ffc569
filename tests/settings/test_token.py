"""A PKCS#11 token: what it seals only it opens, and nobody gets its key or hears its PIN."""

import sys
from pathlib import Path

import pytest

from posswitch.base.errors import ConfigError
from posswitch.settings.token import BOX_BYTES, KEY_LABEL, Token, held_text, is_held, read_held
from soft_token import LIBRARY, PIN, Tokens, needs_softhsm

ROOT = bytes(range(50, 82))
SEALS = f"token.seal(bytes.fromhex({ROOT.hex()!r}))"


def opens(box):
    return f"token.open(bytes.fromhex({box!r}))"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """Three tokens: two with a key, one without."""
    needs_softhsm()
    found = Tokens(tmp_path_factory.mktemp("tokens"))
    for label in ("one", "two", "empty"):
        found.add(label)
    for label in ("one", "two"):
        assert found.ask(label, "token.make_key()") == "None"
    return found


@pytest.fixture
def box(tokens):
    return tokens.ask("one", SEALS)


def test_what_a_token_seals_it_opens_in_another_process(tokens, box):
    assert len(bytes.fromhex(box)) == BOX_BYTES
    assert ROOT.hex() not in box
    assert tokens.ask("one", opens(box)) == ROOT.hex()
    assert tokens.ask("one", SEALS) != box


def test_another_token_does_not_open_it(tokens, box):
    assert tokens.ask("two", opens(box)) == (
        "token two: does not open the box: damaged, or sealed by another token's key"
    )


def test_a_copied_disk_opens_nothing(tokens, box, tmp_path):
    """All files of the node, and the PIN, without the token."""
    thief = Tokens(tmp_path)
    assert thief.ask("one", opens(box)).startswith("token one: there is no such token")
    thief.add("one")
    assert thief.ask("one", opens(box)).startswith(f"token one: has no key {KEY_LABEL!r}")
    assert thief.ask("one", "token.make_key()") == "None"
    assert "does not open the box" in thief.ask("one", opens(box))


def test_a_changed_box_does_not_open(tokens, box):
    changed = [box[:at] + f"{int(box[at], 16) ^ 1:x}" + box[at + 1 :] for at in range(0, len(box), 9)]
    for one in ("", box[:-2], box + "00", *changed):
        assert "does not open the box" in tokens.ask("one", opens(one))


def test_a_secret_file_says_which_token_opens_it(tokens):
    text = tokens.ask("one", f"held_text(token, bytes.fromhex({ROOT.hex()!r}))") + "\n"
    assert is_held(text)
    held = read_held(text)
    assert repr(held) == "<secret held by <token one>>"
    assert str(held.token).splitlines() == [
        f"library {LIBRARY}", "token one", f"pin-file {tokens.pin_file}"
    ]  # fmt: skip
    assert tokens.ask("two", f"read_held({text!r}).opened()") == ROOT.hex()
    assert PIN not in text
    for damaged in (text.replace("box ", "box 0"), text.replace(" 1\n", " 2\n", 1), text[:-3], text + "more"):
        with pytest.raises(ConfigError, match="damaged or of another release"):
            read_held(damaged)


@pytest.mark.parametrize(
    ("library", "label"), [("lib.so", "one"), (LIBRARY, "令牌"), (LIBRARY, "a\nb"), (LIBRARY, "x" * 201)]
)
def test_what_does_not_fit_into_a_secret_file_is_refused(monkeypatch, library, label):
    monkeypatch.setattr(Token, "seal", lambda token, root: bytes(BOX_BYTES))
    with pytest.raises(ConfigError, match="must be absolute"):
        held_text(Token(Path(library), label, Path("/pin")), ROOT)


def test_a_token_without_a_key_says_what_to_do(tokens):
    assert tokens.ask("empty", SEALS) == (
        f"token empty: has no key {KEY_LABEL!r}; bring back the token that has it"
    )


def test_a_key_is_not_made_twice(tokens, box):
    assert tokens.ask("one", "token.make_key()") == "None"
    assert tokens.ask("one", opens(box)) == ROOT.hex()


@pytest.mark.parametrize("given", ["EXTRACTABLE: True", "SENSITIVE: False"])
def test_a_key_that_can_be_read_out_is_not_used(tokens, given):
    label = given.partition(":")[0].lower()
    tokens.add(label)
    tokens.plant_key(label, f"{{Attribute.{given}}}")
    assert "would give its key" in tokens.ask(label, SEALS)


def test_two_keys_of_the_name_are_not_told_apart(tokens):
    tokens.add("twice")
    for _ in range(2):
        tokens.plant_key("twice", "{Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}")
    assert "has several keys" in tokens.ask("twice", SEALS)


def test_a_wrong_pin_is_tried_once_and_not_shown(tokens, box):
    tokens.write_pin("271828")
    try:
        said = tokens.ask("two", opens(box))
    finally:
        tokens.write_pin(PIN)
    assert said.startswith("token two: does not take the PIN of pin_file")
    assert "271828" not in said
    assert tokens.ask("two", SEALS)


@pytest.mark.parametrize(
    ("text", "mode", "complaint"),
    [
        (PIN, 0o640, "others may read the token's PIN; run: chmod 600"),
        ("", 0o600, "must hold the token's PIN, in one line"),
        ("1" * 300, 0o600, "must hold the token's PIN, in one line"),
        ("\udcff", 0o600, "cannot be read"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_pin_file_that_is_no_good_is_named(tmp_path, text, mode, complaint):
    path = tmp_path / "pin"
    if text is not None:
        path.touch(mode)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=complaint) as raised:
        Token(LIBRARY, "one", path).seal(ROOT)
    assert str(path) in str(raised.value)
    assert PIN not in str(raised.value)


def test_a_folder_is_no_pin_file(tmp_path):
    with pytest.raises(ConfigError, match="is not a file"):
        Token(LIBRARY, "one", tmp_path).seal(ROOT)


def test_a_library_that_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "pin").touch(0o600)
    (tmp_path / "pin").write_text(PIN)
    nothing = tmp_path / "nothing.so"
    with pytest.raises(ConfigError, match=f"{nothing}: no PKCS#11 library"):
        Token(nothing, "one", tmp_path / "pin").seal(ROOT)


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(ConfigError, match=r"install posswitch\[pkcs11\]"):
        Token(LIBRARY, "one", Path("pin")).seal(ROOT)


def test_only_a_root_is_sealed():
    with pytest.raises(ConfigError, match="must be 32 bytes"):
        Token(LIBRARY, "one", Path("pin")).seal(ROOT[:-1])


def test_it_shows_its_label_alone():
    assert repr(Token(LIBRARY, "one", Path("/etc/pin"))) == "<token one>"
