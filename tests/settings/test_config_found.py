"""Configurations that were once accepted and should not have been."""

import pytest
from good_config import TMK, ZAK, ZPK, write_config

from posswitch.base.errors import ConfigError
from posswitch.settings.config import load_config

GOOD = """
[node]
id = "A"
listen = "127.0.0.1:9000"
[timers]
{timers}
[[bank]]
id = "01020000"
name_zh = "甲"
name_en = "A"
links = ["127.0.0.1:9001"]
zpk = "{zpk}"
zak = "{zak}"
[[bin]]
prefix = "622200"
pan_digits = 16
bank = "01020000"
{bin}
[[merchant]]
id = "M00000000000001"
name = "x"
city = "y"
mcc = "5411"
[[terminal]]
id = "T0000001"
merchant = "M00000000000001"
tmk = "{tmk}"
"""
KEYS = {"zpk": ZPK, "zak": ZAK, "tmk": TMK}
PLAIN = GOOD.format(timers="", bin="", **KEYS)
TWICE = '[[bin]]\nprefix = "622200"\npan_digits = 16\nbank = "01020000"'


@pytest.mark.parametrize(
    "text",
    [
        GOOD.format(timers="", bin=TWICE, **KEYS),
        PLAIN.replace("127.0.0.1:9000", "127.0.0.1:²"),
        PLAIN.replace('id = "A"', 'id = "A\\n"'),
        PLAIN.replace('prefix = "622200"', 'prefix = "\uff16\uff12"'),
        PLAIN.replace(ZPK, ZPK + "\\n"),
        PLAIN.replace('prefix = "622200"', 'prefix = "62220000000000001"'),
        *(
            GOOD.format(timers=line, bin="", **KEYS)
            for line in (
                "flight_max = inf",
                "flight_max = nan",
                "reversal_hours = nan",
                "echo = -1",
                "connect = 0",
                "terminal = inf\nflight_max = inf",
                "[limits]\ncard_daily_minor = -1",
            )
        ),
    ],
)
def test_what_cannot_work_is_refused(tmp_path, text):
    write_config(tmp_path, PLAIN)
    load_config(tmp_path / "switch.toml")
    with pytest.raises(ConfigError):
        load_config(write_config(tmp_path, text))


def test_the_plain_one_is_accepted(tmp_path):
    load_config(write_config(tmp_path, PLAIN))


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(ConfigError):
        load_config(tmp_path)


@pytest.mark.parametrize(
    "table",
    [
        '[[limit]]\nid = "a"\nday_count = 1\nkinds = ["stood-in"]\n',
        '[[route]]\nid = "a"\nto = ["01020000"]\nkinds = ["stood-in"]\n',
        'kinds = ["stood-in"]\n',  # of the terminal
    ],
)
def test_no_rule_names_a_kind_that_no_terminal_asks(tmp_path, table):
    """It would never fit, and nobody would be told."""
    with pytest.raises(ConfigError, match=r"kind .stood-in. is not known"):
        load_config(write_config(tmp_path, PLAIN + table))
