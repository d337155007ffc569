"""Any file: the check never raises, and a configuration is loaded just when nothing is wrong with it."""

import socket

import pytest
from good_config import GOOD, SECRET, TMK, ZPK, write_config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posswitch.base.errors import ConfigError
from posswitch.settings import config as config_room
from posswitch.settings.config import FINDINGS_MAX, examine, load_config
from posswitch.settings.finding import ERROR
from posswitch.settings.syntax import CONFIG_BYTES_MAX

LINES = GOOD.splitlines()
VALUES = [
    "0", "-1", "25.5", "nan", "inf", "1e400", "9" * 100, "true", "[]", "[[]]", "[1, 'a']", "{}",
    "{ a = { b = [1] } }",
    '["sale"]', '["127.0.0.1:1", 2]', "1979-05-27", "07:32:00", "'''\nx'''", '"""a\\\n  b"""', '""', '"A"',
    '"01020000"', '"127.0.0.1:9000"', '"::1:80"', '"[::1]:80"', '"é.é:1"', '"\\u0000"', '"甲"', '"."', '"/"',
    '"x/../.."', '"/dev/zero"', '"4111111111111111"', f'"{"9" * 400}"', f'"{ZPK}"', f'"{TMK}"',
]  # fmt: skip
KEYS = [
    *sorted({line.split(" = ")[0] for line in LINES if " = " in line}),
    "x",
    '"a b"',
    "a.b",
    "bank",
    "id.x",
]
HEADS = [
    *sorted({line for line in LINES if line.startswith("[")}),
    "[bank]",
    "[[node]]",
    "[a.b]",
    "[[bank.x]]",
]
LINE = st.one_of(
    st.sampled_from(LINES),
    st.sampled_from(HEADS),
    st.builds("{} = {}".format, st.sampled_from(KEYS), st.sampled_from(VALUES)),
    st.text(max_size=30).filter(lambda text: "\r" not in text),
)
CHANGE = st.tuples(st.integers(0, len(LINES)), st.sampled_from([0, 1, 2]), st.lists(LINE, max_size=2))


@pytest.fixture(autouse=True)
def no_names(monkeypatch):
    """No name is looked up in a network."""
    real = socket.getaddrinfo

    def numeric(host, port, *_, **words):
        return real(host, port, **{**words, "flags": socket.AI_NUMERICHOST})

    monkeypatch.setattr(socket, "getaddrinfo", numeric)


def agrees(path) -> list[str]:
    """What is found, after the start has said the same."""
    examined = examine(path)
    said = [examined.line(finding) for finding in examined.findings]
    assert all(line.isprintable() for line in said)
    assert examined.findings == sorted(examined.findings)
    try:
        load_config(path)
    except ConfigError as error:
        first = examined.of(ERROR)[0]
        assert str(error).startswith(f"{path}:{first.line}:{first.column}: {first}")
        assert examined.config is None
    else:
        assert examined.of(ERROR) == []
        assert examined.config is not None
    text = "".join(said)
    assert ZPK not in text
    assert TMK not in text
    assert SECRET.hex() not in text
    return said


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(CHANGE, max_size=4))
def test_changed_lines(tmp_path, changes):
    lines = list(LINES)
    for at, gone, new in changes:
        lines[at : at + gone] = new
    agrees(write_config(tmp_path, "\n".join(lines)))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(GOOD)), gone=st.integers(0, 40), new=st.text(max_size=20))
def test_changed_characters(tmp_path, at, gone, new):
    path = write_config(tmp_path)
    path.write_bytes((GOOD[:at] + new + GOOD[at + gone :]).encode("utf-8", "surrogatepass"))
    agrees(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200))
def test_any_bytes(tmp_path, raw):
    path = write_config(tmp_path)
    path.write_bytes(raw)
    assert agrees(path)


def test_every_mistake_in_one_run_by_line(tmp_path):
    text = GOOD.replace('"23:00"', '"25:00"').replace("5000000", "-5").replace('"void"', '"viod"')
    text = text.replace("centre = 30", "centre = 20").replace('mcc = "5411"', 'mcc = "5412"')
    said = agrees(write_config(tmp_path, text))
    assert [line.split(": ")[1] for line in said] == ["error", "error", "error", "warning", "error"]
    with pytest.raises(ConfigError, match=r"cutover.*\(3 more: posswitch check -c "):
        load_config(tmp_path / "switch.toml")


def test_lines_that_are_no_toml_do_not_hide_the_others(tmp_path):
    text = GOOD.replace("bank = 25", "bank 25").replace('name_en = "Bank B"', 'name_en = "Bank B')
    text = text.replace('id = "01020000"', "id = 0102").replace('"156"', '"978"')
    said = agrees(write_config(tmp_path, text))
    assert ["not TOML" in line for line in said] == [True, True, True, False]
    assert "currency 978" in said[3]


def test_a_file_that_is_too_large(tmp_path):
    path = write_config(tmp_path, GOOD + "#" * CONFIG_BYTES_MAX)
    (said,) = agrees(path)
    assert "larger than 8 MiB" in said


def test_findings_are_bounded_and_errors_are_not_lost_behind_warnings(tmp_path, monkeypatch):
    many = "".join(f"x{number} = 1\n" for number in range(FINDINGS_MAX + 50))
    said = agrees(write_config(tmp_path, GOOD.replace("[timers]", many + "[timers]")))
    assert len(said) <= 2 * FINDINGS_MAX
    monkeypatch.setattr(config_room, "FINDINGS_MAX", 1)
    text = GOOD.replace('mcc = "5411"', 'mcc = "5412"').replace(TMK, TMK[:-2] + "zz")
    text += '[[bin]]\nprefix = "6223001"\npan_digits = 19\nbank = "01020000"\n'
    assert [line.split(": ")[1] for line in agrees(write_config(tmp_path, text))] == ["error", "warning"]


def test_a_configuration_of_another_machine_can_be_read(tmp_path):
    text = GOOD.replace("127.0.0.1:9000", "203.0.113.9:9000").replace('"data"', '"secret.key/data"')
    path = write_config(tmp_path, text)
    said = [line.split(": ")[1] for line in agrees(path)]
    assert said == ["error", "warning", "error"]  # and clear text to another machine
    assert load_config(path, serve=False).listen.host == "203.0.113.9"
