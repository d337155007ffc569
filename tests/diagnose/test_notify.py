"""Who is told what and when, with a clock that is turned by hand."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from posswitch.base.moment import NS_PER_S, of_iso, stamp
from posswitch.diagnose.incident import Deed, Incident, Phase, Tier
from posswitch.diagnose.letters import BODY_MAX, LISTED_MAX, TITLE_MAX, Speaker
from posswitch.diagnose.notify import (
    CHANGES_MAX,
    RETURNED_NS,
    SETTLED_NS,
    SILENCE_NS,
    SILENT,
    Item,
    Notices,
    What,
    ack_key,
)
from posswitch.diagnose.phrases import CAUSES, KINDS, TILES
from posswitch.settings.notify import ABOUT, NotifyPlan, Receiver

NOON = of_iso("2026-11-02T12:00:00")
NIGHT = of_iso("2026-11-02T23:30:00")
DOWN, SLOW, FULL = "net-issuer-link-down", "iss-slow", "sys-disk-full"
PLACE = {"bank": "01020000"}


class Said(NamedTuple):
    """A letter, briefly."""

    to: str
    items: list[tuple[What, int]]


class Play:
    """A book of incidents, receivers, a clock."""

    def __init__(self, *to, at_ns=NOON, per_minute=6):
        self.now_ns = at_ns
        self.notices = Notices(NotifyPlan(to, per_minute), "A")
        self.book = {}
        self.acked = set()
        self.speaks = True
        self.changed = []

    def open(self, number=1, kind=DOWN, phase=Phase.CONFIRMED, place=PLACE, **more):
        cause = KINDS[kind].cause if kind else ""
        now = self.now_ns
        self.change(Incident(number, phase, kind, cause, place, now, now, now, **more))

    def change(self, incident):
        self.book[incident.number] = incident
        self.changed.append(incident)

    def now(self, number=1, **more):
        self.change(replace(self.book[number], **more))

    def over(self, number=1):
        self.now(number, phase=Phase.RESOLVED, closed_ns=self.now_ns)

    def look(self, seconds=0.0):
        """What is said within so many seconds, looked at twice in each."""
        end_ns, said = self.now_ns + int(seconds * NS_PER_S), []
        while True:
            changed, self.changed = self.changed, []
            for letter in self.notices.look(self.now_ns, changed, self.acked, speaks=self.speaks):
                said.append(Said(letter.to.name, [(i.what, i.incident.number) for i in letter.items]))
            if self.now_ns >= end_ns:
                return said
            self.now_ns += NS_PER_S // 2


def to(name="duty", **more):
    return Receiver(name, "json://127.0.0.1/x", **more)


def test_what_it_may_be_about_is_what_diagnosis_knows():
    assert set(ABOUT) == set(CAUSES) | set(TILES) and len(ABOUT) == len(set(ABOUT))


def test_a_plain_incident_is_two_letters():
    play = Play(to())
    play.open()
    assert play.look(60) == [Said("duty", [(What.OPENED, 1)])]
    play.now(affected=90_000)  # only more of the same
    play.now(phase=Phase.MITIGATING)
    assert play.look(60) == []
    play.now(phase=Phase.VERIFYING)
    assert play.look(60) == []
    play.over()
    assert play.look(60) == [Said("duty", [(What.OVER, 1)])]
    assert play.look(60) == [] and not play.notices.waiting


def test_a_suspicion_is_told_only_to_who_wants_it():
    play = Play(to(), to("early", least="suspect"), to("late", least="rolled-back"))
    play.open(phase=Phase.SUSPECT)
    assert play.look(5) == [Said("early", [(What.OPENED, 1)])]
    play.now(phase=Phase.CONFIRMED)
    assert play.look(5) == [Said("duty", [(What.OPENED, 1)])]
    play.now(phase=Phase.ROLLED_BACK)
    assert play.look(5) == [Said(name, [(What.NEEDS, 1)]) for name in ("duty", "early", "late")]
    play.over()
    assert {said.to for said in play.look(5)} == {"duty", "early", "late"}


def test_a_suspicion_that_passes_is_nobodys_news():
    play = Play(to())
    play.open(phase=Phase.SUSPECT)
    play.look(5)
    play.over()
    assert play.look(60) == [] and not play.notices.waiting


def test_escalation():
    play = Play(to(), to("boss", after_s=600))
    play.open()
    assert play.look(599) == [Said("duty", [(What.OPENED, 1)])]
    assert play.look(1) == [Said("boss", [(What.OPENED, 1)])]
    play.over()
    assert [said.to for said in play.look(5)] == ["duty", "boss"]


@pytest.mark.parametrize("end", ["acked", "over", "verifying"])
def test_no_escalation_of_what_is_looked_after_or_over(end):
    play = Play(to(), to("boss", after_s=600))
    play.open()
    play.look(599)
    if end == "acked":
        play.acked.add(ack_key(play.book[1]))
    elif end == "over":
        play.over()
    else:
        play.now(phase=Phase.VERIFYING)
    assert "boss" not in [said.to for said in play.look(3600)]
    if end != "over":
        play.over()
        assert [said.to for said in play.look(5)] == ["duty"]  # only who was told


def test_what_comes_back_is_not_acknowledged_any_more():
    play = Play(to("boss", after_s=600))
    play.open()
    play.acked.add(ack_key(play.book[1]))
    play.over()
    play.look(5)
    play.now(phase=Phase.CONFIRMED, closed_ns=0, opened_again=1)
    assert play.look(599) == []
    assert play.look(61) == [Said("boss", [(What.OPENED, 1)])]


def test_between_two_looks_it_was_over_and_came_back():
    """The time of an escalation begins anew."""
    play = Play(to("boss", after_s=600))
    play.open()
    play.look(590)
    play.over()
    play.now(phase=Phase.CONFIRMED, closed_ns=0, opened_again=1)
    assert play.look(600 + 59) == []
    assert play.look(1) == [Said("boss", [(What.OPENED, 1)])]


def test_what_comes_and_goes_is_told_less_and_less():
    """Each time it must stand a minute longer before anybody hears of it."""
    play, said = Play(to()), []
    play.open()
    for again in range(1, 31):
        said += play.look(45)
        play.over()
        said += play.look(15)
        play.now(phase=Phase.CONFIRMED, closed_ns=0, opened_again=again)
    assert said == [Said("duty", [(What.OPENED, 1)]), Said("duty", [(What.OVER, 1)])]
    assert play.look(31 * 60) == [Said("duty", [(What.OPENED, 1)])]  # now it stays


def test_quiet_hours_wait_for_the_morning():
    play = Play(to(quiet=(22 * 60, 7 * 60), severe=100), at_ns=NIGHT)
    play.open(affected=99)
    assert play.look(7 * 3600) == []  # 06:30
    assert play.look(1799) == []
    assert play.look(1) == [Said("duty", [(What.OPENED, 1)])]
    assert stamp(play.now_ns).time == "070000"


def test_what_was_over_before_the_morning_is_not_told():
    play = Play(to(quiet=(22 * 60, 7 * 60)), at_ns=NIGHT)
    play.open(affected=9)
    play.look(60)
    play.over()
    assert play.look(9 * 3600) == []


@pytest.mark.parametrize("grave", [{"affected": 100}, {"place": {}}, {"phase": Phase.ROLLED_BACK}])
def test_what_is_severe_wakes(grave):
    play = Play(to(quiet=(22 * 60, 7 * 60), severe=100), at_ns=NIGHT)
    play.open(**({"affected": 1} | grave))
    assert [said.to for said in play.look(5)] == ["duty"]


def test_it_wakes_when_it_becomes_severe():
    play = Play(to(quiet=(22 * 60, 7 * 60), severe=100), at_ns=NIGHT)
    play.open(affected=1)
    assert play.look(60) == []
    play.now(affected=100)
    assert play.look(1) == [Said("duty", [(What.OPENED, 1)])]


@pytest.mark.parametrize(
    ("quiet", "rests"),
    [((720, 780), True), ((1320, 420), False), ((1320, 721), True), ((0, 720), False), ((719, 720), False)],
)
def test_hours_of_rest_begin_inclusive_and_end_exclusive(quiet, rests):
    play = Play(to(quiet=quiet))
    play.open(affected=1)
    assert bool(play.look()) is not rests


def test_a_burst_is_merged():
    """Each has six letters a minute: what is left comes in one."""
    play, said = Play(to(), per_minute=3), []
    for number in range(1, 21):
        play.open(number)
        said += play.look(1)
    assert said == [Said("duty", [(What.OPENED, number)]) for number in (1, 2, 3)]
    (rest,) = play.look(40)
    assert sorted(rest.items) == [(What.OPENED, number) for number in range(4, 21)]
    for number in range(1, 21):
        play.over(number)
    assert sum(len(one.items) for one in play.look(61)) == 20


def test_what_was_opened_and_over_within_a_full_minute_is_not_told():
    play = Play(to(), per_minute=1)
    play.open(1)
    play.look(1)
    play.open(2)
    play.look(10)
    play.over(2)
    assert play.look(120) == []


def test_one_receiver_does_not_use_up_the_letters_of_another():
    play = Play(to(about=frozenset({"network"})), to("disk", about=frozenset({"fault"})), per_minute=1)
    play.open(1)
    play.look(1)
    play.open(2, FULL)
    assert play.look(1) == [Said("disk", [(What.OPENED, 2)])]


@pytest.mark.parametrize(
    ("about", "told"),
    [({"network"}, True), ({"stability"}, True), ({"key"}, False), ({"key", "network"}, True), (set(), True)],
)
def test_causes_and_tiles_choose(about, told):
    play = Play(to(about=frozenset(about)))
    play.open()
    assert bool(play.look(5)) is told


def test_another_kind_is_told_once_it_has_settled():
    play = Play(to())
    play.open(kind="")
    play.look(1)
    play.now(kind=DOWN, cause="network")
    assert play.look(SETTLED_NS / NS_PER_S - 0.5) == []
    assert play.look(1) == [Said("duty", [(What.CHANGED, 1)])]
    assert play.look(60) == []


def test_a_kind_that_flickers_is_no_news():
    play = Play(to())
    play.open()
    play.look(1)
    for turn in range(200):
        play.now(kind=(SLOW, DOWN)[turn % 2])
        assert play.look(3) == []


def test_a_kind_that_was_told_before_must_stand_longer():
    play = Play(to())
    play.open()
    play.look(1)
    play.now(kind=SLOW)
    assert play.look(20) == [Said("duty", [(What.CHANGED, 1)])]
    play.now(kind=DOWN)
    assert play.look(RETURNED_NS / NS_PER_S - 0.5) == []
    assert play.look(1) == [Said("duty", [(What.CHANGED, 1)])]


def test_what_recovers_is_not_known_better_any_more():
    play = Play(to())
    play.open()
    play.look(1)
    play.now(phase=Phase.VERIFYING, kind=SLOW)
    assert play.look(600) == []


def test_changes_of_kind_have_an_end_and_the_end_is_told():
    play, said = Play(to()), []
    play.open()
    play.look(1)
    for turn in range(20):
        play.now(kind=(SLOW, DOWN)[turn % 2])
        said += play.look(60)
    assert said == [Said("duty", [(What.CHANGED, 1)])] * CHANGES_MAX
    play.over()
    assert play.look(1) == [Said("duty", [(What.OVER, 1)])]


def test_another_kind_reaches_who_is_told_of_that():
    play = Play(to(about=frozenset({"network"})), to("bank", about=frozenset({"bank"})))
    play.open()
    play.look(1)
    play.now(kind=SLOW, cause="bank")
    said = play.look(20)
    assert Said("bank", [(What.OPENED, 1)]) in said and Said("duty", [(What.CHANGED, 1)]) in said
    play.over()
    assert len(play.look(1)) == 2


def test_a_person_is_needed():
    proposed = Deed("route-away", "01020000", Tier.PROPOSED, "proposed", NOON)
    play = Play(to())
    play.open()
    play.look(1)
    play.now(deeds=(proposed,))
    assert play.look(1) == [Said("duty", [(What.NEEDS, 1)])]
    play.now(deeds=(replace(proposed, state="running"),))
    play.now(phase=Phase.ROLLED_BACK)
    assert play.look(60) == []  # that a person is needed is known
    play.open(2, deeds=(proposed,))
    assert play.look(1) == [Said("duty", [(What.NEEDS, 2)])]


def test_what_is_merged_is_one_thing_from_then_on():
    play = Play(to())
    play.open(1)
    play.open(2)
    play.look(1)
    play.now(2, merged_into=1)
    assert play.look(60) == []
    play.over(1)
    assert play.look(60) == [Said("duty", [(What.OVER, 1)])]
    assert not play.notices.waiting


def test_who_knew_only_of_what_was_merged_is_told_of_the_end():
    play = Play(to("early", least="suspect"), to("rolled", least="rolled-back"))
    play.open(1, phase=Phase.SUSPECT)
    play.open(2, phase=Phase.ROLLED_BACK)
    play.look(1)
    play.now(2, merged_into=1)
    assert play.look(60) == []
    play.over(1)
    assert {said.to for said in play.look(1)} == {"early", "rolled"}


def test_a_node_that_says_nothing_is_told_and_its_return_too():
    play = Play(to(quiet=(0, 1439)), to("key", about=frozenset({"key"})))
    play.look(1)
    play.speaks = False
    assert play.look(SILENCE_NS / NS_PER_S - 0.5) == []
    assert play.look(1) == [Said("duty", [(What.OPENED, SILENT)])]
    assert play.look(600) == []
    play.speaks = True
    assert play.look(1) == [Said("duty", [(What.OVER, SILENT)])]
    play.speaks = False
    assert play.look(60) == [Said("duty", [(What.OPENED, SILENT)])]


def test_a_restart_is_no_silence():
    play = Play(to())
    play.look(1)
    for _ in range(10):
        play.speaks = False
        assert play.look(20) == []
        play.speaks = True
        assert play.look(1) == []


def test_what_rests_too_long_makes_room():
    play = Play(to(quiet=(22 * 60, 7 * 60)), at_ns=NIGHT, per_minute=60)
    for number in range(1, 1201):
        play.open(number, affected=500)
        play.look(2)
        play.now(number, affected=0, phase=Phase.RESOLVED)  # told, and over without being severe
        play.look()
    assert play.notices.untold > 600 and len(play.notices._cases) <= 512 and len(play.notices._told) <= 512


STEP = st.tuples(
    st.integers(1, 4),
    st.sampled_from([*Phase]),
    st.sampled_from(["", DOWN, SLOW, FULL]),
    st.sampled_from([0, 20, 200]),
    st.sampled_from([0.5, 3, 20, 90, 4000]),
)


@settings(max_examples=60)
@given(st.lists(STEP, max_size=25), st.booleans())
def test_whatever_happens(steps, by_night):
    """Over only follows opened, nobody has more letters than the limit, in the end everybody knows all."""
    receivers = (
        to(), to("night", quiet=(22 * 60, 7 * 60)), to("boss", after_s=300),
        to("disk", about=frozenset({"fault"})),
    )  # fmt: skip
    play = Play(*receivers, at_ns=NIGHT if by_night else NOON, per_minute=2)
    knows, sent = set(), []

    def look(seconds):
        until_ns = play.now_ns + int(seconds * NS_PER_S)
        while play.now_ns < until_ns:
            play.now_ns += NS_PER_S // 2 if seconds < 100 else 5 * NS_PER_S
            for said in play.look():
                sent.append((said.to, play.now_ns))
                assert (
                    sum(1 for one in sent if one[0] == said.to and one[1] > play.now_ns - 60 * NS_PER_S) <= 2
                )
                for what, number in said.items:
                    known = (said.to, number) in knows
                    assert known or what in (What.OPENED, What.NEEDS)
                    assert not (known and what is What.OPENED)
                    knows.discard((said.to, number)) if what is What.OVER else knows.add((said.to, number))

    for number, phase, kind, affected, seconds in steps:
        if number not in play.book:
            play.open(number, DOWN)
        again = play.book[number].opened_again + (not play.book[number].open and phase is not Phase.RESOLVED)
        play.now(number, phase=phase, kind=kind, affected=affected, opened_again=again)
        look(seconds)
    for number in play.book:
        play.over(number)
    look(12 * 3600)
    assert not knows and not play.notices.waiting


# words


def item(what=What.OPENED, number=7, kind=DOWN, **more):
    cause = KINDS[kind].cause if kind else ""
    return Item(what, Incident(number, Phase.CONFIRMED, kind, cause, PLACE, NOON, NOON, NOON, **more))


NAMES = {"zh": {("bank", "01020000"): "甲银行"}, "en": {("bank", "01020000"): "Bank A"}}


def test_a_letter_in_both_languages():
    letter = Speaker("A", NAMES).worded([item(affected=312)], "both", NOON)
    assert letter.title.startswith("[posswitch A] #7 ") and "\n" not in letter.title
    for words in ("甲银行", "Bank A", "312"):
        assert words in letter.title
    assert "posswitch incident 7 --ack --by" in letter.body
    assert letter.body.endswith("2026-11-02 12:00:00+08:00")
    assert "银行" not in Speaker("A", NAMES).worded([item()], "en", NOON).title
    assert "Bank" not in Speaker("A", NAMES).worded([item()], "zh", NOON).title


@pytest.mark.parametrize("kind", ["", *KINDS])
@pytest.mark.parametrize("what", What)
def test_every_kind_has_its_letter(kind, what):
    phase = Phase.RESOLVED if what is What.OVER else Phase.CONFIRMED
    one = item(what, kind="" if kind == "inconclusive" else kind)
    one = one._replace(incident=replace(one.incident, phase=phase))
    letter = Speaker("A", NAMES).worded([one], "both", NOON)
    assert 20 < len(letter.title) <= 2 * TITLE_MAX and len(letter.body) <= 2 * BODY_MAX + 40
    assert "{" not in letter.title + letter.body


def test_many_things_are_a_list_with_an_end():
    letter = Speaker("A", NAMES).worded([item(number=n) for n in range(100, 130)], "both", NOON)
    assert letter.title.count("30") == 2
    assert letter.body.count("#1") == 2 * LISTED_MAX and letter.body.count("20 more") == 1


def test_the_silence_of_a_node_in_words():
    silent = Incident(SILENT, Phase.CONFIRMED, "", "fault", {"node": "A"}, NOON, NOON, NOON)
    for what, zh, en in ((What.OPENED, "没有动静", "says nothing"), (What.OVER, "又有动静", "speaks again")):
        letter = Speaker("A").worded([Item(what, silent)], "both", NOON)
        assert zh in letter.title and en in letter.title and "#0" not in letter.title + letter.body


def test_card_numbers_are_masked_whatever_wrote_them():
    deed = Deed("note", "x", Tier.AUTOMATIC, "worked", NOON, note="card 4111111111111111 was seen")
    letter = Speaker("A").worded([item(deeds=(deed,))], "both", NOON)
    assert "was seen" in letter.body and "4111111111111111" not in letter.body
    one = item()
    one = one._replace(incident=replace(one.incident, place={"terminal": "4111111111111111"}))
    letter = Speaker("A", NAMES).worded([one], "both", NOON)
    assert "411111" in letter.title and "4111111111111111" not in letter.title + letter.body
