"""posswitch scan: words, exit codes, kept results, and the scan beside a running switch."""

import contextlib
import json
import os
import socket
import tomllib
from pathlib import Path

import pytest
from cli_runs import one_line, posswitch
from hypothesis import given
from hypothesis import strategies as st
from scan_site import Site
from test_cli_run import PATIENCE_S, node_pid, started, until

from posswitch.base.errors import OfficeError
from posswitch.cli import scan as scan_command
from posswitch.office import scan_results, scan_versions
from posswitch.office.scan_finding import PROC, weak
from posswitch.office.scan_keys import guessable
from posswitch.office.scan_ports import listeners
from posswitch.office.scan_results import Result, keep, last
from posswitch.office.scan_versions import _read, holes
from posswitch.sim.city import build_city


@pytest.fixture
def city(tmp_path):
    tmp_path.chmod(0o755)
    return build_city(tmp_path, 1, 2)


def test_each_finding_has_its_place_sentences_and_fix(capsys, city):
    city.config.chmod(0o666)
    ended = posswitch(capsys, "scan", "-c", city.config)
    assert ended.code == 1
    lines = ended.out.splitlines()
    at = lines.index(f"warning: file-rights: {city.config.resolve()}")
    assert "修改" in lines[at + 1]
    assert "others may change it" in lines[at + 2]
    assert lines[at + 3] == f"    fix / 处理: chmod 644 {city.config.resolve()}"
    assert f"known as of {holes().as_of}, nothing newer was asked" in lines[-1]


@pytest.mark.parametrize(
    ("lang", "there", "away"), [("zh", "修改", "others may"), ("en", "others may", "修改")]
)
def test_one_language(capsys, city, lang, there, away):
    city.config.chmod(0o666)
    out = posswitch(capsys, "scan", "-c", city.config, "--lang", lang).out
    assert there in out
    assert away not in out


def test_fixes_alone_can_be_run(capsys, city):
    city.config.chmod(0o666)
    ended = posswitch(capsys, "scan", "-c", city.config, "--fix-only", "file-rights")
    assert (ended.code, ended.out) == (1, f"chmod 644 {city.config.resolve()}\n")
    city.config.chmod(0o644)
    ended = posswitch(capsys, "scan", "-c", city.config, "--fix-only", "file-rights")
    assert (ended.code, ended.out.strip()) == (0, "")
    ended = posswitch(capsys, "scan", "-c", city.config, "--fix-only", "file-right")
    assert (ended.code, one_line(ended.err)) == (2, True)


def test_json(capsys, city):
    document = json.loads(posswitch(capsys, "scan", "-c", city.config, "--json").out)
    (one,) = [one for one in document["findings"] if one["name"] == "trial-setting"]
    assert (one["severity"], one["fix"], one["into"]) == ("note", "production = true", "node")
    assert document["holes_as_of"] == holes().as_of.isoformat()


def test_notes_alone_are_exit_0(capsys, monkeypatch, city):
    note = Result(1, "2026-01-01", [weak("core-files", "x", "y")])
    monkeypatch.setattr(scan_command, "scan_now", lambda *_: note)
    assert posswitch(capsys, "scan", "-c", city.config).code == 0


@pytest.mark.parametrize("text", [None, "no = toml = at all", "[[["])
def test_what_cannot_be_looked_at_is_exit_2(capsys, tmp_path, text):
    file = tmp_path / "x.toml"
    if text is not None:
        file.write_text(text)
    ended = posswitch(capsys, "scan", "-c", file)
    assert (ended.code, ended.out, one_line(ended.err)) == (2, "", True)


@pytest.mark.parametrize(
    "text", ["", "node = 3", "[node]\nsecret = 7\ndata = []", '[node]\ndata = "a\\u0000b"']
)
def test_an_odd_configuration_is_one_finding_and_no_accident(capsys, tmp_path, text):
    file = tmp_path / "x.toml"
    file.write_text(text)
    ended = posswitch(capsys, "scan", "-c", file, "--json")
    assert ended.code == 1
    assert "configuration" in [one["name"] for one in json.loads(ended.out)["findings"]]


def test_the_last_result_says_what_is_new_and_gone(capsys, city):
    ended = posswitch(capsys, "scan", "-c", city.config, "--last")
    assert (ended.code, one_line(ended.err)) == (2, True)
    posswitch(capsys, "scan", "-c", city.config, "--keep")
    assert json.loads(posswitch(capsys, "scan", "-c", city.config, "--last", "--json").out)["new"] == []
    city.config.chmod(0o666)
    city.data.chmod(0o700)
    posswitch(capsys, "scan", "-c", city.config, "--keep")
    document = json.loads(posswitch(capsys, "scan", "-c", city.config, "--last", "--json").out)
    assert "file-rights" in [one["name"] for one in document["new"]]
    city.config.chmod(0o644)
    posswitch(capsys, "scan", "-c", city.config, "--keep")
    out = posswitch(capsys, "scan", "-c", city.config, "--last").out
    assert f"gone / 已消失: file-rights: {city.config.resolve()}" in out.splitlines()


