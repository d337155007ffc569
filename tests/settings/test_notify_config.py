"""[notify]: every mistake at its line with a remedy, and never an address in what is said."""

from pathlib import Path

import pytest
from good_config import GOOD, line_of, write_config

from posswitch.base.errors import ConfigError
from posswitch.settings.config import examine, load_config
from posswitch.settings.finding import ERROR, WARNING
from posswitch.settings.notify import RECEIVERS_MAX, NotifyPlan, Receiver, read_url

KEY = "S3cretT0kenOfTheService"
NOTIFY = f"""
[notify]
heartbeat_url = "https://watchdog.example/{KEY}"
heartbeat_every = 30
per_minute = 4

[[notify.to]]
name = "duty 值班"
url = "wecombot://{KEY}"
lang = "zh"
about = ["network", "faults"]
least = "suspect"
after = 900
quiet = "22:00-07:30"
severe = 50

[[notify.to]]
name = "mail"
url_file = "mail.url"
"""
TEXT = GOOD + NOTIFY


def write(folder, text=TEXT, mode=0o600, address=f"mailtos://a:{KEY}@mail.example\n"):
    file = folder / "mail.url"
    file.write_text(address, "utf-8")
    file.chmod(mode)
    return write_config(folder, text)


def test_values(tmp_path):
    plan = load_config(write(tmp_path)).notify
    assert plan == NotifyPlan(
        (
            Receiver(
                "duty 值班", f"wecombot://{KEY}", "zh", frozenset({"network", "faults"}), "suspect", 900,
                (22 * 60, 7 * 60 + 30), 50,
            ),
            Receiver("mail", tmp_path.resolve() / "mail.url"),
        ),
        4, f"https://watchdog.example/{KEY}", 30,
    )  # fmt: skip
    assert plan.to[1].url() == f"mailtos://a:{KEY}@mail.example"
    assert load_config(write_config(tmp_path, GOOD)).notify == NotifyPlan()


def test_nothing_shows_an_address(tmp_path):
    config = load_config(write(tmp_path))
    assert KEY not in repr(config) + str(config.notify) + repr(config.notify.to)
    assert "duty 值班" in repr(config) and "a heartbeat every 30 s" in repr(config)


def twice(text):
    return text.replace('name = "mail"', 'name = "duty 值班"')


