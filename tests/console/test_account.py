"""An incident and its steps, in words."""

import pytest
from msgspec.structs import replace

from posswitch.console.account import STEPS_MAX, Teller, clock, lasted
from posswitch.console.words import saying
from posswitch.diagnose.incident import Deed, Guess, Incident, Phase, Tier

AT = 1_800_000_000_000_000_000
SUSPECT = Incident(7, Phase.SUSPECT, "", "", {"link": "90020000/0"}, AT, AT, AT)
FENCE = Deed("fence-link", "90020000/0", Tier.AUTOMATIC, "running", AT)
NEVER = Deed("restart-node", "1", Tier.FORBIDDEN, "refused", AT)


@pytest.fixture
def tellers(puppet):
    return {lang: Teller(saying(lang), lang, puppet.config.registry) for lang in ("zh", "en")}


def later(incident, seconds, **changes):
    return replace(incident, changed_ns=AT + int(seconds * 1e9), **changes)


def test_each_step_says_what_was_new(tellers):
    known = later(SUSPECT, 1, phase=Phase.CONFIRMED, kind="net-one-way", cause="network", probability=0.93)
    acting = later(known, 2, phase=Phase.MITIGATING, deeds=(FENCE, NEVER))
    more = later(acting, 3, affected=30)
    worked = later(acting, 4, deeds=(replace(FENCE, state="worked"), NEVER))
    over = later(worked, 9, phase=Phase.RESOLVED)
    lines = tellers["en"].timeline([SUSPECT, known, acting, more, worked, over])
    assert [at for at, _ in lines] == [clock(AT + int(s * 1e9)) for s in (0, 1, 1, 2, 2, 4, 9)]
    assert "Bank B" in lines[0][1] and "93%" in lines[1][1] and lines[2][1] == "Now confirmed"
    assert "running" in lines[3][1] and "worked" in lines[5][1] and lines[6][1] == "Now resolved"
    assert len(tellers["zh"].timeline([SUSPECT, known, acting, more, worked, over])) == len(lines)


def test_a_look_that_found_nothing_new_is_no_step(tellers):
    assert len(tellers["en"].timeline([SUSPECT, later(SUSPECT, 1, affected=9), later(SUSPECT, 2)])) == 1


def test_a_long_story_is_cut_in_the_middle(tellers):
    steps = [later(SUSPECT, at, place={"link": f"90020000/{at % 2}"}) for at in range(200)]
    lines = tellers["zh"].timeline(steps)
    assert len(lines) == STEPS_MAX and ("", "…") in lines
    assert lines[0][0] == clock(AT) and lines[-1][0] == clock(AT + 199 * 10**9)


def test_an_account_names_causes_and_how_each_action_stands(tellers):
    guesses = (Guess("net-one-way", "network", 0.93), Guess("iss-slow", "bank", 0.02))
    incident = later(SUSPECT, 1, kind="net-one-way", cause="network", guesses=guesses, deeds=(FENCE, NEVER))
    account = tellers["en"].account(incident)
    assert [share for _, share in account.guesses] == [0.93, 0.02] and account.guesses[0][
        0
    ] != account.guesses[1][0]
    assert account.states == ("running",) and len(account.said.done) == 1


def test_of_another_version_everything_is_still_told(tellers):
    deed = Deed("dance", "9", Tier.AUTOMATIC, "dizzy", AT)
    strange = later(SUSPECT, 1, kind="never-heard", cause="moon", place={"planet": "x"}, deeds=(deed,))
    for teller in tellers.values():
        assert teller.account(strange).said.title and teller.timeline([strange])


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1:00"), (3599, "59:59"), (8049, "2:14:09")]
)
def test_how_long_it_went_on(seconds, text):
    assert lasted(SUSPECT, AT + seconds * 10**9) == text
    assert lasted(replace(SUSPECT, closed_ns=AT + seconds * 10**9), AT * 2) == text
