"""The whole of it on small streams of ticks: one incident a fault, at its place, over when it is over."""

import copy

import numpy as np
import pytest

from posswitch.diagnose.centre import Centre
from posswitch.diagnose.incident import Phase, packed
from posswitch.diagnose.investigate import Investigator
from posswitch.diagnose.signals import Tick
from posswitch.journal.vitals import WIDTH, Column, How

from .findings import found
from .streams import AT_NS, BANKS, TICK_NS, Street

BEGIN_S, END_S, LAST_S = 90.0, 130.0, 175.0


class Play:
    """A centre that has seen a stream; every incident as it was known last."""

    def __init__(self, seconds=LAST_S, street=None, **befalls):
        self.street = street or Street()
        self.centre = Centre(self.street.atlas(), spent=lambda: 0.0)
        self.known, self.worst = {}, {}
        for tick in self.street.ticks(seconds, **befalls):
            for incident in self.centre.look(tick):
                self.known[incident.number] = incident
                self.worst.setdefault(incident.number, incident)
                if incident.open:
                    self.worst[incident.number] = incident

    @property
    def own(self):
        """Those that no other has swallowed, as they were known before their end."""
        return [self.worst[number] for number, one in self.known.items() if not one.merged_into]


def ill(second):
    return BEGIN_S <= second < END_S


def befall(street, change):
    return lambda rows, second: change(rows) if ill(second) else rows


def test_nothing_wrong_opens_nothing():
    assert Play(600.0).known == {}


@pytest.mark.parametrize(("kinds", "share"), [(("sign-on",), 0.05), (("sign-on", "settlement"), 1.0)])
def test_shops_that_settle_and_sign_on_in_waves_are_no_trouble(kinds, share):
    """Every 40 s, for 8 s: more than usual in a wave, nothing between two."""
    street = Street()
    chores = [street.named(kind) for kind in kinds]

    def waves(rows, second):
        if second % 40 < 8:
            more = rows[street.chance.random(len(rows)) < share]
            more[:, Column.KIND] = street.chance.choice(chores, len(more))
            return np.concatenate((rows, more))
        return rows

    assert Play(400.0, street, spoil=waves).known == {}


@pytest.mark.parametrize(
    ("change", "kinds", "within_s"),
    [
        (lambda street, rows: street.silent("B2", rows), {"iss-silent", "net-one-way", "net-half-open"}, 2.0),
        (lambda street, rows: street.silent("B2", rows, 0.3),
         {"", "iss-silent", "net-packet-loss", "sys-gray-failure"}, 5.0),
        (lambda street, rows: street.says("B2", "96", rows), {"sys-issuer-96-remote"}, 2.0),
        (lambda street, rows: street.says("B2", "05", rows), {"iss-all-decline"}, 4.0),
        (lambda street, rows: street.says("B2", "91", rows), {"iss-says-91"}, 2.0),
    ],
)  # fmt: skip
def test_a_bank_that_fails_is_one_incident_at_that_bank_and_over_when_it_is_over(change, kinds, within_s):
    street = Street()
    play = Play(street=street, spoil=befall(street, lambda rows: change(street, rows)))
    (incident,) = play.own
    assert incident.place == {"bank": "B2"}
    assert incident.kind in kinds
    assert 0 <= incident.opened_ns - AT_NS - BEGIN_S * 1e9 <= (within_s + 0.5) * 1e9
    assert abs(incident.since_ns - AT_NS - BEGIN_S * 1e9) <= 3e9
    ended = play.known[incident.number]
    assert ended.phase is Phase.RESOLVED
    assert END_S * 1e9 < ended.closed_ns - AT_NS <= (END_S + 30) * 1e9
    assert ended.affected > 20
    assert play.centre.incidents == []


def test_what_an_incident_has_cost_is_counted():
    street, failed = Street(), []

    def spoil(rows, second):
        if ill(second):
            rows = street.silent("B2", rows)
            failed.append(int((rows[:, Column.HOW] == How.TIMER).sum()))
        return rows

    (incident,) = Play(street=street, spoil=spoil).own
    assert incident.affected == pytest.approx(sum(failed), rel=0.1)


def test_a_link_that_is_down_is_told_by_its_facts_and_what_the_centre_says():
    street = Street()
    play = Play(
        street=street,
        spoil=befall(street, lambda rows: street.cut("B3", rows)),
        gauges=lambda said, second: ill(second) and street.links_down("B3", said),
    )
    (incident,) = play.own
    assert (incident.kind, incident.cause, incident.place) == (
        "net-issuer-link-down",
        "network",
        {"bank": "B3"},
    )
    assert incident.probability > 0.9
    assert play.known[incident.number].phase is Phase.RESOLVED


def test_one_link_of_two_is_named():
    street = Street()
    play = Play(street=street, gauges=lambda said, second: ill(second) and said.update({"link.B3.1.up": 0}))
    (incident,) = play.own
    assert incident.place == {"link": "B3/1"}
    assert incident.affected == 0


def test_one_link_of_two_that_is_closed_for_a_moment_is_nothing():
    street = Street()
    play = Play(gauges=lambda said, second: BEGIN_S <= second < BEGIN_S + 2.5 and said.update(
        {"link.B3.1.up": 0}
    ), street=street)  # fmt: skip
    assert play.own == []


