"""What belongs together: which later looks count, what lies in what, whose wake something is."""

import pytest

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose import kin
from posswitch.diagnose.book import Book
from posswitch.diagnose.cube import AGAIN
from posswitch.diagnose.facts import NODE, Fact
from posswitch.diagnose.incident import Guess, Phase
from posswitch.diagnose.signals import Dim
from posswitch.diagnose.suspects import Named

from .findings import found
from .streams import AT_NS

BANK, ENTRY = (Dim.BANK, 1), (Dim.ENTRY, 5)
PART = {"where": (BANK, ENTRY), "place": {"bank": "B1", "entry": "051"}}


def case_of(finding):
    """An open case that this finding has opened."""
    (case,) = Book().enter(AT_NS, [finding], 1.0, fresh=True)
    return case


def guessed(*guesses):
    """A finding at a bank that may be this or that."""
    return found()._replace(named=Named(tuple(Guess(kind, "", share) for kind, share in guesses), (), (), ()))


def at(seconds):
    return int(seconds * NS_PER_S)


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        ((BANK,), (BANK, ENTRY), True),
        ((BANK, ENTRY), (BANK,), True),
        ((), (BANK,), True),
        ((BANK,), (ENTRY,), False),
        ((BANK, ENTRY), ((Dim.BANK, 2), ENTRY), False),
    ],
)
def test_places_are_related_where_one_lies_in_the_other(one, other, are):
    assert kin.related(frozenset(one), frozenset(other)) is are


@pytest.mark.parametrize(
    ("before", "after", "seconds", "counts"),
    [
        (("iss-slow", 0.9), [("iss-slow", 0.45)], 99, True),  # the same, as it looks now
        (("iss-slow", 0.9), [("iss-silent", 0.95)], 5, True),  # it is not even thought of any more
        (("iss-slow", 0.9), [("iss-silent", 0.5), ("iss-slow", 0.45)], 5, False),  # it was sure
        (("iss-slow", 0.6), [("iss-silent", 0.7), ("iss-slow", 0.25)], 5, True),  # young, and surer
        (("iss-slow", 0.6), [("iss-silent", 0.7), ("iss-slow", 0.25)], 31, False),  # not young
        (("iss-slow", 0.6), [("iss-silent", 0.2)], 5, False),  # nobody knows
        (("iss-slow", 0.6), [("ovl-retry-storm", 0.9)], 5, False),  # its own wake
    ],
)  # fmt: skip
def test_a_later_look_counts_where_it_is_surer_or_the_first_does_not_fit(before, after, seconds, counts):
    incident = case_of(found(before[0], before[1])).incident
    assert kin.believes(incident, guessed(*after), AT_NS + at(seconds)) is counts


def test_what_is_not_known_yet_believes_anything():
    incident = case_of(found(probability=0.2)).incident
    assert kin.believes(incident, guessed(("iss-slow", 0.4)), AT_NS + at(500))


def test_a_place_becomes_narrower_while_it_is_as_sure_and_wider_when_it_is_young():
    wide, narrow = case_of(found("iss-slow", 0.7)), case_of(found("iss-slow", 0.7, **PART))
    assert kin.may_move(narrow, found("iss-slow", 0.6), at(99))
    assert not kin.may_move(narrow, found("iss-slow", 0.5), at(99))
    assert kin.may_move(wide, found("iss-slow", 0.9, **PART), at(9))
    assert not kin.may_move(wide, found("iss-slow", 0.9, **PART), at(11))


def test_one_link_is_found_late_and_two_links_are_the_bank():
    silent = ("link-silent", ("link", "B1/0")), ("link-silent", ("link", "B1/1"))
    case = case_of(found("net-half-open"))
    one = found("net-half-open", place={"link": "B1/0"}, facts=silent[:1])
    assert kin.may_move(case, one, at(19))
    assert not kin.may_move(case, one, at(21))
    linked = case_of(one)
    assert not kin.may_move(linked, found("net-half-open", facts=silent[:1]), at(1))
    assert kin.may_move(linked, found("net-half-open", facts=silent), at(1))


def test_two_about_the_whole_centre_are_one_by_their_kind_or_while_nobody_knows():
    hsm = ("hsm-down", NODE)
    case = case_of(found("sys-hsm-down", bank=0, facts=[hsm]))
    late = AT_NS + at(60)
    assert kin.one_name(case, found("sys-hsm-down", bank=0), late)
    assert kin.one_name(case, found("sys-hsm-down", 0.1, bank=0), late)  # inconclusive
    assert not kin.one_name(case, found("sys-disk-full", bank=0), late)
    soon = AT_NS + at(5)
    assert kin.one_name(case, found("sys-hsm-slow", bank=0, facts=[("hsm-busy", NODE)]), soon)
    assert kin.one_name(case, found("sys-hsm-slow", bank=0, facts=[("hsm-busy", NODE)]), late)  # there is one
    assert not kin.one_name(case, found("sys-disk-full", bank=0, facts=[("disk-low", NODE)]), soon)


