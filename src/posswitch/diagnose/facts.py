"""What the gauges say outright: facts about links, banks and the node, each a row of a table.

A fact holds at a place from the moment its rule is true until it has not been for a while. Rules see gauges
as they are, and how counts have risen.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from posswitch.base.moment import NS_PER_MS, NS_PER_S
from posswitch.diagnose.past import KEPT_S, Past
from posswitch.journal.vitals import Gauges

Place = tuple[str, str]  # "link" and `bank/index`, "bank" and its id, "node" and ""
NODE: Place = ("node", "")

_SILENT_MS, _SILENT_MIN = 300.0, 4  # after an answer is due; so many without one
LINKED_S = 10.0  # after its start a node has its links
_LINGERS_S = 3.0  # a fact that is not true any more
_HELD_S = 60.0  # it can still be told that it was
_EVERY_NS = 450 * NS_PER_MS  # rules are asked


class Fact(NamedTuple):
    """Something that holds at a place: its name, since when, and the figure that shows it."""

    name: str
    place: Place
    since_ns: int
    figure: float


Rule = Callable[[Past, str], float]  # the prefix of the place's gauges → a figure; 0: it does not hold


def _over(name: str, least: float) -> Rule:
    return lambda past, here: value if (value := past.get(here + name)) >= least else 0.0


def _rose(name: str, seconds: float, least: float) -> Rule:
    return lambda past, here: risen if (risen := past.rise(here + name, seconds)) >= least else 0.0


def _down(past: Past, here: str) -> float:
    if past.get(f"{here}up") or f"{here}up" not in past.now:
        return 0.0
    return float(past.most(f"{here}up", KEPT_S) > 0 or past.age_s > LINKED_S)


def _silent(past: Past, here: str) -> float:
    """Several requests that should have been answered by now, and not one answer in all that time.

    Where few are sent, because others are preferred, unanswered echoes say the same.
    """
    usual_ms, waiting_ms = past.get(f"{here}usual_ms"), past.get(f"{here}waiting_ms")
    if waiting_ms < max(4 * usual_ms, _SILENT_MS):
        return 0.0
    for seconds in (0.5, 1.0, 2.0, 4.0, 8.0):
        due_s = max(4 * usual_ms, _SILENT_MS) / 1000
        if past.rise(f"{here}sent", seconds, ago=due_s) >= _SILENT_MIN:
            return waiting_ms if not _heard(past, here, seconds + due_s) else 0.0
    waits = past.get(f"{here}under_way")
    deaf = waits >= 1 and waiting_ms >= 1000 and _echo_missed(past, here)
    return waiting_ms if deaf and not _heard(past, here, min(waiting_ms / 1000, 8.0)) else 0.0


def _heard(past: Past, here: str, seconds: float) -> float:
    return past.rise(f"{here}answered", seconds) + past.rise(f"{here}late", seconds)


def _lossy(past: Past, here: str) -> float:
    """Some answers never come, most come as fast as ever; those that are only late are not lost."""
    sent, answered = past.rise(f"{here}sent", 20, ago=5), past.rise(f"{here}answered", 20, ago=1.5)
    overdue, late = past.rise(f"{here}overdue", 20, ago=4), past.rise(f"{here}late", 20)
    lost = overdue - late  # what has waited for seconds, and still does
    if (
        lost < 3
        or sent < lost
        or answered < sent / 3
        or late >= 0.6 * overdue
        or not past.rise(f"{here}answered", 2)
    ):
        return 0.0
    return lost / sent if lost >= 0.03 * sent else 0.0


def _comes_late(past: Past, here: str) -> float:
    """What waits too long is answered after all."""
    overdue, late = past.rise(f"{here}overdue", 10, ago=2), past.rise(f"{here}late", 10)
    return late / max(overdue, 1.0) if late >= 3 and late >= 0.6 * overdue else 0.0


def _echo_missed(past: Past, here: str) -> float:
    asked = past.rise(f"{here}echoes", 3, ago=0.3)
    return asked if asked >= 2 and not past.rise(f"{here}echoed", 4) else 0.0


def _echo_works(past: Past, here: str) -> float:
    """Only asked while something waits too long: then it says that the line is well."""
    return heard if (heard := past.rise(f"{here}echoed", 3)) >= 2 else 0.0


def _echo_lost(past: Past, here: str) -> float:
    """Some echoes are answered and some are not."""
    asked, heard = past.rise(f"{here}echoes", 20, ago=1.0), past.rise(f"{here}echoed", 20, ago=1.0)
    lost = asked - heard
    return lost / asked if heard and lost >= max(2.0, 0.04 * asked) else 0.0


def _alone(past: Past, here: str) -> float:
    """What waits too long, waits on this link of the bank's links only."""
    bank, _, index = here.removeprefix("link.").rstrip(".").rpartition(".")
    mine, sent = past.rise(f"{here}overdue", 15), past.rise(f"{here}sent", 15)
    others = [f"link.{bank}.{other}." for other in range(past.links(bank)) if str(other) != index]
    theirs = sum(past.rise(f"{other}overdue", 15) for other in others)
    if mine < 3 or theirs > 0.1 * mine or not others:
        return 0.0
    return mine if max(past.rise(f"{other}sent", 15) for other in others) >= sent / 2 else 0.0