def test_what_rang_in_a_small_place_and_is_nowhere_else_is_nothing_of_the_whole_centre():
    centre = Centre(Street().atlas())
    whole = found(bank=0)
    for finding, wanted in ((whole._replace(odds=1.0), 0), (whole._replace(odds=9.0), 1), (found(), 1)):
        assert len(centre._wanted([finding], [], fresh=True)) == wanted


def test_two_banks_at_once_are_two_incidents():
    street = Street()
    play = Play(
        street=street,
        spoil=befall(street, lambda rows: street.says("B4", "96", street.silent("B1", rows))),
    )
    assert sorted(one.place["bank"] for one in play.own) == ["B1", "B4"]
    assert all(one.phase is Phase.RESOLVED for one in play.known.values())


def test_all_links_down_is_one_incident_of_the_centre():
    street = Street()

    def cut(rows):
        for bank in BANKS:
            rows = street.cut(bank, rows)
        return rows

    def down(said, second):
        for bank in BANKS if ill(second) else ():
            street.links_down(bank, said)

    play = Play(street=street, spoil=befall(street, cut), gauges=down)
    (incident,) = play.own
    assert (incident.kind, incident.place) == ("net-all-links-down", {})
    assert play.known[incident.number].phase is Phase.RESOLVED


def test_an_acquirer_that_falls_silent_is_found_by_what_is_missing():
    street = Street()
    mine = [street.terminals[number] for number in range(0, 120, 3)]
    play = Play(
        street=street, spoil=befall(street, lambda rows: rows[~np.isin(rows[:, Column.TERMINAL], mine)])
    )
    (incident,) = play.own
    assert (incident.kind, incident.place) == ("net-acquirer-link-down", {"source": "acquirer 0"})
    assert play.known[incident.number].phase is Phase.RESOLVED


def test_where_there_is_one_bank_only_its_word_is_its_own_and_ours_is_the_centres():
    street = Street(banks=("B1",))
    (incident,) = Play(street=street, spoil=befall(street, lambda rows: street.silent("B1", rows))).own
    assert incident.place == {"bank": "B1"}
    street = Street(banks=("B1",))

    def here(rows):
        rows = street.says("B1", "96", rows)
        rows[:, Column.HOW] = How.HERE
        return rows

    (incident,) = Play(street=street, spoil=befall(street, here)).own
    assert (incident.place, incident.kind) == ({}, "sys-switch-96-own")


def test_two_facts_of_the_node_that_are_no_one_thing_are_two_incidents():
    def gauges(said, second):
        said["disk_low"] = int(ill(second))
        if BEGIN_S + 15 <= second < END_S:
            said["hsm_ready"] = 0

    assert sorted(one.kind for one in Play(gauges=gauges).own) == ["sys-disk-full", "sys-hsm-down"]


def test_the_same_bank_again_within_five_minutes_is_the_same_incident():
    street = Street()
    again = lambda rows, second: (  # noqa: E731
        street.silent("B2", rows) if ill(second) or ill(second - 100) else rows
    )
    play = Play(280.0, street=street, spoil=again)
    (incident,) = play.own
    assert incident.opened_again == 1
    assert play.known[incident.number].phase is Phase.RESOLVED


def test_no_traffic_at_all_is_quiet_and_warns_of_no_arithmetic():
    centre = Centre(Street().atlas())
    with np.errstate(all="raise"):
        for number in range(1200):
            tick = Tick(AT_NS + number * TICK_NS, 0.25, np.zeros((0, WIDTH), np.int32), Street().well())
            assert centre.look(tick) == []


def test_a_node_that_says_nothing_but_outcomes_is_understood():
    street = Street()
    play = Play(street=street, spoil=befall(street, lambda rows: street.says("B2", "96", rows)),
                gauges=lambda said, second: said.clear())  # fmt: skip
    assert [one.place for one in play.own] == [{"bank": "B2"}]


def test_what_an_open_incident_explains_is_looked_into_now_and_then_only(monkeypatch):
    looks, look = [], Investigator.look
    monkeypatch.setattr(
        Investigator, "look", lambda self, at_ns, *rest: looks.append(at_ns) or look(self, at_ns, *rest)
    )
    street = Street()
    Play(END_S, street=street, spoil=befall(street, lambda rows: street.silent("B2", rows)))
    assert 5 <= len(looks) <= 12  # after 0, 1, 2, 4 and 8 s, then every 10


def test_the_same_stream_is_judged_the_same_and_a_copy_goes_on_the_same():
    def ticks():
        street = Street(5)
        return street, list(
            street.ticks(LAST_S, spoil=befall(street, lambda rows: street.silent("B3", rows, 0.5)))
        )

    street, stream = ticks()
    first, second = (Centre(street.atlas(), spent=lambda: 0.0) for _ in range(2))
    half = int(BEGIN_S + 15) * 4  # in the midst of it
    one = [packed(incident) for tick in stream[:half] for incident in first.look(tick)]
    copied = copy.deepcopy(first)
    one += [packed(incident) for tick in stream[half:] for incident in first.look(tick)]
    two = [packed(incident) for tick in ticks()[1] for incident in second.look(tick)]
    rest = [packed(incident) for tick in stream[half:] for incident in copied.look(tick)]
    assert len(one) >= 3
    assert one == two
    assert one[-len(rest) :] == rest
