"""What drills put in: crossed and unheard answers, strange certificates, a process that stands still."""

import asyncio
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from test_bank import PAN, ZAK, Desk, codes, reversal, sale

from posswitch.codec import load_dialect
from posswitch.sim.attackers import shares
from posswitch.sim.authority import Authority
from posswitch.sim.city import MIXED_DIALECTS, build_city
from posswitch.sim.drills.on_lines import _NARROW_BYTES
from posswitch.sim.drills.on_machine import _stand_still
from posswitch.sim.peers import cups
from posswitch.sim.peers.conducts import ILLS
from posswitch.sim.streets import CALM_MOOD, Streets


def at_once(name):
    """The one manner of an ill bank, without its delay."""
    (manner,) = ILLS[name].sales
    return manner._replace(delay=lambda timers, entropy: 0.0)


def test_a_crossed_answer_is_sound_and_about_another_amount(tmp_path):
    desk = Desk(tmp_path, at_once("crossed"))
    (answer,) = desk.ask(sale(amount=1234))
    assert (answer.fields[39], answer.fields[4], answer.fields[11]) == ("00", "000000001235", "000007")
    assert cups.signature_fits(answer, ZAK)
    assert codes(desk.ask(reversal())) == ["00"]
    assert desk.kinds() == ["post", "reverse"]


def test_what_is_unsaid_is_booked_and_taken_back_when_asked(tmp_path):
    desk = Desk(tmp_path, at_once("unsaid"))
    assert desk.ask(sale()) == []
    assert codes(desk.ask(reversal())) == ["00"]
    assert desk.kinds() == ["post", "reverse"]


@pytest.mark.parametrize(("name", "code"), [("says-51", "51"), ("says-90", "90")])
def test_a_bank_says_one_code_and_books_nothing(tmp_path, name, code):
    desk = Desk(tmp_path, at_once(name))
    assert codes(desk.ask(sale())) == [code]
    assert desk.kinds() == ["none"]


def test_a_bank_shows_certificates_that_are_not_right(tmp_path):
    authority = Authority()
    city = build_city(tmp_path / "city", 1, 6, tls=authority)
    streets, bank, now = Streets(city, faults=(), mood=CALM_MOOD), city.banks[1].id, datetime.now(UTC)

    def written(which):
        path = city.papers / f"{bank}-{which}.pem"
        return x509.load_pem_x509_certificate(path.read_bytes())

    async def show():
        await streets.open()
        for which in ("expired", "unknown", "not-yet", None):
            streets.show_certificate(bank, authority, which)
        await streets.close()

    asyncio.run(show())
    ended, strange, early = map(written, ("expired", "unknown", "not-yet"))
    ours = x509.load_pem_x509_certificate(authority.certificate)
    assert ended.not_valid_after_utc < now
    assert strange.not_valid_before_utc < now < strange.not_valid_after_utc
    assert early.not_valid_before_utc > now
    assert [one.issuer == ours.subject for one in (ended, strange, early)] == [True, False, True]


@pytest.mark.parametrize("dialect", sorted(set(MIXED_DIALECTS)))
def test_a_narrow_line_passes_what_has_no_pin(dialect):
    """In every dialect of the city, with the track of a swiped card; one with PIN and track is lost."""

    def size(message):
        message.fields[35] = f"{PAN}D49121010000000000"
        cups.sign(message, ZAK)
        return len(cups.packed(load_dialect(dialect), message, "90010000", "00010000"))

    with_pin, without = sale(), sale()
    for field in (26, 52, 53):
        del without.fields[field]
    assert size(without) < _NARROW_BYTES[dialect] < size(with_pin)


@pytest.mark.parametrize(
    ("due", "among", "dealt"), [(4, 64, [1] * 4 + [0] * 60), (7, 3, [3, 2, 2]), (0, 2, [0, 0]), (5, 0, [])]
)
def test_a_flood_sends_as_many_frames_as_it_is_told(due, among, dealt):
    """Each line used to send one more than its share: forty a second were six thousand."""
    assert shares(due, among) == dealt


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2][0]


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    process.stdin.close()


def waits_for(process, state):
    ends = time.monotonic() + 5.0
    while state_of(process.pid) != state:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_who_stands_still_goes_on_when_the_drill_ends(sleeper):
    ending = threading.Event()
    thread = threading.Thread(target=_stand_still, args=(sleeper.pid, ending, 60.0))
    waits_for(sleeper, "S")
    thread.start()
    waits_for(sleeper, "T")
    ending.set()
    thread.join(5.0)
    waits_for(sleeper, "S")


def test_who_has_ended_meanwhile_is_no_error(sleeper):
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(ProcessLookupError):
        _stand_still(sleeper.pid, threading.Event(), 0.0)