def _slower(past: Past, here: str) -> float:
    now_ms = past.get(f"{here}usual_ms")
    before_ms = past.ago(60).get(f"{here}usual_ms", 0.0)
    return now_ms / before_ms if before_ms > 0 and now_ms >= max(2.5 * before_ms, before_ms + 50) else 0.0


def _all_down(past: Past, here: str) -> float:
    bank = here.removeprefix("bank.").removesuffix(".")
    links = past.links(bank)
    if not links or any(past.get(f"link.{bank}.{index}.up") for index in range(links)):
        return 0.0
    return links if past.age_s > LINKED_S or past.most(f"{here}links_able", KEPT_S) > 0 else 0.0


def _restarted(past: Past, here: str) -> float:
    return float(past.starts(10))


def _restarts(past: Past, here: str) -> float:
    return float(starts) if (starts := past.starts(120)) >= 3 else 0.0


def _fsync_slow(past: Past, here: str) -> float:
    mean_us = past.get("commit_mean_us")
    return mean_us if mean_us >= 20_000 and mean_us >= 6 * past.usual("commit_mean_us") else 0.0


def _leaks(past: Past, here: str) -> float:
    """Memory grows steadily: by a quarter in the minutes that are kept, and in both halves of them."""
    now, old = past.get("memory_bytes"), past.ago(KEPT_S).get("memory_bytes", 0.0)
    if not old or now < 1.25 * old or now - old < 64 << 20:
        return 0.0
    half = past.ago(KEPT_S / 2).get("memory_bytes", 0.0)
    return now / old if old * 1.05 <= half <= now * 0.98 else 0.0


def _near(name: str, cap: str, share: float) -> Rule:
    def near(past: Past, here: str) -> float:
        limit = past.get(here + cap)
        used = past.get(here + name) / limit if limit else 0.0
        return used if used >= share else 0.0

    return near


def _tls_untrusted(past: Past, here: str) -> float:
    names = ("unknown-authority", "untrusted", "unregistered", "refused", "damaged")
    return float(sum(past.rise(f"{here}link-tls-{name}", 30) for name in names))


def _lane_deep(past: Past, here: str) -> float:
    deep = past.get(f"{here}lane")
    return deep if deep >= 50 and past.rise(f"{here}lane", 5) > 0 else 0.0


def _hsm_busy(past: Past, here: str) -> float:
    """Much waits there: of what may, or for what usually does, for some seconds."""
    waiting, cap = past.least("hsm_under_way", 2), past.get("hsm_cap")
    many = cap > 0 and past.get("hsm_under_way") >= 0.3 * cap
    return waiting if many or waiting >= max(10.0, 6 * past.usual("hsm_under_way")) else 0.0


