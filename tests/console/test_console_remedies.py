"""Every button runs a command that there is, with options that it has; its output is bounded and masked."""

import asyncio
import time
from pathlib import Path

import pytest
import typer
from puppet import watching

from posswitch.cli.main import app
from posswitch.console import runner as room
from posswitch.console.remedies import REMEDIES, Remedies
from posswitch.console.runner import OUTPUT_CHARS_MAX, RUNS_MAX, Runner, TooMany
from posswitch.diagnose.phrases import TILES

ROOT = typer.main.get_command(app)


@pytest.fixture
def scene(puppet):
    return watching(puppet).look()


@pytest.fixture
def remedies(puppet):
    return Remedies(puppet.config.data.parent / "posswitch.toml", puppet.config)


def test_every_tile_has_remedies():
    assert REMEDIES.keys() == TILES.keys() and all(REMEDIES.values())


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_button_is_a_command_of_this_program(tile, lang, scene, remedies):
    for button in remedies.buttons(tile, scene, lang):
        command, words = ROOT, list(button.words)
        while getattr(command, "commands", None) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert command is not ROOT
        command.make_context(None, words, resilient_parsing=False)  # raises on what the command does not take


def test_what_is_ill_comes_first(puppet, remedies):
    puppet.noticed("90030000", [1])
    puppet.say()
    scene = watching(puppet).look()
    first = remedies.first("network", scene, "zh")
    assert first.words[:2] == ("ping", "90030000") and first.about == "丙银行"


def test_codes_that_terminals_see_now_are_explained_first(scene, remedies):
    codes = [button.about for button in remedies.buttons("feedback", scene, "en")]
    seen = [code for code, _ in scene.codes if code != "00"]
    assert seen and codes[: len(seen)] == seen and "96" in codes


def test_a_path_with_spaces_stays_one_word(tmp_path, puppet, scene):
    path = tmp_path / "a b" / "posswitch.toml"
    words = Remedies(path, puppet.config).buttons("faults", scene, "en")[0].words
    assert words == ("verify", "-c", str(path))


def ran(*words, while_running=None):
    """A run to its end."""

    async def whole():
        runner, heard = Runner(), []
        run = runner.start(words, lambda one: heard.append((one.output, one.code)))
        if while_running is not None:
            await while_running(run)
        while run.going:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await runner.close()
        return run, heard

    return asyncio.run(whole())


def test_a_command_runs_and_says_how_it_ended():
    run, heard = ran("explain", "96", "--lang", "en")
    assert run.code == 0 and run.output.startswith("96") and not run.cut and heard[-1] == (run.output, 0)
    run, _ = ran("explain")
    assert run.code == 2 and "Missing argument" in run.output


@pytest.fixture
def program(monkeypatch):
    """Runs a line of Python in the place of this program."""

    def instead(text):
        monkeypatch.setattr(room, "PROGRAM", (room.sys.executable, "-c", text))

    return instead


def test_output_is_bounded(program):
    program("print('x' * 1_000_000)")
    run, _ = ran("much")
    assert run.code == 0 and run.cut and len(run.output) == OUTPUT_CHARS_MAX


def test_a_card_number_is_masked_whoever_prints_it(program):
    program("print('card 6290010000293584')")
    assert "6290010000293584" not in ran("leak")[0].output


def test_what_takes_too_long_is_ended_with_all_it_started(program, monkeypatch, tmp_path):
    monkeypatch.setattr(room, "SECONDS_MAX", 0.5)
    program(
        "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); "
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); time.sleep(60)"
    )
    began = time.monotonic()
    run, _ = ran("slow")
    assert run.why == "timeout" and run.code != 0 and time.monotonic() - began < 10
    stat = Path("/proc") / (tmp_path / "pid").read_text() / "stat"
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_a_person_may_end_it(program):
    program("import time; print('begun', flush=True); time.sleep(60)")

    async def press(run):
        while "begun" not in run.output:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        run.stop()

    run, _ = ran("slow", while_running=press)
    assert run.why == "stopped" and run.output.strip() == "begun"


def test_only_so_many_run_at_once(program):
    program("import time; time.sleep(60)")

    async def crowd():
        runner = Runner()
        for _ in range(RUNS_MAX):
            runner.start(("wait",), lambda run: None)
        with pytest.raises(TooMany, match="are running"):
            runner.start(("wait",), lambda run: None)
        began = time.monotonic()
        await runner.close()  # also what has only just been begun
        assert time.monotonic() - began < 30

    asyncio.run(crowd())


def test_a_program_that_cannot_start_is_one_line(monkeypatch):
    monkeypatch.setattr(room, "PROGRAM", ("/nonexistent/program",))
    run, _ = ran("any")
    assert run.code == 2 and run.output == "No such file or directory"
