"""Who is barred, until when: a bar ends by itself, its repeat lasts twice as long, a good day is forgiven."""

from posswitch.base.bounds import GUARD_SUBJECTS_MAX
from posswitch.base.moment import NS_PER_S

_FORGIVEN_NS = 24 * 3600 * NS_PER_S  # after the end of the last bar: the next one is short again

Subject = str | bytes


class Bar:
    """One subject's: how many times, until when, and what it has met since it began."""

    __slots__ = ("first_ns", "last_ns", "met", "times", "until_ns", "why")

    def __init__(self) -> None:
        self.times = self.met = 0
        self.first_ns = self.last_ns = self.until_ns = 0
        self.why = ""  # the evidence, as it is kept

    def __repr__(self) -> str:
        return f"<bar number {self.times}, met {self.met}>"


class Bars:
    """Bars by subject; those that have ended are remembered for a day, for their repeats."""

    def __init__(self, bar_s: int, bar_s_max: int) -> None:
        self._first_ns, self._longest_ns = bar_s * NS_PER_S, bar_s_max * NS_PER_S
        self.by_subject: dict[Subject, Bar] = {}

    def __repr__(self) -> str:
        return f"<{len(self.by_subject)} bars, some ended>"

    def __bool__(self) -> bool:
        return bool(self.by_subject)

    def begin(self, subject: Subject, tick_ns: int) -> Bar:
        """Bars a subject from now on."""
        times = self.times(subject, tick_ns)
        bar = self.by_subject.pop(subject, None)
        if bar is None or not times:
            bar = Bar()
        if len(self.by_subject) >= GUARD_SUBJECTS_MAX:
            del self.by_subject[next(iter(self.by_subject))]
        bar.until_ns = tick_ns + min(self._first_ns << bar.times, self._longest_ns)
        bar.times += 1
        self.by_subject[subject] = bar
        return bar

    def times(self, subject: Subject, tick_ns: int) -> int:
        """How often a subject was barred, unless that is forgiven."""
        bar = self.by_subject.get(subject)
        return 0 if bar is None or tick_ns - bar.until_ns > _FORGIVEN_NS else bar.times

    def standing(self, subject: Subject, tick_ns: int) -> Bar | None:
        """The bar of a subject, if it stands now."""
        bar = self.by_subject.get(subject)
        return bar if bar is not None and tick_ns < bar.until_ns else None

    def count(self, tick_ns: int) -> int:
        """How many stand; forgets those that are forgiven."""
        for subject in [one for one, bar in self.by_subject.items() if tick_ns - bar.until_ns > _FORGIVEN_NS]:
            del self.by_subject[subject]
        return sum(tick_ns < bar.until_ns for bar in self.by_subject.values())
