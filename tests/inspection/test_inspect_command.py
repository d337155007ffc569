"""posswitch inspect: words, exit codes, what is kept, and the companion beside a running switch."""

import contextlib
import json
import os
import threading
import time
from pathlib import Path

import pytest
from cli_runs import one_line, posswitch
from inspection_town import ShiftedClock, checks, know_holes
from test_cli_run import PATIENCE_S, started, until

from posswitch.base.moment import NS_PER_S, stamp
from posswitch.cli import inspect as command
from posswitch.cli.inspect import due_ns
from posswitch.edge.process import SUPERVISOR
from posswitch.office import inspection
from posswitch.office.inspection import FOLDER, KEPT_MAX, keep
from posswitch.sim.city import build_city


@pytest.fixture(autouse=True)
def no_holes(monkeypatch):
    know_holes(monkeypatch)


def test_nothing_wrong_is_exit_0_and_something_is_1(capsys, town):
    town.lives()
    ended = posswitch(capsys, "inspect", "-c", town.config)
    assert (ended.code, ended.err) == (0, "")
    for words in (
        "巡检 1 ",
        "[正常] 线路：全部线路可用：4/4",
        "inspection of 1 at",
        "[well] links: all links serve",
    ):
        assert words in ended.out
    town.guarded("force", 600)
    ended = posswitch(capsys, "inspect", "-c", town.config)
    assert ended.code == 1
    assert f"    do: posswitch guards -c {town.config} says what to do" in ended.out


@pytest.mark.parametrize(("lang", "there", "away"), [("zh", "线路", "links"), ("en", "links", "线路")])
def test_one_language(capsys, town, lang, there, away):
    town.lives()
    out = posswitch(capsys, "inspect", "-c", town.config, "--lang", lang).out
    assert there in out
    assert away not in out
    assert out.count("\n") >= len(checks())


def test_json_has_a_line_for_each_check(capsys, town):
    town.lives()
    document = json.loads(posswitch(capsys, "inspect", "-c", town.config, "--json").out)
    assert [line["check"] for line in document["lines"]] == checks()
    (one,) = [line for line in document["lines"] if line["check"] == "head"]
    assert (one["standing"], one["name"], one["check_zh"]) == ("well", "head.fits", "账本头")
    assert one["figures"]["last"] == one["figures"]["records"]
    assert document["node"] == "1"


def test_what_is_kept_is_what_was_said(capsys, town):
    town.lives()
    said = json.loads(posswitch(capsys, "inspect", "-c", town.config, "--keep", "--json").out)
    (path,) = (town.data / FOLDER).glob("*.json")
    assert json.loads(path.read_text()) == said
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_bounded_number_is_kept(tmp_path):
    for at_ns in range(KEPT_MAX + 5):
        keep(tmp_path, at_ns, {"at": str(at_ns)})
    files = sorted((tmp_path / FOLDER).glob("*.json"))
    assert len(files) == KEPT_MAX
    assert json.loads(files[0].read_text()) == {"at": "5"}


@pytest.mark.parametrize("text", [None, "no = toml = at all", "", "[inspect]\nat = 6"])
def test_what_cannot_be_read_is_one_line(capsys, tmp_path, text):
    file = tmp_path / "x.toml"
    if text is not None:
        file.write_text(text)
    ended = posswitch(capsys, "inspect", "-c", file)
    assert (ended.code, ended.out, one_line(ended.err)) == (2, "", True)


def test_to_follow_needs_a_time(capsys, town):
    ended = posswitch(capsys, "inspect", "-c", town.config, "--follow")
    assert (ended.code, one_line(ended.err), "06:00" in ended.err) == (2, True, True)


@pytest.mark.parametrize("at", ["6:00", "24:00", "06:60", "noon"])
def test_a_time_that_is_none_is_a_mistake_with_its_line(capsys, town, at):
    town.config.write_text(town.config.read_text() + f'\n[inspect]\nat = "{at}"\n')
    ended = posswitch(capsys, "check", "-c", town.config)
    assert ended.code == 1
    assert "inspect.at" in ended.out


@pytest.mark.parametrize(("at", "wait_s"), [("06:00", 3600), ("05:00", 86_400), ("04:59", 86_340)])
def test_the_next_time_is_in_the_future(at, wait_s):
    now_ns = 1_800_046_800 * NS_PER_S  # 05:00 in Beijing
    assert stamp(now_ns).time == "050000"
    assert due_ns(at, now_ns) - now_ns == wait_s * NS_PER_S


def test_it_is_kept_when_its_time_has_come(town, monkeypatch):
    """The clock is shifted so that the time comes in a moment; the wait ends with the first report."""
    town.config.write_text(town.config.read_text() + '\n[inspect]\nat = "06:00"\n')
    shift_s = (due_ns("06:00", time.time_ns()) - time.time_ns()) / NS_PER_S - 1
    waits = []

    class Wait(threading.Event):
        def wait(self, timeout=None):
            time.sleep(0.05)
            waits.append(timeout)
            return bool(list((town.data / FOLDER).glob("*.json"))) or len(waits) > 600

    monkeypatch.setattr(command.threading, "Event", Wait)
    monkeypatch.setattr(command, "SystemClock", lambda: ShiftedClock(shift_s))
    monkeypatch.setattr(command.os, "nice", lambda _: None)
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    monkeypatch.delenv(SUPERVISOR, raising=False)
    command._follow(town.config)
    (path,) = (town.data / FOLDER).glob("*.json")
    assert " 06:00:0" in json.loads(path.read_text())["at"]
    assert len(waits) > 10, "not before its time"


def test_run_starts_it_and_it_ends_with_the_node(tmp_path):
    city = build_city(tmp_path, 1, 2)
    city.config.write_text(city.config.read_text() + '\n[inspect]\nat = "06:00"\n')
    with started(city) as process:
        assert until(lambda: inspector(city) is not None)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert until(lambda: inspector(city) is None)


def inspector(city):
    """The process that inspects beside this city's node."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"inspect" in words and os.fsencode(city.config) in words:
                return int(process.name)
    return None


def test_a_row_more_is_a_line_more(capsys, town, monkeypatch):
    more = inspection.Check("links", "又一项", "one more", inspection.CHECKS[1].look)
    monkeypatch.setattr(inspection, "CHECKS", (*inspection.CHECKS, more))
    document = json.loads(posswitch(capsys, "inspect", "-c", town.config, "--json").out)
    assert len(document["lines"]) == len(checks()) + 1