PLANTED = {
    "unknown key": ("per_minute = 4", "per_minut = 4", "did you mean per_minute"),
    "strange key": ("per_minute = 4", "zzz = 4", "the keys are heartbeat_url, heartbeat_every, per_minute"),
    "unknown key of a row": ("least = ", "leest = ", "did you mean least"),
    "too often": ("per_minute = 4", "per_minute = 61", "from 1 to 60"),
    "heart too quick": ("heartbeat_every = 30", "heartbeat_every = 9", "from 10 to 3600"),
    "heartbeat elsewhere": ('"https://watchdog', '"file://watchdog', "write an address, https://"),
    "heartbeat no text": (f'"https://watchdog.example/{KEY}"', "7", "write an address, https://"),
    "no address": (f'"wecombot://{KEY}"', f'"{KEY}"', "write an address of apprise"),
    "address with a blank": (f'"wecombot://{KEY}"', f'"wecombot://{KEY} x"', "write an address of apprise"),
    "empty address": (f'"wecombot://{KEY}"', '""', "write an address of apprise"),
    "language": ('lang = "zh"', 'lang = "de"', 'write "zh", "en" or "both"'),
    "phase": ('least = "suspect"', 'least = "resolved"', 'write "suspect", "confirmed" or "rolled-back"'),
    "subject": ('"network", "faults"', '"network", "fualts"', "did you mean fault"),
    "strange subject": ('"network", "faults"', '"weather"', "use one of network"),
    "subject no text": ('"network", "faults"', "3", "write a short text"),
    "hours": ('"22:00-07:30"', '"22-7"', 'as "22:00-07:00"'),
    "hour 24": ('"22:00-07:30"', '"22:00-24:00"', 'as "22:00-07:00"'),
    "hours without end": ('"22:00-07:30"', '"22:00-22:00"', "begins when it ends"),
    "long wait": ("after = 900", "after = 86401", "from 0 to 86400"),
    "severe": ("severe = 50", "severe = -1", "from 0 to"),
    "both ways": (
        f'url = "wecombot://{KEY}"',
        f'url = "wecombot://{KEY}"\nurl_file = "mail.url"',
        "keep one",
    ),
    "no way": (f'url = "wecombot://{KEY}"\n', "", "write url_file"),
    "no name": ('name = "mail"\n', "", "write a name"),
    "name twice": ('name = "mail"', 'name = "duty 值班"', "first as number 1"),
    "one bracket": (
        '[[notify.to]]\nname = "duty 值班"',
        '[notify.too]\nname = "duty 值班"',
        "did you mean to",
    ),
}
# The line where it is found, where that is not the changed one.
AT = {
    "heartbeat no text": "heartbeat_url = 7",
    "subject no text": "about = [3]",
    "name twice": ('name = "duty 值班"', 2),
    "no way": "[[notify.to]]",
    "no name": ("[[notify.to]]", 2),
    "both ways": f'url = "wecombot://{KEY}"',
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_mistake_is_found_at_its_line_alone(tmp_path, name):
    old, new, says = PLANTED[name]
    assert TEXT.count(old) == 1
    text = TEXT.replace(old, new)
    found = examine(write(tmp_path, text)).of(ERROR)
    if name == "one bracket":  # a table of no row: and what stood under it is no key of [notify]
        assert found and all(one.line >= line_of("[notify.too]", text) for one in found)
    else:
        assert len(found) == 1, found
        at = AT.get(name, new.split("\n")[0])
        assert found[0].line == (line_of(at[0], text, at[1]) if isinstance(at, tuple) else line_of(at, text))
        assert says in str(found[0])
    assert not any(KEY in str(one) for one in found)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "switch.toml")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("[notify]\nto = 3", "write [[notify.to]]"),
        ("[notify]\nto = [3]", "write [[notify.to]]"),
        ("[notify.to]\nname = 'x'", "write [[notify.to]]"),
        ("notify = 3", "write [notify] once"),
        ("[[notify]]\nname = 'x'", "write [notify] once"),
        ("['notify.to']\nname = 'x'", "did you mean [[notify.to]]"),
    ],
)
def test_what_is_no_table_of_rows(tmp_path, rows, says):
    text = f"{rows}\n{GOOD}" if rows.startswith("notify") else f"{GOOD}\n{rows}\n"
    (found,) = examine(write_config(tmp_path, text)).of(ERROR)
    assert says in str(found) and found.line >= (1 if rows.startswith("notify") else GOOD.count("\n"))


def test_too_many(tmp_path):
    row = '[[notify.to]]\nname = "{}"\nurl = "json://x"\n'
    rows = "".join(row.format(number) for number in range(RECEIVERS_MAX + 5))
    (found,) = examine(write_config(tmp_path, GOOD + rows)).of(ERROR)
    assert f"at most {RECEIVERS_MAX}" in str(found)


@pytest.mark.parametrize(
    ("mode", "address", "says"),
    [
        (0o644, f"json://{KEY}", "chmod 600"),
        (0o600, KEY, "its first line is no address"),
        (0o600, "", "its first line is no address"),
        (0o600, f"# {KEY}\njson://{KEY}", "its first line is no address"),
    ],
)
def test_a_file_that_gives_no_address_is_said_and_stops_no_payment(tmp_path, mode, address, says):
    examined = examine(write(tmp_path, mode=mode, address=address))
    (found,) = [one for one in examined.of(WARNING) if one.name.startswith("notify")]
    assert says in str(found) and KEY not in str(found)
    assert found.line == line_of('url_file = "mail.url"', TEXT)
    assert examined.config is not None
    with pytest.raises(ConfigError) as caught:
        examined.config.notify.to[1].url()
    assert KEY not in str(caught.value)


def test_files_that_are_none(tmp_path):
    for path, says in (
        (tmp_path, "is not a file"),
        (tmp_path / "no", "cannot be read"),
        (Path("\0"), "no such"),
    ):
        with pytest.raises(ConfigError, match=says):
            read_url(path)
