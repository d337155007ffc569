"""A glance at a message: the written bytes of a few fields, nothing else is read or judged."""

from collections.abc import Iterable

from posswitch.base.bounds import PLANS_MAX
from posswitch.base.errors import CodecError
from posswitch.codec.column import Extents, extents_of
from posswitch.codec.dialect import Dialect

# Of fields in a row with fixed lengths: how many bytes, and where wanted ones lie in them; of a variable one:
# its prefix, and its number if it is wanted.
Span = tuple[int, tuple[tuple[int, int, int], ...], Extents | None, int, int]


class Glance:
    """Reads the wanted fields of payloads of one dialect; a walk over lengths."""

    def __init__(self, dialect: Dialect, wanted: Iterable[int]) -> None:
        self._dialect = dialect
        self._wanted = frozenset(wanted)
        self._plans: dict[bytes, list[Span]] = {}

    def __repr__(self) -> str:
        return f"<glance at {sorted(self._wanted)}, {len(self._plans)} plans>"

    def __call__(self, payload: bytes) -> dict[int, bytes] | None:
        """The wanted fields as they are written, prefixes included; None for what is no whole message."""
        at = self._dialect.fields_at(payload)
        if not at:
            return None
        start = payload[self._dialect.header_bytes : at]
        plan = self._plans.get(start)
        if plan is None:
            plan = self._plan(payload, start)
            if plan is None:
                return None
        found: dict[int, bytes] = {}
        for width, places, extents, prefix_bytes, number in plan:
            if extents is None:
                for field, begin, end in places:
                    found[field] = payload[at + begin : at + end]
                at += width
                continue
            extent = extents.get(payload[at : at + prefix_bytes])
            if extent is None:
                return None
            end = at + prefix_bytes + extent[1]
            if number:
                found[number] = payload[at:end]
            at = end
        return found if at == len(payload) else None

    def _plan(self, payload: bytes, start: bytes) -> list[Span] | None:
        try:
            numbers, _ = self._dialect.announced(payload)
            columns = [self._dialect.column(number) for number in numbers]
        except CodecError:
            return None
        plan: list[Span] = []
        width = 0
        places: list[tuple[int, int, int]] = []
        for column in columns:
            if column.prefixes:
                plan += [(width, tuple(places), None, 0, 0)] if width else []
                wanted = column.number if column.number in self._wanted else 0
                plan.append((0, (), extents_of(column), len(column.prefixes[0]), wanted))
                width, places = 0, []
                continue
            size = column.encoding.width(column.units)
            if column.number in self._wanted:
                places.append((column.number, width, width + size))
            width += size
        plan += [(width, tuple(places), None, 0, 0)] if width else []
        if len(self._plans) >= PLANS_MAX:
            self._plans.clear()
        self._plans[start] = plan
        return plan