def test_thirty_results_are_kept(tmp_path):
    for at_ns in range(40):
        keep(tmp_path, Result(at_ns, "2026-01-01", [weak("swap", str(at_ns), "swapoff -a")]))
    files = sorted((tmp_path / scan_results.FOLDER).iterdir())
    assert len(files) == scan_results.KEPT_MAX
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    since = last(tmp_path)
    assert [one.where for one in (*since.new, *since.gone)] == ["39", "38"]
    files[-1].write_text("{")
    with pytest.raises(OfficeError, match="remove it"):
        last(tmp_path)


def test_run_scans_beside_the_node_and_the_scan_ends_with_it(capsys, city):
    city.config.write_text(city.config.read_text() + "\n[scan]\nevery = 1\n")
    with started(city) as process:
        assert until(lambda: list((city.data / "scans").glob("*.json")))
        pid = scanner(city)
        assert pid is not None
        assert node_pid(city) is not None
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert scanner(city) is None
    found = json.loads(posswitch(capsys, "scan", "-c", city.config, "--last", "--json").out)["findings"]
    assert "trial-setting" in [one["name"] for one in found]


def test_a_scan_ends_when_the_switch_was_killed(city):
    city.config.write_text(city.config.read_text() + "\n[scan]\nevery = 1\n")
    with started(city) as process:
        assert until(lambda: scanner(city) is not None)
        process.kill()
        process.wait()
        assert until(lambda: scanner(city) is None)


def scanner(city):
    """The process that scans beside this city's node."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"scan" in words and os.fsencode(city.config) in words:
                return int(process.name)
    return None


def test_to_follow_needs_a_number_of_hours(capsys, city):
    ended = posswitch(capsys, "scan", "-c", city.config, "--follow")
    assert (ended.code, one_line(ended.err)) == (2, True)


def test_a_sealed_secret_is_not_asked_for(tmp_path, capsys):
    site = Site(tmp_path)
    assert site.sh(f"posswitch secret seal {tmp_path / 'secret.key'}").returncode == 0
    said = site.sh(f"posswitch scan -c {site.config} --json < /dev/null")
    assert said.returncode == 1
    assert "keys-unseen" in [one["name"] for one in json.loads(said.stdout)["findings"]]


def test_listeners_are_read_as_the_kernel_writes_them(tmp_path):
    (tmp_path / "net").mkdir()
    head = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    )
    row = "   0: {} {} {} 00000000:00000000 00:00000000 00000000     0        0 {} 1\n"
    (tmp_path / "net" / "tcp").write_text(
        head
        + row.format("0100007F:1F90", "00000000:0000", "0A", 7)
        + row.format("0100007F:1F91", "0:0", "01", 8)
    )
    (tmp_path / "net" / "tcp6").write_text(head + row.format("0" * 32 + ":0016", "0" * 32 + ":0000", "0A", 9))
    assert [(str(one), one.inode) for one in listeners(tmp_path)] == [
        ("127.0.0.1:8080", "7"),
        ("[::]:22", "9"),
    ]
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[1] in [one.port for one in listeners(PROC)]


@given(st.binary(min_size=32, max_size=32))
def test_a_secret_that_nobody_guesses_is_not_called_so(root):
    steps = {(root[at + 1] - root[at]) % 256 for at in range(31)}
    if len(steps) > 1 and root[:16] != root[16:] and not root.isascii():
        assert guessable(root) == ""


@pytest.mark.parametrize(
    "root",
    [bytes(32), b"\xff" * 32, bytes(range(32)), bytes(range(255, 223, -1)), bytes(range(0, 96, 3)),
     b"0123456789abcdef" * 2, b"\x01\x02" * 16, b"a passphrase that is 32 bytes !!"],
)  # fmt: skip
def test_guessable_secrets(root):
    assert guessable(root)


def test_the_list_of_holes_says_how_old_it_is_and_where_from():
    file = Path(scan_versions.__file__).parent / "data" / "holes.toml"
    assert tomllib.loads(file.read_text())["as_of"] == holes().as_of
    assert holes().sources
    for hole in holes().hole:
        assert _read(hole.since) < _read(hole.until)
    assert {hole.product for hole in holes().hole} >= {"openssl", "python", "sqlite", "cryptography"}


@pytest.mark.parametrize(
    ("version", "read"), [("3.0.19", (3, 0, 19)), ("3.12.0rc1", (3, 12, 0)), ("x", ()), ("", ())]
)
def test_versions_are_read(version, read):
    assert _read(version) == read
