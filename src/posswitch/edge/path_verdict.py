"""What the measurements of a link mean: a verdict for each step, and one cause with its place. Pure.

The first rule that fits names the cause: what is nearest to us comes first, what merely hints comes last.
"""

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from posswitch.base.bounds import CERTIFICATE_DAYS
from posswitch.edge.path_facts import Echo, Facts, Icmp, Interface, Name, Route, Tcp, Tls

OK, SLOW, FAILED, NOT_TRIED = "ok", "slow", "failed", "not tried"
NOWHERE, MACHINE, NETWORK, LINE = "nowhere", "machine", "network", "line"
HOST, APPLICATION, CERTIFICATE, CONFIGURATION = "host", "application", "certificate", "configuration"
PLACES = (MACHINE, NETWORK, CONFIGURATION, LINE, HOST, CERTIFICATE, APPLICATION, NOWHERE)  # nearest first
FINE, ONE_CONNECTION = "fine", "one-connection"

# Milliseconds from which a step is slow.
NAME_SLOW, PING_SLOW, CONNECT_SLOW, TLS_SLOW, ECHO_SLOW = 500.0, 200.0, 400.0, 1500.0, 500.0
_TAIL_MS, _TAIL_TIMES = 180.0, 4  # beyond the median: TCP has waited (200 ms at least)
_LOSS_MIN = 2  # pings of twenty
_APPLICATION_TIMES = 3  # an answer so much longer than the way took is the application's
_FULL = 0.8  # of the contracted bandwidth


class Step(NamedTuple):
    """One step: its verdict, a word for why, its time."""

    name: str
    verdict: str
    why: str
    ms: float


class Verdict(NamedTuple):
    """What is wrong with a link, where, and what each step said."""

    cause: str
    place: str
    steps: tuple[Step, ...]

    @property
    def fine(self) -> bool:
        """Whether nobody has to do anything."""
        return self.place == NOWHERE


def verdict(facts: Facts) -> Verdict:
    """The cause that fits first."""
    seen = _Seen(facts)
    cause, place, _ = next(rule for rule in RULES if rule[2](seen))
    return Verdict(cause, place, _steps(seen, cause))


class _Seen:
    """The measurements with neutral values where nothing was measured, and what follows from several."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.interface = facts.interface or Interface()
        self.route = facts.route or Route()
        self.name = facts.name or Name()
        self.icmp = facts.icmp or Icmp(why="not-allowed")
        self.tcp = facts.tcp or Tcp()
        self.tls = facts.tls or Tls()
        self.echo = facts.echo or Echo()

    @property
    def pinged(self) -> bool:
        """Whether the host was seen by pings."""
        return bool(self.icmp.rtts_ms)

    @property
    def large_lost(self) -> bool:
        """Whether large pings vanish and small ones do not."""
        sent = self.icmp.large_sent >= 2 and not self.icmp.large_back
        return sent and self.icmp.lost <= self.icmp.sent // 2 and self.pinged

    @property
    def pings_lost(self) -> bool:
        """Some, not all: all of them is a filter, or the connection fails, too."""
        return self.pinged and self.icmp.lost >= _LOSS_MIN

    @property
    def resends(self) -> bool:
        """TCP has lost something on the way, too."""
        late = bool(self.echo.rtts_ms) and max(self.echo.rtts_ms) - typical(self.echo.rtts_ms) > _TAIL_MS
        tail = late and max(self.echo.rtts_ms) > _TAIL_TIMES * typical(self.echo.rtts_ms)
        usual = typical(self.icmp.rtts_ms) if self.pinged else CONNECT_SLOW
        return self.echo.resent >= 1 or tail or self.tcp.ms > 900 + usual

    @property
    def way_ms(self) -> float:
        """What a round trip of the line takes, without anybody's application."""
        return min(typical(self.icmp.rtts_ms), self.tcp.ms) if self.pinged else self.tcp.ms

    @property
    def way_slow(self) -> bool:
        return self.way_ms > PING_SLOW

    @property
    def answers_slow(self) -> bool:
        return typical(self.echo.rtts_ms) > max(ECHO_SLOW, _APPLICATION_TIMES * self.way_ms)

    @property
    def full(self) -> bool:
        contracted = self.facts.contracted_kbit
        return bool(contracted) and self.interface.bytes_s * 8 >= _FULL * contracted * 1000

    def no_tls(self, *whys: str) -> bool:
        """Whether the handshake failed for one of these reasons."""
        return self.tls.why in whys

    def no_echo(self, *whys: str) -> bool:
        """Whether the echo failed for one of these reasons."""
        return self.echo.why in whys


