"""The proofs under pressure judge rightly, and say so where a network of one's own may not be made."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest

from posswitch.scheme.kinds import SALE
from posswitch.sim.crowd import Payment, Till
from posswitch.sim.peers.customer import Purchase

from .banks import at_once_after_s, book_complaints, complaints, parsed
from .floods import CLEAR, TLS
from .floods import complaints as flood_complaints
from .floods import parsed as parsed_floods
from .ill import FAULTS
from .syn import _checksum

_POWERLESS = () if os.geteuid() else ("setpriv", "--bounding-set=-sys_admin")  # root without namespaces
S = 1_000_000_000
BOOKS = {"lost": 0, "duplicated": 0, "unknown": 0, "verify": "ok", "drained": True}
TRIAL = {
    "fault": "one-site",
    "fenced_s": [1.2, 4.9],
    "approved_when_fenced": 0.99,
    "others": 5000,
    "others_answered": 0.9995,
    "others_approved": 0.999,
    "others_p99_ms": [(4.0, 5.9), (4.0, 30.0), (4.0, 4.0)],
    "others_p99_back_ms": 5.0,
    "back_s": [3.0, 9.0],
}
HONEST = {"payments": 100, "answered": 0.99}
SIEGE = {
    "attacks": [{"attack": "syn", "standing": HONEST, "dialling": HONEST}],
    "books": BOOKS,
    "restarts": 0,
}


def test_good_reports_pass():
    assert complaints(TRIAL, speed=True) == []
    assert book_complaints(BOOKS) == []
    assert flood_complaints(SIEGE) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fenced_s", [1.2, 5.1]),
        ("fenced_s", [None]),
        ("approved_when_fenced", 0.9),
        ("others", 0),
        ("others_answered", 0.998),
        ("others_approved", 0.998),
        ("others_p99_ms", [(4.0, 6.1)]),
        ("others_p99_back_ms", 6.1),
        ("back_s", [60.0]),
    ],
)
def test_every_fault_of_a_trial_is_a_complaint(name, value):
    assert complaints(TRIAL | {name: value}, speed=True)


def test_where_speed_is_not_judged_only_speed_is_not():
    slow = TRIAL | {"others_p99_ms": [(4.0, 400.0)], "others_p99_back_ms": 400.0}
    assert complaints(slow, speed=True)
    assert complaints(slow, speed=False) == []
    assert complaints(slow | {"others_answered": 0.9}, speed=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [("lost", 1), ("duplicated", 1), ("unknown", 1), ("verify", ["record 7: chain"]), ("drained", False)],
)
def test_every_fault_of_the_books_is_a_complaint(name, value):
    assert book_complaints(BOOKS | {name: value})
    assert flood_complaints(SIEGE | {"books": BOOKS | {name: value}})


@pytest.mark.parametrize(("how", "honest"), [("standing", 0.989), ("dialling", 0.5)])
def test_honest_terminals_without_answers_are_a_complaint(how, honest):
    siege = copy.deepcopy(SIEGE)
    siege["attacks"][0][how] = {"payments": 100, "answered": honest}
    assert flood_complaints(siege)
    siege["attacks"][0][how] = {"payments": 0, "answered": 1.0}
    assert flood_complaints(siege)
    assert flood_complaints(SIEGE | {"restarts": 1})


def paid(due_s, wait_s):
    heard = int((due_s + wait_s) * S) if wait_s else 0
    code = "91" if wait_s else ""
    return Payment(
        Till(None), 1, Purchase("", "", "", 1), 0, SALE, False, b"", int(due_s * S), 0, heard, code
    )


def test_a_bank_is_fenced_when_for_a_whole_second_nobody_waits():
    waits = [paid(at / 100, 3.0) for at in range(250)]
    at_once = [paid(at / 100, 0.01) for at in range(250, 500)]
    assert at_once_after_s([*waits, *at_once], 0) == 2.5
    lucky = [paid(at / 100, 0.01 if at % 2 else 0) for at in range(500)]
    assert at_once_after_s(lucky, 0) is None
    assert at_once_after_s(waits, 0) is None
    assert at_once_after_s([*waits, *at_once[:50]], 0) is None  # nobody knows how it went on
    assert at_once_after_s([], 0) is None


@pytest.mark.parametrize(("read", "word"), [(parsed, "--fault"), (parsed_floods, "--attack")])
def test_only_what_there_is_can_be_asked_for(read, word, capsys):
    with pytest.raises(SystemExit) as ended:
        read([word, "luck"])
    assert ended.value.code == 2
    assert "no such" in capsys.readouterr().err


def test_all_means_all():
    assert parsed_floods(["--attack", "all"]).attacks == [*CLEAR, *TLS]
    assert parsed(["--fault", ",".join(FAULTS)]).fault.split(",") == list(FAULTS)


def test_a_header_is_summed_as_in_rfc_1071():
    assert _checksum(bytes.fromhex("0001f203f4f5f6f7")) == ~0xDDF2 & 0xFFFF


def test_where_no_network_can_be_made_it_says_so_and_ends_with_2():
    ended = subprocess.run(
        [*_POWERLESS, sys.executable, "-m", "tests.pressure.floods", "--attack", "syn"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "no SYN flood here" in ended.stderr
    assert "Traceback" not in ended.stderr
