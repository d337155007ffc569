"""posswitch support-bundle: what is in it, that nothing secret is, that a member with a leak is left out."""

import base64
import json
import os
import tarfile
import time

import pytest
import traffic
from cli_runs import one_line, posswitch

from leak_search import Search, leaks
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.vault import Vault
from posswitch.diagnose.incident import Deed, Evidence, Tier
from posswitch.diagnose.shelf import SHELF
from posswitch.edge.start import journal_key
from posswitch.office import bundle as room
from posswitch.office.bundle import BYTES_MAX, MEMBER_BYTES_MAX, MEMBERS, Member
from posswitch.office.places import places_of
from posswitch.office.scan_finding import weak
from posswitch.office.scan_results import Result, keep
from posswitch.settings.config import load_config
from posswitch.settings.secret import read_secret
from posswitch.sim.city import SECRET_FILE

TRACK = f"{traffic.CARDS[0]}=30122010000012345"
WORKING = bytes.fromhex("0BADC0DE5EC2E7F00D1E57AB1E5C0FFE")


@pytest.fixture
def troubled(town):
    """An open incident, and a log that somebody has spilt secrets into."""
    lines = 'lines = ["SZ-4711/CT/2048", "SZ-4712/CT/2048"]'
    town.edit(r'^id = "90010000"$', rf'\g<0>\ncontact = "Ms Li"\nphone = "010-5551234"\n{lines}')
    town.lives()
    town.incident()
    return town


def secrets_of(town):
    """Everything that may not be in a bundle, as the city knows it."""
    config = load_config(town.config, serve=False)
    root = read_secret(town.folder / SECRET_FILE)
    vault = Vault(root, os.urandom)
    found = {f"PAN {card}": card for card in traffic.CARDS}
    found |= {"root": root, "track": TRACK, "working key": WORKING, "journal key": journal_key(vault)}
    found |= {f"wrapped {place}": wrapped for place, wrapped in places_of(config.registry)}
    assert SoftHsm(root, os.urandom)
    return found


def packed(capsys, town, *words):
    to = town.folder / "bundle.tar.gz"
    ended = posswitch(capsys, "support-bundle", "-c", town.config, "--to", to, *words)
    return ended, to


def opened(path, folder):
    folder.mkdir()
    with tarfile.open(path) as tar:
        tar.extractall(folder, filter="data")
    return folder / "posswitch-support"


def test_what_is_in_it(capsys, troubled, tmp_path):
    ended, path = packed(capsys, troubled)
    assert (ended.code, ended.err) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o600
    inside = opened(path, tmp_path / "open")
    names = {one.name for one in inside.iterdir()}
    assert names == {"README.txt", *(one.name for one in MEMBERS)} - {"node.log"}
    assert "node.log  -  " in ended.out
    readme = (inside / "README.txt").read_text()
    assert "contact: Ms Li 010-5551234 SZ-4711, SZ-4712" in readme
    assert readme.startswith("交换中心正常\nAll is well\n")
    assert "incidents: 1 incidents are open: #1 net-issuer-link-down; posswitch incident N" in readme
    assert readme.index("#1 ") < readme.index("versions.json")
    assert "card number × 3" in readme and "root × 1" in readme
    configuration = json.loads((inside / "configuration.json").read_text())
    assert configuration["bank"][0]["zpk"] == "[key, 88 characters]"
    assert configuration["bank"][0]["name_zh"] == "甲银行"
    journal = json.loads((inside / "journal.json").read_text())
    assert journal["head"]["record"] == journal["newest"]["record"] == journal["rows"]["journal"]
    assert "body" not in journal
    (one,) = json.loads((inside / "incidents.json").read_text())
    assert len(one["steps"]) == 2
    assert len((inside / "gauges.jsonl").read_text().splitlines()) > 1
    assert "#1 confirmed" in (inside / "incident.log").read_text()
    assert all("check" in row for row in json.loads((inside / "keys.json").read_text()))


def test_planted_secrets_are_not_in_it(capsys, troubled, tmp_path):
    secrets = secrets_of(troubled)
    lines = []
    for secret in secrets.values():
        raw = secret if isinstance(secret, bytes) else secret.encode()
        lines += [raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode()]
        lines += [secret] if isinstance(secret, str) else [repr(raw), raw.decode("latin-1")]
    log = troubled.data / "node.log"
    log.write_text("\n".join(json.dumps({"event": "spilt", "what": line}) for line in lines), "utf-8")
    troubled.config.write_text(troubled.config.read_text() + f"\n# {traffic.CARDS[1]}\n")
    deed = Deed("notify", traffic.CARDS[1], Tier.AUTOMATIC, "failed", 1, note=f"key {WORKING.hex()}")
    seen = Evidence("no-answer", {"card": TRACK, "share": 0.4929001000029358}, 1.0)
    troubled.incident(2, deeds=(deed,), supports=(seen,))
    keep(troubled.data, Result(time.time_ns(), "2026-01-01", [weak("swap", TRACK, traffic.CARDS[0])]))
    planted = set(Search(secrets).of(log.read_bytes() + troubled.config.read_bytes()))
    assert len(planted) > 2 * len(secrets), "the plants can be found"
    ended, path = packed(capsys, troubled)
    assert (ended.code, ended.err) == (0, ""), ended.out
    inside = opened(path, tmp_path / "open")
    assert "spilt" in (inside / "node.log").read_text()
    assert "track" in (inside / "incidents.json").read_text()
    for name in ("incidents.json", "scan.json", "capacity.json"):
        assert json.loads((inside / name).read_text())
    assert leaks(inside, secrets) == []


