"""The life of incidents in the book, finding by finding."""

import pytest

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.book import CALM_S, CALM_SILENT_S, OPEN_MAX, VERIFIED_S, Book
from posswitch.diagnose.facts import NODE, Fact
from posswitch.diagnose.incident import Guess, Phase
from posswitch.diagnose.signals import Dim
from posswitch.diagnose.suspects import Named

from .findings import found
from .streams import AT_NS


class Desk:
    """A book and a clock."""

    def __init__(self):
        self.book, self.now_ns = Book(), AT_NS

    def enter(self, *findings, after_s=0.0, fresh=True):
        self.now_ns += int(after_s * NS_PER_S)
        self.book.enter(self.now_ns, findings, 1.0, fresh=fresh)
        self.book.merge(self.now_ns)
        return self.open

    @property
    def open(self):
        return [case.incident for case in self.book.cases.values()]

    def calm(self, seconds, *, well=True, busy=True):
        """Looks each half second; the phases that incidents came to."""
        phases = []
        for _ in range(int(seconds * 2)):
            self.now_ns += NS_PER_S // 2
            for case in list(self.book.cases.values()):
                if self.book.calm(case, self.now_ns, well=well, busy=busy):
                    phases.append(case.incident.phase)
        return phases


@pytest.fixture
def desk():
    return Desk()


def test_a_finding_opens_one_incident_and_the_next_ones_are_about_it(desk):
    (first,) = desk.enter(found(probability=0.45))
    assert (first.number, first.phase, first.kind) == (1, Phase.CONFIRMED, "iss-silent")
    for _ in range(5):
        (known,) = desk.enter(found(probability=0.6), after_s=1)
    assert (known.number, known.opened_ns, known.probability) == (1, AT_NS, 0.6)


def test_nobody_raised_anything_and_nothing_is_opened(desk):
    assert desk.enter(found(), fresh=False) == []


def test_what_is_inconclusive_is_a_suspicion_until_it_is_known(desk):
    (first,) = desk.enter(found(probability=0.2))
    assert (first.phase, first.kind) == (Phase.SUSPECT, "")
    (known,) = desk.enter(found(probability=0.8), after_s=2)
    assert (known.phase, known.kind) == (Phase.CONFIRMED, "iss-silent")


def test_two_banks_are_two_incidents_and_links_of_one_bank_are_one(desk):
    assert len(desk.enter(found(bank=1), found(bank=2))) == 2
    lines = [found("net-issuer-link-down", bank=3, place={"link": f"B3/{index}"}) for index in (0, 1)]
    desk.enter(lines[0])
    assert len(desk.enter(lines[1], after_s=1)) == 3


def test_banks_without_traffic_are_not_one_another(desk):
    """Nobody knows yet which outcomes are theirs: their places are empty."""
    lines = [found("net-issuer-link-down", bank=bank, where=()) for bank in (4, 5)]
    assert [one.place for one in desk.enter(*lines)] == [{"bank": "B4"}, {"bank": "B5"}]


def test_two_that_turn_out_to_be_at_one_place_are_merged_into_the_older(desk):
    desk.enter(
        found("iss-all-decline", bank=1), found("data-bin-stale", where=((Dim.BIN, 7),), place={"bin": "62"})
    )
    case = desk.book.cases[2]
    case.incident = type(case.incident)(**{
        **{name: getattr(case.incident, name) for name in case.incident.__struct_fields__},
        "place": {"bank": "B1"}, "affected": 5,
    })  # fmt: skip
    (merged,) = desk.book.merge(desk.now_ns)
    assert (merged.incident.number, merged.incident.merged_into, merged.incident.open) == (2, 1, False)
    assert [(one.number, one.affected) for one in desk.open] == [(1, 5)]


def test_incidents_of_the_whole_centre_of_two_kinds_are_two(desk):
    disk, hsm = (found(kind, bank=0, facts=[(fact, NODE)]) for kind, fact in (
        ("sys-disk-full", "disk-low"), ("sys-hsm-down", "hsm-down"),
    ))  # fmt: skip
    assert len(desk.enter(disk)) == 1
    assert len(desk.enter(hsm, after_s=3)) == 2
    assert len(desk.enter(found("sys-disk-full", bank=0), after_s=3)) == 2
    covers = desk.book.covers
    assert covers(Fact("disk-low", NODE, AT_NS, 1.0))
    assert not covers(Fact("memory-grows", NODE, AT_NS, 1.0))


def test_a_whole_centre_incident_does_not_swallow_a_bank(desk):
    desk.enter(found("sys-centre-process-crash", bank=0))
    assert len(desk.enter(found("iss-silent", probability=0.2), after_s=2)) == 2
    assert not desk.book.covers(Fact("link-down", ("link", "B7/0"), AT_NS, 1.0))
    assert desk.book.covers(Fact("link-down", ("link", "B1/0"), AT_NS, 1.0))