def _node_slow(past: Past, here: str) -> float:
    """For seconds on end whatever comes waits, or the loop stands still."""
    wait_ms, lag_ms = past.least("wait_us", 3) / 1000, past.least("loop_lag_ms", 3)
    return max(wait_ms, lag_ms) if wait_ms >= 100 or lag_ms >= 150 else 0.0


def _hsm_refuses(past: Past, here: str) -> float:
    said = past.rise("count.hsm-ill", 15) + past.rise("count.hsm-other-master-key", 15)
    return said if said >= 3 else 0.0


def _hsm_fails(past: Past, here: str) -> float:
    """It answers, and what it is asked fails."""
    failed = past.rise("count.hsm-down", 5)
    return failed if failed >= 10 and past.get("hsm_ready") else 0.0


def _clock_off(past: Past, here: str) -> float:
    return past.jumped(60)


def _barred(past: Past, here: str) -> float:
    barred = past.get("guards_barred")
    return barred if barred >= 3 and barred >= 2 * past.usual("guards_barred") else 0.0


def _version(past: Past, here: str) -> float:
    return float(past.moments("registry", 120))


# Each fact: where it can hold, and its rule. `link.` and `bank.` rules are asked for every link and bank.
RULES: dict[str, tuple[str, Rule]] = {
    "link-down": ("link", _down),
    "link-refused": ("link", _rose("refused", 10, 2)),
    "link-lost": ("link", _rose("lost", 10, 1)),
    "link-flaps": ("link", _rose("lost", 120, 3)),
    "link-silent": ("link", _silent),
    "link-fenced": ("link", _over("fenced", 2)),
    "link-probed": ("link", _over("fenced", 1)),
    "link-lossy": ("link", _lossy),
    "link-late": ("link", _rose("late", 10, 3)),
    "link-comes-late": ("link", _comes_late),
    "link-slower": ("link", _slower),
    "echo-missed": ("link", _echo_missed),
    "echo-works": ("link", _echo_works),
    "echoes-lost": ("link", _echo_lost),
    "link-alone": ("link", _alone),
    "bank-unreachable": ("bank", _all_down),
    "bank-full": ("bank", _near("under_way", "cap", 0.9)),
    "lane-deep": ("bank", _lane_deep),
    "lane-old": ("bank", _over("lane_age_s", 60)),
    "lane-stale": ("bank", _over("lane_age_s", 6 * 3600)),
    "bank-unreadable": ("bank", _rose("undecodable-answer", 15, 3)),
    "bank-mac-bad": ("bank", _rose("answer-spoiled", 15, 3)),
    "bank-unmatched": ("bank", _rose("answer-unmatched", 15, 3)),
    "bank-differs": ("bank", _rose("answer-differs", 15, 3)),
    "bank-answers-again": ("bank", _rose("answer-again", 30, 4)),
    "bank-tls-expired": ("bank", _rose("link-tls-expired", 30, 1)),
    "bank-tls-not-yet": ("bank", _rose("link-tls-not-yet-valid", 30, 1)),
    "bank-tls-unknown": ("bank", _tls_untrusted),
    "node-restarted": ("node", _restarted),
    "node-restarts": ("node", _restarts),
    "node-lags": ("node", _over("loop_lag_ms", 150)),
    "node-slow": ("node", _node_slow),
    "queue-stands": ("node", _over("rung", 1)),
    "sheds": ("node", _rose("shed", 5, 5)),
    "cpu-full": ("node", _over("cpu_share", 0.85)),
    "cpu-taken": ("node", _over("cpu_wait_share", 0.35)),
    "fsync-slow": ("node", _fsync_slow),
    "disk-low": ("node", _over("disk_low", 1)),
    "memory-grows": ("node", _leaks),
    "descriptors-near": ("node", _near("descriptors", "descriptors_cap", 0.9)),
    "connections-near": ("node", _near("connections", "connections_cap", 0.9)),
    "hsm-down": ("node", lambda past, here: float("hsm_ready" in past.now and not past.get("hsm_ready"))),
    "hsm-busy": ("node", _hsm_busy),
    "hsm-refuses": ("node", _hsm_refuses),
    "hsm-fails": ("node", _hsm_fails),
    "gate-crowded": ("node", _rose("count.gate-crowded-out", 10, 10)),
    "gate-bad-frames": ("node", _rose("count.gate-bad-frames", 10, 3)),
    "gate-slowed": ("node", _rose("count.gate-slowed", 10, 3)),
    "frames-unreadable": ("node", _rose("count.frames-dropped", 10, 20)),
    "handshakes-fail": ("node", _rose("count.tls-accept-failed", 10, 10)),
    "guard-bars": ("node", _barred),
    "misfit-terminals": ("node", _over("misfit_terminals", 1)),
    "misfit-links": ("node", _over("misfit_links", 1)),
    "misfit-banks": ("node", _over("misfit_banks", 1)),
    "registry-changed": ("node", _version),
    "clock-off": ("node", _clock_off),
    "owners-rise": ("node", _rose("needs_owner", 60, 3)),
    "key-exchange-failed": ("node", _rose("count.zone-key-failed", 60, 1)),
}


