"""With real cards nothing is kept in the open by accident: `check` and the start say so at its line."""

import pytest
from good_config import GOOD, SECRET, line_of, write_config

from posswitch.base.errors import ConfigError
from posswitch.settings import production
from posswitch.settings.config import examine, load_config
from posswitch.settings.finding import ERROR, NOTE, WARNING
from posswitch.settings.machine import SOFTWARE_KEYS
from posswitch.settings.memory import swaps
from posswitch.settings.secret import write_secret

REAL = GOOD.replace('secret = "secret.key"', 'secret = "secret.key"\nproduction = true')
ACCEPTED = f'[hsm]\nsoftware = "{SOFTWARE_KEYS}"\n\n[timers]'


def test_keys_in_software_are_an_error_until_somebody_accepts_them(tmp_path):
    refused = examine(write_config(tmp_path, REAL))
    (error,) = refused.of(ERROR)
    assert error.line == line_of("production = true", REAL)
    assert SOFTWARE_KEYS in error.remedy
    text = REAL.replace("[timers]", ACCEPTED)
    examined = examine(write_config(tmp_path, text))
    assert examined.of(ERROR) == []
    (warning,) = [one for one in examined.of(WARNING) if one.name == "hsm.software"]
    assert warning.line == line_of("software =", text)
    assert load_config(tmp_path / "switch.toml").production


def test_an_hsm_behind_the_network_is_what_is_wanted(tmp_path):
    text = REAL.replace("[timers]", '[hsm]\nlinks = ["clear://127.0.0.1:1500"]\n\n[timers]')
    (said,) = examine(write_config(tmp_path, text)).of(ERROR)
    assert (said.name, said.line) == ("[hsm]", line_of("[hsm]", text))
    assert "none of the" in said.what


def test_a_plain_secret_is_an_error_and_the_start_says_it(tmp_path):
    path = write_config(tmp_path, REAL.replace("secret.key", "plain.key").replace("[timers]", ACCEPTED))
    write_secret(tmp_path / "plain.key", SECRET)
    (error,) = examine(path).of(ERROR)
    assert (error.line, error.name) == (line_of("secret ="), "node.secret")
    assert error.remedy == f"seal it: posswitch secret seal {tmp_path / 'plain.key'}"
    with pytest.raises(ConfigError, match=r"seal it: posswitch secret seal"):
        load_config(path)
    assert load_config(path, serve=False).production, "a look at it needs no sealed secret"


def test_without_production_it_is_a_note_and_nothing_is_asked_of_the_keys(tmp_path):
    path = write_config(tmp_path, GOOD.replace("secret.key", "plain.key"))
    write_secret(tmp_path / "plain.key", SECRET)
    (note,) = examine(path).findings
    assert (note.severity, note.line) == (NOTE, line_of("secret ="))
    text = GOOD.replace("[timers]", ACCEPTED)
    assert examine(write_config(tmp_path, text)).findings == []


def test_clear_text_of_this_machine_is_a_warning_with_real_cards(tmp_path):
    text = REAL.replace("[timers]", ACCEPTED)
    examined = examine(write_config(tmp_path, text))
    clear = [one for one in examined.of(WARNING) if "clear text" in one.what]
    assert [one.line for one in clear] == [
        at for at, line in enumerate(text.splitlines(), 1) if "clear://" in line
    ]
    assert len(clear) == 3


@pytest.mark.parametrize(("rows", "swapping"), [(1, False), (2, True), (0, False)])
def test_whether_a_machine_swaps_is_read_from_its_table(tmp_path, rows, swapping):
    table = tmp_path / "swaps"
    table.write_text("".join(["Filename Type Size Used Priority\n", "/dev/dm-1 partition 1 0 -2\n"][:rows]))
    assert swaps(table) is swapping
    assert not swaps(tmp_path / "gone")


@pytest.mark.parametrize(
    ("swapping", "may", "said"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_memory_that_may_be_swapped_out_is_a_warning(tmp_path, monkeypatch, swapping, may, said):
    monkeypatch.setattr(production, "swaps", lambda: swapping)
    monkeypatch.setattr(production, "may_lock", lambda: may)
    examined = examine(write_config(tmp_path, REAL.replace("[timers]", ACCEPTED)))
    assert any("LimitMEMLOCK" in one.remedy for one in examined.of(WARNING)) is said
    assert examine(write_config(tmp_path)).findings == []


@pytest.mark.parametrize(
    ("put", "said"),
    [
        ('[hsm]\nlinks = ["clear://127.0.0.1:1500"]\ntimeout = 99.0\n', "write a number from 0.05 to 10"),
        ("[keys]\nmisfits = 1\n", "write a whole number from 2 to 1000"),
        ('[office]\nmay_show_cards = ["  "]\n', "at most 50 people, 2 to 30 characters each"),
        ('[office]\nmay_show_cards = [""]\n', "at most 50 people, 2 to 30 characters each"),
        ('[office]\nmay_show_cards = ["--"]\n', "at most 50 people, 2 to 30 characters each"),
    ],
)
def test_what_may_stand_there_is_said_as_it_is(tmp_path, put, said):
    examined = examine(write_config(tmp_path, GOOD.replace("[limits]", f"{put}\n[limits]")))
    assert any(said in one.remedy for one in examined.of(ERROR))