def test_most_of_what_was_thought_wide_is_its_place():
    case = case_of(found(bank=0, probability=0.2))
    most, little = found()._replace(share=0.8), found()._replace(share=0.3)
    assert kin.is_most_of(case, most, AT_NS + at(5))
    assert not kin.is_most_of(case, little, AT_NS + at(5))
    assert not kin.is_most_of(case, most, AT_NS + at(16))
    assert not kin.is_most_of(case_of(found(bank=2)), most, AT_NS)
    node = case_of(found("sys-disk-full", bank=0, facts=[("disk-low", NODE)]))
    assert not kin.is_most_of(node, most, AT_NS)


def test_a_wake_reaches_other_banks_only_where_the_centre_is_crowded():
    case = case_of(found("net-issuer-link-down"))
    storm = found("ovl-retry-storm", bank=2)
    assert kin.has_a_wake(case, found("ovl-retry-storm", bank=0))
    assert not kin.has_a_wake(case, storm)
    assert kin.has_a_wake(case, storm._replace(strained=True))
    assert not kin.has_a_wake(case_of(found("ovl-retry-storm")), found("ovl-saf-backlog"))  # a wake has none
    assert not kin.has_a_wake(case_of(found(probability=0.1, bank=0)), storm)  # nobody knows what that is
    terminal = found("sec-mac-mismatch-one", where=((Dim.TERMINAL, 9),), place={"terminal": "T9"})
    assert not kin.has_a_wake(case_of(terminal), found("ovl-retry-storm", bank=0))


def test_banks_that_seem_slow_are_the_centres_own_slowness():
    slow, ours = case_of(found("iss-slow")), case_of(found("sys-hsm-slow", bank=0))
    assert kin.slows(ours) and kin.slows(case_of(found("ovl-peak", bank=0)))
    assert not kin.slows(slow) and not kin.slows(case_of(found("sys-disk-full", bank=0)))
    assert kin.is_whole_of(ours, slow)
    assert not kin.is_whole_of(slow, ours)
    assert not kin.is_whole_of(ours, case_of(found("iss-all-decline")))


def test_all_lines_down_is_the_whole_of_any_line():
    whole = case_of(found("net-all-links-down", bank=0))
    assert kin.is_whole_of(whole, case_of(found("net-issuer-link-down")))
    assert not kin.is_whole_of(whole, case_of(found("iss-all-decline")))


def test_one_cause_is_one_place_or_one_kind_at_one_bank():
    case = case_of(found("iss-slow"))
    assert kin.one_cause(case, case_of(found("iss-silent")))
    assert kin.one_cause(case, case_of(found("iss-slow", **PART)))
    assert not kin.one_cause(case, case_of(found("iss-slow", bank=2)))
    assert not kin.one_cause(case_of(found("sys-disk-full", bank=0)), case_of(found("sys-hsm-down", bank=0)))


def test_facts_of_the_node_belong_to_what_they_speak_for():
    incident = case_of(found("sys-disk-full", bank=0)).incident
    disk, crowd, hsm = (Fact(name, NODE, AT_NS, 1.0) for name in ("disk-low", "sheds", "hsm-down"))
    assert [kin.is_own(one, incident) for one in (disk, crowd, hsm)] == [True, False, False]
    assert [kin.belongs(one, incident) for one in (disk, crowd, hsm)] == [True, True, False]
    nobody = case_of(found(probability=0.1, bank=0)).incident
    assert not kin.is_own(disk, nobody) and not kin.belongs(disk, nobody)


def test_a_person_reads_again_what_is_called_otherwise_is_elsewhere_or_much_surer():
    before = case_of(found("iss-slow", 0.5)).incident
    assert not kin.news(before, case_of(found("iss-slow", 0.55)).incident)
    for other in (found("iss-slow", 0.65), found("iss-silent", 0.5), found("iss-slow", 0.5, **PART)):
        assert kin.news(before, case_of(other).incident)


def test_a_bin_lies_in_its_bank():
    bin_ = found("iss-slow", where=((Dim.BIN, 7),), place={"bin": "62"})
    assert not kin.related(bin_.lies_in, found("iss-slow").lies_in)
    at_home = bin_._replace(home=1)
    assert kin.related(at_home.lies_in, found("iss-slow").lies_in)
    assert not kin.related(at_home.lies_in, found("iss-slow", bank=2).lies_in)


def test_those_who_come_again_move_no_place():
    wake = found("iss-slow", 0.9)._replace(streams=frozenset({AGAIN}))
    assert not kin.may_move(case_of(found("iss-slow", 0.7, **PART)), wake, at(1))
    assert kin.may_move(case_of(wake), wake, at(1))


def test_empty_purses_are_life_and_so_are_limits_of_cards_that_are_reached_everywhere():
    assert kin.is_life(found("iss-no-money"))
    assert kin.is_life(found("lim-card-limit", bank=0))
    assert not kin.is_life(found("lim-card-limit"))
    assert not kin.is_life(found("iss-all-decline", bank=0))
    assert case_of(found("iss-no-money")).incident.phase is Phase.SUSPECT