class FactBoard:
    """All facts that hold now."""

    def __init__(self) -> None:
        self.past = Past()
        self._facts: dict[tuple[str, Place], tuple[Fact, int]] = {}  # and when it was true last
        self._places: list[tuple[Place, str]] = []
        self._named: Gauges = {}  # the gauges of which the places were made
        self._asked_ns = self._lives = 0

    def __repr__(self) -> str:
        return f"<{len(self._facts)} facts>"

    def look(self, at_ns: int, gauges: Gauges) -> list[Fact]:
        """Takes the newest gauges; every fact that holds."""
        self.past.take(at_ns, gauges)
        if 0 <= at_ns - self._asked_ns < _EVERY_NS and self.past.lives == self._lives:
            return self.held(at_ns - int(_LINGERS_S * NS_PER_S))
        if at_ns < self._asked_ns:
            self._facts.clear()  # the clock went back
        self._asked_ns, self._lives = at_ns, self.past.lives
        if gauges.keys() != self._named.keys():
            self._named, self._places = gauges, list(_places(gauges))
        for place, prefix in self._places:
            for fact, rule in _BY_SCOPE[place[0]]:
                figure = rule(self.past, prefix)
                if figure:
                    key = fact, place
                    before, true_ns = self._facts.get(key, (None, 0))
                    stood = before is not None and true_ns > at_ns - int(_LINGERS_S * NS_PER_S)
                    since_ns = before.since_ns if before is not None and stood else at_ns
                    self._facts[key] = Fact(fact, place, since_ns, figure), at_ns
        gone_ns = at_ns - int(_HELD_S * NS_PER_S)
        self._facts = {key: kept for key, kept in self._facts.items() if kept[1] > gone_ns}
        return self.held(at_ns - int(_LINGERS_S * NS_PER_S))

    def held(self, since_ns: int) -> list[Fact]:
        """Every fact that has held since then, as far back as a minute."""
        return [fact for fact, true_ns in self._facts.values() if true_ns > since_ns]


def _places(gauges: Gauges) -> Iterator[tuple[Place, str]]:
    """Every place and the prefix of its gauges."""
    yield NODE, ""
    for name in gauges:
        if name.startswith("bank.") and name.endswith(".cap"):
            yield ("bank", name[5:-4]), name[:-3]
        elif name.startswith("link.") and name.endswith(".up"):
            yield ("link", name[5:-3].replace(".", "/")), name[:-2]


_BY_SCOPE = {
    scope: tuple((fact, rule) for fact, (where, rule) in RULES.items() if where == scope)
    for scope in ("link", "bank", "node")
}
