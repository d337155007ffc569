"""posswitch check: findings, summary, exit codes; the start of a node says the same."""

import json

import pytest
from cli_runs import one_line, posswitch

from posswitch.sim.city import build_city


@pytest.fixture
def city(tmp_path):
    return build_city(tmp_path, 1, 24)


def changed(city, *pairs):
    text = city.config.read_text("utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    city.config.write_text(text, "utf-8")
    return text.splitlines()


def test_a_good_configuration_is_one_line(capsys, city):
    ended = posswitch(capsys, "check", "-c", city.config)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        f"{city.config}: fine: 4 banks, 7 BINs, 12 merchants, 24 terminals, 2 dialects, "
        "timers 1 / 2 / 4 s (bank / centre / terminal)\n"
    )


def test_mistakes_are_lines_and_exit_1(capsys, city):
    lines = changed(city, ("[limits]", "[limitz]"), ("centre = 2.0", "centre = 0.5"), ('"5411"', '"5412"'))
    ended = posswitch(capsys, "check", "-c", city.config)
    assert ended.code == 1
    said = ended.out.splitlines()
    at = [lines.index(words) + 1 for words in ("bank = 1.0", "[limitz]", 'mcc = "5412"')]
    assert [line.split(": ")[0] for line in said] == [f"{city.config}:{line}:1" for line in at]
    assert [line.split(": ")[1] for line in said] == ["error", "error", "warning"]
    assert ended.err == f"posswitch: {city.config}: 2 errors, 1 warning\n"
    for command in ("run", "verify"):
        started = posswitch(capsys, command, "-c", city.config)
        assert started.code == 2
        assert one_line(started.err)
        assert said[0].split(": error: ")[1] in started.err
        assert f"(1 more: posswitch check -c {city.config})" in started.err


def test_warnings_alone_are_printed_and_exit_0(capsys, city):
    changed(city, ('"5411"', '"5412"'))
    ended = posswitch(capsys, "check", "-c", city.config)
    assert (ended.code, ended.err) == (0, "")
    warning, summary = ended.out.splitlines()
    assert ": warning: " in warning
    assert ": fine: " in summary


def test_json(capsys, city):
    good = json.loads(posswitch(capsys, "check", "-c", city.config, "--json").out)
    assert (good["ok"], good["errors"], good["warnings"], good["findings"]) == (True, 0, 0, [])
    assert good["summary"]["terminals"] == 24
    assert good["summary"]["timers_s"]["centre"] == 2.0
    changed(city, ("[limits]", "[limitz]"))
    ended = posswitch(capsys, "check", "-c", city.config, "--json")
    bad = json.loads(ended.out)
    assert (ended.code, ended.err) == (1, "")
    assert (bad["ok"], bad["errors"], bad["summary"]) == (False, 1, None)
    (finding,) = bad["findings"]
    assert finding.keys() == {"line", "column", "severity", "name", "what", "remedy"}


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_what_cannot_be_read_is_exit_2(capsys, city, name):
    ended = posswitch(capsys, "check", "-c", city.folder / name)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
    assert "cannot be read" in ended.err


def test_used_wrongly_is_exit_2(capsys):
    assert posswitch(capsys, "check").code == 2
