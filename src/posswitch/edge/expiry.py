"""Certificates have an end: how near it is, ours and those that others show, in gauges and one line a day."""

import ssl
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from posswitch.base.bounds import CERTIFICATE_DAYS
from posswitch.base.moment import NS_PER_S
from posswitch.settings.certificates import Certificate

log = structlog.get_logger()
_DAY_S = 86_400
_PEERS_MAX = 10_000
_TOLD_MAX = 10  # in the line of a day


class Expiry:
    """The ends of all certificates that the node uses or has seen at work."""

    def __init__(self, wall_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._own: dict[str, int] = {}  # name → its end, seconds since the epoch
        self._peers: dict[str, int] = {}
        self._told_day = -1

    def __repr__(self) -> str:
        return f"<{len(self._own)} certificates of ours, {len(self._peers)} of others>"

    def own(self, certificates: list[Certificate]) -> None:
        """These are in use here from now on: the node's own and those of the authorities."""
        self._own = {f"{one.subject} {one.fingerprint[:16]}": one.until_s for one in certificates}
        self._told_day = -1

    def seen(self, who: str, certificate: Mapping[str, Any] | None) -> None:
        """Another side has shown its certificate (as ssl describes it)."""
        until_s = _end_of(certificate)
        if until_s is not None and (len(self._peers) < _PEERS_MAX or who in self._peers):
            self._peers[who] = until_s

    def forget(self, who: str) -> None:
        """Whose certificate does not count any more."""
        self._peers.pop(who, None)

    def ended(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether its end is past: a session of TLS 1.2 that is taken up again does not look at dates."""
        until_s = _end_of(certificate)
        return until_s is not None and until_s < self._wall_ns() // NS_PER_S

    def gauges(self) -> dict[str, float]:
        """Days to the nearest end of ours and of others', and how many have passed each mark."""
        if not self._own:
            return {}
        days = self._days(self._own)
        theirs = self._days(self._peers)
        gauges: dict[str, float] = {"certificate_days": min(days.values())}
        if theirs:
            gauges["peer_certificate_days"] = min(theirs.values())
        for mark in CERTIFICATE_DAYS:
            gauges[f"certificates_ending_{mark}d"] = sum(
                left <= mark for left in (*days.values(), *theirs.values())
            )
        return gauges

    def look(self) -> None:
        """Once a day one line in the log, while any end is near."""
        day = self._wall_ns() // NS_PER_S // _DAY_S
        if day == self._told_day:
            return
        self._told_day = day
        everything = self._days(self._own) | self._days(self._peers)
        near = {name: left for name, left in everything.items() if left <= CERTIFICATE_DAYS[0]}
        if near:
            nearest = sorted(near, key=lambda name: near[name])
            mark = min(mark for mark in CERTIFICATE_DAYS if near[nearest[0]] <= mark)
            told = {name: near[name] for name in nearest[:_TOLD_MAX]}
            log.warning("certificates end", days_left=told, within_days=mark, all=len(near))

    def _days(self, ends: dict[str, int]) -> dict[str, int]:
        now_s = self._wall_ns() // NS_PER_S
        return {name: (until_s - now_s) // _DAY_S for name, until_s in ends.items()}


def _end_of(certificate: Mapping[str, Any] | None) -> int | None:
    """When a certificate as ssl describes it ends, seconds since the epoch; None when it does not say."""
    try:
        return int(ssl.cert_time_to_seconds((certificate or {})["notAfter"]))
    except (KeyError, ValueError):
        return None