def typical(times: tuple[float, ...]) -> float:
    """The median, 0 of nothing."""
    return float(median(times)) if times else 0.0


_Rule = tuple[str, str, Callable[[_Seen], bool]]
RULES: tuple[_Rule, ...] = (
    ("name-unknown", CONFIGURATION, lambda s: s.name.why == "unknown"),
    ("interface-down", MACHINE, lambda s: not s.interface.up),
    ("resolver-silent", NETWORK, lambda s: s.name.why == "silent"),
    ("interface-down", MACHINE, lambda s: not s.route.found and bool(s.interface.down)),
    ("no-route", MACHINE, lambda s: not s.route.found),
    ("own-firewall", MACHINE, lambda s: s.tcp.why == "own-firewall"),
    ("own-firewall", MACHINE, lambda s: s.tcp.why == "timed-out" and s.icmp.why == "own-firewall"),
    ("no-ports", MACHINE, lambda s: s.tcp.why == "no-port"),
    ("gateway-dead", NETWORK, lambda s: _unreached(s) and s.route.neighbour == "missing" and _via(s)),
    ("host-gone", HOST, lambda s: _unreached(s) and s.route.neighbour == "missing"),
    ("address-changed", CONFIGURATION, lambda s: bool(s.tcp.why) and s.name.changed),
    ("one-connection", NOWHERE, lambda s: s.tcp.why == "refused" and s.tcp.standing > 0),
    ("port-closed", APPLICATION, lambda s: s.tcp.why == "refused"),
    ("line-down", LINE, lambda s: s.tcp.why == "unreachable"),
    ("port-filtered", HOST, lambda s: s.tcp.why == "timed-out" and s.pinged),
    ("line-down", LINE, lambda s: s.tcp.why == "timed-out"),
    ("not-yet-valid", CERTIFICATE, lambda s: s.no_tls("not-yet-valid")),
    ("expired", CERTIFICATE, lambda s: s.no_tls("expired")),
    ("own-expired", CERTIFICATE, lambda s: _turned_away(s) and _ended(s.tls.own_days_left)),
    ("own-refused", CERTIFICATE, lambda s: s.no_tls("refused", "no-certificate")),
    ("not-set-up", CONFIGURATION, lambda s: s.no_tls("not-set-up")),
    ("not-tls", CONFIGURATION, lambda s: s.no_tls("not-tls")),
    ("no-agreement", CONFIGURATION, lambda s: s.no_tls("version", "cipher")),
    ("large-lost", LINE, lambda s: s.no_tls("deadline") and s.large_lost),
    ("tls-silent", APPLICATION, lambda s: s.no_tls("deadline")),
    ("one-connection", NOWHERE, lambda s: s.no_tls("cut") and s.tcp.standing > 0),
    ("tls-cut", APPLICATION, lambda s: s.no_tls("cut", "damaged")),
    ("unregistered", CERTIFICATE, lambda s: s.no_tls("unregistered")),
    ("not-believed", CERTIFICATE, lambda s: bool(s.tls.why)),
    ("wrong-dialect", CONFIGURATION, lambda s: bool(s.echo.speaks)),
    ("wrong-dialect", CONFIGURATION, lambda s: s.no_echo("unreadable")),
    ("returned", CONFIGURATION, lambda s: s.no_echo("returned")),
    ("refused", APPLICATION, lambda s: s.no_echo("refused")),
    ("one-connection", NOWHERE, lambda s: s.no_echo("closed", "closed-unasked") and s.tcp.standing > 0),
    ("own-refused", CERTIFICATE, lambda s: s.no_echo("closed-unasked")),
    ("hung-up", APPLICATION, lambda s: s.no_echo("closed")),
    ("lost-after-connect", LINE, lambda s: s.no_echo("silent") and not s.echo.acknowledged),
    ("silent", APPLICATION, lambda s: s.no_echo("silent")),
    ("interface-errors", MACHINE, lambda s: s.interface.errors > 0),
    ("network-lossy", NETWORK, lambda s: _gateway_lossy(s) and s.pings_lost and s.resends),
    ("lossy", LINE, lambda s: s.pings_lost and s.resends),
    ("lossy", LINE, lambda s: s.echo.resent >= 2),
    ("echoes-lost", APPLICATION, lambda s: s.echo.lost > 0),
    ("line-full", LINE, lambda s: s.full),
    ("line-slow", LINE, lambda s: s.way_slow),
    ("application-slow", APPLICATION, lambda s: s.answers_slow),
    ("resolver-slow", NETWORK, lambda s: s.name.ms > NAME_SLOW),
    ("certificate-ends", CERTIFICATE, lambda s: _ends(s.tls.days_left)),
    ("own-ends", CERTIFICATE, lambda s: _ends(s.tls.own_days_left)),
    (FINE, NOWHERE, lambda _: True),
)
CAUSES = dict.fromkeys(cause for cause, _, _ in RULES)