def test_it_is_verified_and_closed_after_calm(desk):
    desk.enter(found())
    assert desk.calm(CALM_S) == []
    assert desk.calm(1.5) == [Phase.VERIFYING]
    assert desk.calm(VERIFIED_S - 2) == []
    assert desk.calm(2.5) == [Phase.RESOLVED]
    assert desk.open == []


def test_trouble_while_it_is_verified_takes_it_back(desk):
    desk.enter(found())
    desk.calm(CALM_S + 2)
    assert desk.calm(0.5, well=False) == [Phase.CONFIRMED]
    assert desk.calm(CALM_S) == []


def test_without_traffic_calm_says_little(desk):
    desk.enter(found())
    assert desk.calm(CALM_SILENT_S, busy=False) == []
    assert desk.calm(1.5, busy=False) == [Phase.VERIFYING]


def test_findings_in_old_outcomes_do_not_keep_it_from_its_end(desk):
    desk.enter(found())
    phases = []
    for _ in range(20):
        phases += desk.calm(1)
        desk.enter(found(), fresh=False)
    assert phases == [Phase.VERIFYING, Phase.RESOLVED]


def test_the_same_within_five_minutes_is_the_same_and_later_another(desk):
    desk.enter(found())
    desk.calm(20)
    (again,) = desk.enter(found(), after_s=200)
    assert (again.number, again.opened_again, again.closed_ns, again.phase) == (1, 1, 0, Phase.CONFIRMED)
    desk.calm(20)
    (later,) = desk.enter(found(), after_s=301)
    assert (later.number, later.opened_again) == (2, 0)


def test_another_kind_of_the_whole_centre_soon_after_is_another(desk):
    desk.enter(found("sys-disk-full", bank=0))
    desk.calm(20)
    (other,) = desk.enter(found("sys-hsm-down", bank=0), after_s=30)
    assert other.number == 2


@pytest.mark.parametrize("closed", [False, True])
def test_a_storm_belongs_to_its_cause_and_changes_nothing_of_it(desk, closed):
    desk.enter(found("net-issuer-link-down"))
    if closed:
        desk.calm(20)
    (known,) = desk.enter(found("ovl-retry-storm", 0.95, bank=0, since_s=10), after_s=20)
    assert (known.number, known.kind, known.place) == (1, "net-issuer-link-down", {"bank": "B1"})


def test_a_storm_does_not_take_the_name_of_a_cause_that_is_young_and_not_sure(desk):
    desk.enter(found("iss-slow", 0.6))
    guesses = (Guess("ovl-retry-storm", "overload", 0.7), Guess("iss-slow", "bank", 0.25))
    (known,) = desk.enter(found()._replace(named=Named(guesses, (), (), ())), after_s=5)
    assert known.kind == "iss-slow"


def test_a_storm_has_nothing_to_do_with_one_terminal(desk):
    desk.enter(found("sec-mac-mismatch-one", where=((Dim.TERMINAL, 9),), place={"terminal": "T9"}))
    assert len(desk.enter(found("ovl-retry-storm", 0.95, bank=0, since_s=10), after_s=20)) == 2


def test_a_storm_long_after_is_one_of_its_own(desk):
    desk.enter(found("net-issuer-link-down"))
    desk.calm(20)
    (storm,) = desk.enter(found("ovl-retry-storm", 0.95, bank=0, since_s=200), after_s=200)
    assert (storm.number, storm.kind) == (2, "ovl-retry-storm")


def test_what_is_left_of_it_at_its_end_is_not_its_place(desk):
    desk.enter(found("iss-all-decline"))
    part = {"where": ((Dim.BANK, 1), (Dim.ENTRY, 5)), "place": {"bank": "B1", "entry": "051"}}
    (known,) = desk.enter(found("iss-all-decline", **part), after_s=12)
    assert known.place == {"bank": "B1"}
    young = Desk()
    young.enter(found("iss-all-decline"))
    (known,) = young.enter(found("iss-all-decline", **part), after_s=2)
    assert known.place == {"bank": "B1", "entry": "051"}


def test_what_was_sure_is_given_up_only_when_it_does_not_fit_any_more(desk):
    desk.enter(found("iss-slow", 0.9))
    (known,) = desk.enter(found("iss-says-91", 0.5), after_s=60)
    assert known.kind == "iss-says-91"  # slow is not even among the guesses
    both = found("iss-all-decline", 0.5)
    guesses = (*both.named.guesses, Guess("iss-says-91", "bank", 0.4))
    (known,) = desk.enter(both._replace(named=Named(guesses, (), (), ())), after_s=60)
    assert known.kind == "iss-says-91"


def test_at_most_so_many_are_open(desk):
    for bank in range(1, OPEN_MAX + 20):
        desk.enter(found(bank=bank))
    assert len(desk.open) == OPEN_MAX
    for _ in range(3):
        desk.calm(20)
        for bank in range(1, OPEN_MAX + 20):
            desk.enter(found(bank=bank))
    assert len(desk.book._ended) <= OPEN_MAX


def test_numbers_go_on_after_a_restart():
    book = Book(41)
    (case,) = book.enter(AT_NS, [found()], 1.0, fresh=True)
    assert case.incident.number == 42
