"""How far what is bounded is used: commits and their time, each bank's requests, lane and links."""

from collections.abc import Iterator, Mapping

from posswitch.base.moment import NS_PER_S
from posswitch.edge.connector import Links
from posswitch.engine.state import State


class Commits:
    """The transactions of one period that wrote something."""

    def __init__(self) -> None:
        self._count = self._events = self._took_ns = self._worst_ns = 0

    def __repr__(self) -> str:
        return f"<{self._count} commits of {self._events} events>"

    def noted(self, took_ns: int, events: int) -> None:
        """One is durable; so long it took."""
        self._count += 1
        self._events += events
        self._took_ns += took_ns
        self._worst_ns = max(self._worst_ns, took_ns)

    def gauges(self) -> dict[str, float]:
        """Of the period that ends now; the next one begins."""
        count = max(self._count, 1)
        gauges = {
            "commits": self._count,
            "commit_mean_us": self._took_ns / 1000 / count,
            "commit_worst_us": self._worst_ns / 1000,
            "commit_events": self._events / count,  # in one of them
        }
        self._count = self._events = self._took_ns = self._worst_ns = 0
        return gauges


def bank_gauges(state: State, links: Mapping[str, Links], now_ns: int) -> Iterator[tuple[str, float]]:
    """Of each bank: requests that it has not answered, what it is owed and since when, its links."""
    for bank, of_bank in links.items():
        lane = state.lanes.get(bank)
        oldest = state.flights.get(lane.oldest) if lane else None
        since_ns = oldest.since_ns if oldest is not None else now_ns
        yield f"bank.{bank}.under_way", of_bank.under_way
        yield f"bank.{bank}.cap", of_bank.window.cap
        yield f"bank.{bank}.lane", len(lane) if lane else 0
        yield f"bank.{bank}.lane_age_s", max(now_ns - since_ns, 0) / NS_PER_S
        yield f"bank.{bank}.links", len(of_bank.bank.links)
        yield f"bank.{bank}.links_able", of_bank.able()
        for name, count in of_bank.counts.items():
            yield f"bank.{bank}.{name}", count
        yield from of_bank.gauges()
