"""The root goes from parent to child through a pipe: not in words, not to grandchildren."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from good_config import SECRET

from posswitch.base.errors import ConfigError
from posswitch.settings import handing
from posswitch.settings.handing import VARIABLE, handed, take_handed
from posswitch.settings.secret import write_secret

TAKEN = """
import json, os, subprocess, sys
from pathlib import Path
from posswitch.settings.handing import take_handed
from posswitch.settings.secret import KEPT, read_secret
before = Path("/proc/self/environ").read_bytes() + Path("/proc/self/cmdline").read_bytes()
take_handed()
grandchild = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True, close_fds=False).stdout
root = read_secret(Path(sys.argv[1]))
print(json.dumps({
    "root": root.hex(),
    "shown": root in before or root.hex().encode() in before,
    "environment": sorted(name for name in os.environ if name.startswith("POSSWITCH")),
    "grandchild": grandchild.split(),
}))
"""


def child(path, **more):
    with handed(path, **more) as given:
        started = subprocess.Popen(
            [sys.executable, "-c", TAKEN, str(path)], stdout=subprocess.PIPE, text=True, **given
        )
    said, _ = started.communicate(timeout=20)
    return json.loads(said)


def test_a_child_has_the_root_without_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(handing, "read_secret", lambda _path: SECRET)
    said = child(tmp_path / "locked away" / "geheim 密.key", POSSWITCH_SUPERVISOR="1")
    assert said["root"] == SECRET.hex()
    assert not said["shown"]
    assert said["environment"] == ["POSSWITCH_SUPERVISOR"]
    assert len(said["grandchild"]) == 4, "three streams and the folder itself"


def test_a_pipe_is_for_one_child_and_leaves_nothing_open(tmp_path):
    write_secret(tmp_path / "secret.key", SECRET)
    before = sorted(one.name for one in Path("/proc/self/fd").iterdir())
    for _ in range(5):
        assert child(tmp_path / "secret.key")["root"] == SECRET.hex()
    assert sorted(one.name for one in Path("/proc/self/fd").iterdir()) == before


def test_a_name_that_no_pipe_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(handing, "read_secret", lambda _path: SECRET)
    with pytest.raises(ConfigError, match="too long"), handed(tmp_path / ("n" * 9000)):
        pass


def test_without_a_pipe_nothing_is_taken(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    take_handed()


@pytest.mark.parametrize("message", [b"", SECRET, b"x" * 9000])
def test_a_pipe_that_holds_no_root_is_refused(monkeypatch, message):
    reader, writer = os.pipe()
    os.write(writer, message)
    os.close(writer)
    monkeypatch.setenv(VARIABLE, str(reader))
    with pytest.raises(ConfigError, match="holds no secret"):
        take_handed()
    assert VARIABLE not in os.environ


@pytest.mark.parametrize("number", ["", "x", "999"])
def test_a_number_that_is_no_pipe_is_refused(monkeypatch, number):
    monkeypatch.setenv(VARIABLE, number)
    with pytest.raises(ConfigError, match="start with posswitch run"):
        take_handed()
