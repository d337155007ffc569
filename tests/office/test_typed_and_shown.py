"""Parts of keys at a terminal: typed and not shown, shown and not kept, broken off without a trace."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

from cli_runs import one_line
from office_ceremony import (
    BANK,
    OTHER,
    PART_1,
    PART_2,
    PROGRAM,
    WHOLE_CHECK,
)

from posswitch.base.errors import OfficeError
from posswitch.crypto.ciphers import kcv, xor
from posswitch.office.desk import Desk


def test_typed_parts_through_a_pipe(city):
    lines = f"Chen\n{PART_1.hex()}\nWang\n{PART_2.hex().upper()}\n"
    words = ["keys", "form", "ZMK", "--bank", BANK, "--by", "Chen", "--data", str(city)]
    ended = subprocess.run(
        [*PROGRAM, *words], input=lines, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert f"whole ZMK: check value {WHOLE_CHECK}" in ended.stdout
    for part in (PART_1, PART_2):
        assert part.hex() not in (ended.stdout + ended.stderr).lower()


class AtTerminal:
    """The program at a terminal of its own, as a person sees it."""

    def __init__(self, *words):
        self.screen, self._read = "", 0
        pid, self.fd = pty.fork()
        if not pid:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests may ignore it
            os.execv(PROGRAM[0], [*PROGRAM, *map(str, words)])
        self.pid = pid

    def until(self, text):
        """Returns when a text stands there that was not read before."""
        deadline = time.monotonic() + 30
        while (at := self.screen.find(text, self._read)) < 0:
            assert time.monotonic() < deadline, self.screen
            self._see()
        self._read = at + len(text)

    def _see(self):
        if select.select([self.fd], [], [], 1)[0]:
            self.screen += os.read(self.fd, 4096).decode()

    def types(self, text):
        os.write(self.fd, text.encode() + b"\n")

    def ends(self):
        deadline = time.monotonic() + 30
        with contextlib.suppress(OSError):  # nobody is at the other end any more
            while time.monotonic() < deadline:
                self._see()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_typed_part_is_not_shown(city):
    person = AtTerminal("keys", "form", "ZMK", "--bank", BANK, "--by", "Chen", "--data", city)
    for number, (name, part) in enumerate((("Chen", PART_1), ("Wang", PART_2)), 1):
        person.until(f"who brings part {number}?")
        person.types(name)
        person.until(f"part {number}, hex (not shown):")
        person.types(part.hex())
    assert person.ends() == 0
    assert f"whole ZMK: check value {WHOLE_CHECK}" in person.screen
    assert "Wang" in person.screen  # names are echoed
    for part in (PART_1, PART_2):
        assert part.hex() not in person.screen.lower()


def test_parts_are_shown_one_after_another(city, desk):
    person = AtTerminal("keys", "components", "ZMK", "--by", "Li", "--data", city)
    for number in (1, 2):
        person.until(f"part {number} of 2: its holder alone")
        assert f"part {number} of 2 of a ZMK" not in person.screen
        person.types("")
        person.until(f"part {number} of 2 of a ZMK")
        person.until("it is not shown again")
        person.types("")
    assert person.ends() == 0
    shown = [bytes.fromhex(one) for one in re.findall(r"\b[0-9A-F]{32}\b", person.screen)]
    assert len(shown) == 2
    (drawn,) = desk().ledger.acts
    assert [kcv(one).hex().upper() for one in shown] == list(drawn.checks)
    assert kcv(xor(*shown)).hex().upper() == drawn.whole
    last = person.screen.rindex(shown[-1].hex().upper())
    assert "\x1b[3J" in person.screen[last:]  # nothing to scroll back to


def test_a_drawing_that_is_broken_off_leaves_no_trace(city, desk):
    person = AtTerminal("keys", "components", "ZMK", "--by", "Li", "--data", city)
    person.until("part 1 of 2: its holder alone")
    os.write(person.fd, b"\x03")
    assert person.ends() == 130
    assert desk().ledger.acts == []


def test_parts_of_which_nothing_could_be_kept_are_removed(keys, city, tmp_path, monkeypatch):
    def refused(*_):
        raise OfficeError("no room")

    monkeypatch.setattr(Desk, "note", refused)
    files = [tmp_path / name for name in "ab"]
    said = keys("components", "ZPK", "--by", "Li", "--to", files[0], "--to", files[1])
    assert said.code == 2
    assert not any(path.exists() for path in files)


def test_parts_that_cannot_be_written_leave_no_trace(keys, tmp_path, desk):
    (tmp_path / "b").write_text("there")
    said = keys("components", "ZPK", "--by", "Li", "--to", tmp_path / "a", "--to", tmp_path / "b")
    assert said.code == 2
    assert desk().ledger.acts == []


def test_an_interrupted_ceremony_leaves_the_terminal_as_it_was(city):
    person = AtTerminal("keys", "form", "ZMK", "--bank", BANK, "--by", "Chen", "--data", city)
    person.until("who brings part 1?")
    person.types("Chen")
    person.until("part 1, hex (not shown):")
    os.write(person.fd, b"\x03")
    assert person.ends() == 130


def test_new_parts_in_files(keys, tmp_path, desk):
    files = [tmp_path / name for name in "ab"]
    said = keys("components", "ZPK", "--by", "Li", "--to", files[0], "--to", files[1])
    assert said.code == 0, said.err
    for path in files:
        digits = path.read_text().splitlines()[1]
        assert digits not in said.out
    ended = keys(
        "form", "ZPK", "--bank", OTHER, "--by", "Li", "--part", f"Chen={files[0]}", "--part", f"Wu={files[1]}"
    )
    (whole,) = set(re.findall(r"whole ZPK: check value (\w+)", said.out + ended.out))
    assert desk().ledger.acts[0].whole == whole
    assert Path(files[0]).stat().st_mode & 0o777 == 0o600


def test_who_brings_a_part_must_be_said(city):
    words = ["keys", "form", "ZMK", "--bank", BANK, "--by", "Chen", "--data", str(city)]
    ended = subprocess.run(
        [*PROGRAM, *words], input="", capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert "part 1: nobody brings it; type a name, or give --part NAME=FILE for each" in ended.stderr
    assert one_line(ended.stderr)