@pytest.mark.parametrize("how", ["card", "packed card", "root", "hex", "base64", "wrapped", "private"])
def test_a_leak_is_left_out(capsys, troubled, monkeypatch, tmp_path, how):
    """A member that is not masked: the proof finds what stands in it, in any spelling."""
    secrets = secrets_of(troubled)
    root, card = secrets["root"], traffic.CARDS[2]
    leak = {
        "card": card.encode(),
        "packed card": bytes.fromhex(card),
        "root": root,
        "hex": root.hex().encode(),
        "base64": base64.b64encode(root),
        "wrapped": next(value for name, value in secrets.items() if name.startswith("wrapped")),
        "private": b"-----BEGIN PRIVATE KEY-----",
    }[how]
    bad = Member("bad.txt", "坏", "bad", lambda _: "bad")
    monkeypatch.setattr(room, "MEMBERS", (*MEMBERS, bad))
    monkeypatch.setattr(
        room, "_bounded", lambda data: b"before " + leak + b" after" if data == b"bad\n" else data
    )
    ended, path = packed(capsys, troubled)
    assert ended.code == 1
    assert "bad.txt  -  left out: " in ended.out
    inside = opened(path, tmp_path / "open")
    assert not (inside / "bad.txt").exists()
    assert "left out: " in (inside / "README.txt").read_text()
    assert leaks(inside, secrets) == []
    assert card not in ended.out and root.hex() not in ended.out


def test_a_sealed_secret_is_said(capsys, troubled):
    troubled.seal()
    ended, _ = packed(capsys, troubled)
    assert ended.code == 0
    assert "The secret was sealed" in ended.out
    assert "root × 1" not in ended.out


def test_it_is_bounded(capsys, troubled, tmp_path):
    line = json.dumps({"event": "x" * 900})
    (troubled.data / "node.log").write_text(f"{line}\n" * 9_000)
    ended, path = packed(capsys, troubled)
    assert ended.code == 0
    inside = opened(path, tmp_path / "open")
    assert all(one.stat().st_size <= MEMBER_BYTES_MAX for one in inside.iterdir())
    assert (inside / "node.log").stat().st_size > MEMBER_BYTES_MAX // 2
    assert path.stat().st_size <= BYTES_MAX


def test_what_is_too_long_keeps_both_ends():
    data = room._bounded(b"first\n" + "线".encode() * MEMBER_BYTES_MAX + b"last\n")
    assert len(data) <= MEMBER_BYTES_MAX
    assert data.startswith(b"first") and data.endswith(b"last\n") and b"bytes left out" in data


def test_a_file_that_is_there_is_not_written_over(capsys, troubled):
    (troubled.folder / "bundle.tar.gz").write_text("mine")
    ended, path = packed(capsys, troubled)
    assert (ended.code, one_line(ended.err), path.read_text()) == (2, True, "mine")


@pytest.mark.parametrize("words", [("--incident", 99), ("--incident", 0)])
def test_an_incident_that_is_none(capsys, troubled, words):
    ended, path = packed(capsys, troubled, *words)
    assert ended.code == 2
    assert not path.exists()


@pytest.mark.parametrize("name", ["journal.db", "vitals.db", SHELF, "office.db", "journal.head", "scans"])
def test_damaged_files_are_missing_members_with_a_reason(capsys, troubled, tmp_path, name):
    for beside in troubled.data.glob(f"{name}-*"):
        beside.unlink()
    path = troubled.data / name
    if path.is_dir():
        for one in path.iterdir():
            one.write_text("{")
    else:
        path.write_bytes(b"no such file " * 400)
    ended, made = packed(capsys, troubled)
    assert (ended.code, ended.err) == (0, "")
    assert "Traceback" not in ended.out
    readme = (opened(made, tmp_path / "open") / "README.txt").read_text()
    assert readme.strip()[0] not in "-["


def test_a_secret_in_the_readme_stops_it(capsys, troubled, monkeypatch):
    card = traffic.CARDS[2]
    monkeypatch.setattr(room, "text_of", lambda made: made.encode() + card.encode() * ("支持包" in made))
    ended, path = packed(capsys, troubled)
    assert (ended.code, one_line(ended.err), card in ended.err) == (2, True, False)
    assert not path.exists()