def _turned_away(seen: _Seen) -> bool:
    return seen.no_tls("refused", "cut") or seen.no_echo("closed-unasked")


def _unreached(seen: _Seen) -> bool:
    return seen.tcp.why in ("timed-out", "unreachable")


def _via(seen: _Seen) -> bool:
    return bool(seen.route.gateway)


def _ended(days_left: int | None) -> bool:
    return days_left is not None and days_left < 0


def _ends(days_left: int | None) -> bool:
    return days_left is not None and days_left <= CERTIFICATE_DAYS[0]


def _gateway_lossy(seen: _Seen) -> bool:
    return 0 < seen.route.back < seen.route.sent


def _steps(seen: _Seen, cause: str) -> tuple[Step, ...]:
    facts = seen.facts
    rows = (
        ("interface", facts.interface, _of_interface, seen.interface.span_ms),
        ("route", facts.route, _of_route, seen.route.ms),
        ("name", facts.name, _of_name, seen.name.ms),
        ("icmp", facts.icmp, _of_icmp, seen.icmp.ms),
        ("tcp", facts.tcp, _of_tcp, seen.tcp.ms),
        ("tls", facts.tls, _of_tls, seen.tls.ms),
        ("echo", facts.echo, _of_echo, seen.echo.ms),
        ("bandwidth", facts.interface if facts.contracted_kbit else None, _of_bandwidth, 0.0),
    )
    return tuple(
        Step(name, *(judge(seen, cause) if had is not None else (NOT_TRIED, _unneeded(seen, name))), ms)
        for name, had, judge, ms in rows
    )


def _unneeded(seen: _Seen, name: str) -> str:
    """Why a step was not tried, where that is not because one before it failed."""
    if name == "name":
        return "an-address"
    if name == "tls" and not seen.facts.address.tls:
        return "clear-text"
    return "no-contract" if name == "bandwidth" else "before-it"


_Judged = tuple[str, str]


def _of_interface(seen: _Seen, _: str) -> _Judged:
    if not seen.interface.up:
        return FAILED, "down"
    return (SLOW, "errors") if seen.interface.errors else (OK, "")


def _of_route(seen: _Seen, cause: str) -> _Judged:
    if not seen.route.found:
        return FAILED, "no-route"
    if cause in ("gateway-dead", "host-gone"):
        return FAILED, "no-neighbour"
    if seen.route.sent and not seen.route.back:
        return OK, "gateway-silent"
    return (SLOW, "gateway-lossy") if _gateway_lossy(seen) else (OK, "")


def _of_name(seen: _Seen, _: str) -> _Judged:
    if seen.name.why:
        return FAILED, seen.name.why
    slow = SLOW if seen.name.ms > NAME_SLOW else OK
    return slow, "changed" if seen.name.changed else ""


def _of_icmp(seen: _Seen, _: str) -> _Judged:
    """Never failed: pings may be filtered anywhere."""
    if seen.icmp.why == "not-allowed":
        return NOT_TRIED, "not-allowed"
    if not seen.pinged:
        return OK, seen.icmp.why or "filtered"
    if seen.pings_lost:
        return SLOW, "lost"
    if typical(seen.icmp.rtts_ms) > PING_SLOW:
        return SLOW, ""
    return OK, "large-lost" if seen.large_lost else ""


def _of_tcp(seen: _Seen, cause: str) -> _Judged:
    if seen.tcp.why:
        return (NOT_TRIED, cause) if cause == ONE_CONNECTION else (FAILED, seen.tcp.why)
    return (SLOW if seen.tcp.ms > CONNECT_SLOW else OK), ""


def _of_tls(seen: _Seen, _: str) -> _Judged:
    if seen.tls.why:
        return FAILED, seen.tls.why
    if _ends(seen.tls.days_left):
        return OK, "ends"
    return (SLOW if seen.tls.ms > TLS_SLOW else OK), ""


def _of_echo(seen: _Seen, cause: str) -> _Judged:
    if seen.echo.why:
        return (NOT_TRIED, cause) if cause == ONE_CONNECTION else (FAILED, seen.echo.why)
    if seen.echo.lost:
        return FAILED, "lost"
    return (SLOW if typical(seen.echo.rtts_ms) > ECHO_SLOW or cause == "lossy" else OK), ""


def _of_bandwidth(seen: _Seen, _: str) -> _Judged:
    return (SLOW, "full") if seen.full else (OK, "")
