"""Mistakes in limits, routes, pauses, stand-in and ranges: each is found at its key, with its remedy."""

import pytest
from good_config import GOOD, write_config

from posswitch.settings.config import examine
from posswitch.settings.finding import ERROR, WARNING

LIMIT = '[[limit]]\nid = "a"\nday_minor = 100\n'
ROUTE = '[[route]]\nid = "r"\nto = ["01020000"]\n'
PAUSE = '[[pause]]\nid = "01020000"\n'
STANDIN = '[[standin]]\nid = "01020000"\nsingle_minor = 10\ncard_day_minor = 20\nday_minor = 30\n'
CARD = "6290010000000005"

FAULTS = [
    (LIMIT + 'of = "planet"', "of", "use one of card"),
    (LIMIT + 'of = "crd"', "of", "did you mean card"),
    ('[[limit]]\nid = "a"', "id", "has no cap"),
    (LIMIT + 'of = "all"\nonly = ["6"]', "only", "leave it out"),
    (LIMIT + "refund_percent = 50", "refund_percent", "merchant"),
    (LIMIT + 'code = "00"', "code", "refuses nothing"),
    (LIMIT + 'hours = "0700-0700"', "hours", "one time"),
    (LIMIT + 'hours = "0700-2500"', "hours", "0700-2300"),
    (LIMIT + "day_count = -1", "day_count", "from 0 to"),
    (LIMIT + 'kinds = ["sales"]', "kinds", "did you mean sale"),
    (LIMIT + LIMIT, "id", "stands twice"),
    (LIMIT.replace('"a"', '"card-day"'), "id", "another name"),
    (LIMIT.replace('"a"', f'"{CARD}"'), "id", "leave the number out"),
    (LIMIT + f'only = ["{CARD}"]', "only", "leave the number out"),
    (ROUTE + 'choose = "any"', "choose", "use one of order"),
    (ROUTE + "split = [1, 2]", "split", "one for each bank"),
    (ROUTE + 'choose = "split"\nsplit = [0]', "split", "gives no bank a share"),
    (ROUTE + "from_minor = 9\nto_minor = 8", "to_minor", "no payment fits"),
    (ROUTE + 'hours = "0600-0600"', "hours", "one time"),
    (ROUTE.replace('["01020000"]', '["01020000", "01020000"]'), "to", "once"),
    (ROUTE.replace('"01020000"', '"99999999"'), "to", "no bank 99999999"),
    (ROUTE + 'banks = ["99999999"]', "banks", "no bank 99999999"),
    (PAUSE + 'begin = "tomorrow"', "begin", "2026-10-01 02:00"),
    (PAUSE + 'begin = "2026-10-01"\nend = "2026-09-01"', "end", "not after begin"),
    (PAUSE + f'reason = "open {CARD}"', "reason", "leave the number out"),
    (PAUSE.replace("01020000", "99999999"), "id", "no bank"),
    (STANDIN + 'kinds = ["preauth"]', "kinds", "write sale"),
    (STANDIN.replace("single_minor = 10", "single_minor = 0"), "single_minor", "from 1 to"),
    ('[[bin]]\nprefix = "62-6301"\npan_digits = 16\nbank = "01020000"', "prefix", "as many digits"),
    ('[[bin]]\nprefix = "6301-6300"\npan_digits = 16\nbank = "01020000"', "prefix", "is no range"),
]  # fmt: skip
LOOKS = [
    (LIMIT + 'of = "bank"\nonly = ["99999999"]', "only", "beginning of no row"),
    (LIMIT + 'of = "merchant"\nonly = ["zzz"]', "only", "beginning of no row"),
    (LIMIT + 'only = ["99"]', "only", "beginning of no row"),
    (ROUTE + 'bins = ["99"]', "bins", "beginning of no row"),
    (ROUTE + 'merchants = ["zzz"]', "merchants", "beginning of no row"),
    (LIMIT + "single_minor = 200", "single_minor", "it never counts"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    write_config(tmp_path)
    return tmp_path


def found(folder, rows, severity):
    examined = examine(write_config(folder, f"{GOOD}\n{rows}\n"))
    return [(finding.name, str(finding)) for finding in examined.of(severity)]


@pytest.mark.parametrize(("rows", "key", "says"), FAULTS)
def test_a_mistake_is_found_at_its_key(folder, rows, key, says):
    faults = found(folder, rows, ERROR)
    assert faults, rows
    assert any(key in text and says in text for _, text in faults), faults


@pytest.mark.parametrize(("rows", "key", "says"), LOOKS)
def test_what_can_never_be_is_worth_a_look(folder, rows, key, says):
    assert found(folder, rows, ERROR) == []
    (look,) = [text for _, text in found(folder, rows, WARNING)]
    assert key in look
    assert says in look


@pytest.mark.parametrize(
    "rows",
    [
        LIMIT, ROUTE, PAUSE, STANDIN, LIMIT + 'hours = "2200-0600"\nonly = ["62"]',
        ROUTE + 'bins = ["62"]\nkinds = ["sale"]\nhours = "0000-0001"',
        '[[bin]]\nprefix = "6300-6301"\npan_digits = 16\nbank = "01020000"\n' + LIMIT + 'only = ["6301"]',
    ],
)  # fmt: skip
def test_what_is_right_is_taken(folder, rows):
    assert found(folder, rows, ERROR) == []
    assert found(folder, rows, WARNING) == []
