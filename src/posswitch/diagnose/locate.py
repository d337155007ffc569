"""Where a fault is: the fewest values of dimensions that explain the bad outcomes, by likelihood ratio.

A place is a set of one to three values, such as bank X and kind refund; none at all is the whole centre.
Every place whose bad outcomes could still beat the best one so far is counted, in a few passes over all rows;
what the best explains is taken away, and the rest is searched again.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Codes = NDArray[np.intp]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Place = tuple[tuple[int, int], ...]  # dimension and value

DEPTH_MAX = 3
DIMENSIONS_MAX = 16
VALUE_MAX = 1_048_575  # a table of values is made for each dimension
FLOOR = 4.0  # a place that scores less is chance
VALUE_COST = 1.0  # of each value after the first, beside the logarithm of the choices
SPLIT_GAIN = 0.05  # two places instead of one must explain so much more, three twice so much
ALIKE = 0.7  # outside it is as bad as inside from this part of the bad share on
MINOR = 0.005  # of the first place's score: less is its own unevenness
OFF_MAX = 2.0  # so many times the usual share is still usual: nobody knows it better
OFF_PRIOR = 4.0  # bad outcomes' worth of trust in the usual share
_RATE_MIN, _RATE_MAX = 1e-5, 0.95  # of the usual share
_BASES_MAX = 96  # values, or pairs, of a dimension that are looked into further: the most promising
_DIGITS = 6  # scores that differ by less are equal: sums depend on the order of rows
_TINY = 1e-12


class Found(NamedTuple):
    """A place and what it explains; counts are of the rows in it that no earlier place had explained."""

    place: Place
    bad: float
    total: float
    expected: float
    score: float  # log likelihood ratio against what is outside of it, less its costs
    share: float  # of all excess bad


class Located(NamedTuple):
    """The places, the most telling first, and the share of excess bad that none of them explains."""

    places: list[Found]
    unexplained: float


class _Rows(NamedTuple):
    """What is searched; those with something bad come first."""

    codes: Codes  # dimensions × rows: values as small numbers, 0 for those that had nothing bad
    bad: Floats
    total: Floats
    rate: Floats  # the usual share
    usual: Floats  # that of the total; never by `@`, which would wake the threads of the matrix library
    values: tuple[Codes, ...]  # by dimension: of each code
    costs: Floats  # by dimension: logarithm of the number of its values
    hurt: int  # how many have something bad
    off: float  # how many times the usual share is usual now


class _Base(NamedTuple):
    """Places that are looked into further: all of the same dimensions, by number."""

    dims: tuple[int, ...]
    codes: Codes  # places × dimensions
    rows: Codes  # those in any of the places
    of_row: Codes  # the place's number


class _Tally(NamedTuple):
    """Counts of the children of a base, each with one value more: places × codes of some dimensions."""

    dims: range
    starts: Codes  # where each of them begins
    costs: Floats  # of each child
    bad: Floats
    total: Floats
    expected: Floats
    reach: Floats  # no likelihood ratio inside is higher


class _Best(NamedTuple):
    score: float
    codes: Place  # dimension and code


def locate(
    columns: Ints, bad: Floats, total: Floats, expected: Floats, *, most: int = 3, depth: int = DEPTH_MAX
) -> Located:
    """The at most `most` places of at most `depth` values that explain what is bad; ValueError on bad input.

    `columns`: dimensions × rows; 0 is no value and never named; where several places mean the same rows, the
    dimension that comes first gives the name. `expected`: how much of each row's `total` is usually bad.
    """
    _check(columns, bad, total, expected, most, depth)
    rate = np.clip(expected / np.maximum(total, _TINY), _RATE_MIN, _RATE_MAX)
    rest = total > 0
    found: list[tuple[Place, float, Bools]] = []
    while len(found) < most and (bad[rest] > 0).any():
        rows = _calibrated(_compact(columns, bad, total, rate, rest))
        best = _split(rows, _general(rows, _search(rows, depth)), most - len(found), depth)
        score = _judged(rows, best.codes)
        if score < max(FLOOR, MINOR * found[0][1] if found else 0.0) or (found and not best.codes):
            break  # what is left and has no place of its own is unexplained
        place = tuple((dim, int(rows.values[dim][code])) for dim, code in best.codes)
        place, inside = _named(columns, rest, place)
        found.append((place, score, inside))
        rest &= ~inside
    return _told(found, rest, bad, total, rate)


def _check(columns: Ints, bad: Floats, total: Floats, expected: Floats, most: int, depth: int) -> None:
    if columns.ndim != 2 or any(one.shape != columns.shape[1:] for one in (bad, total, expected)):
        raise ValueError("columns must be dimensions × rows; bad, total and expected one number a row")
    if len(columns) > DIMENSIONS_MAX:
        raise ValueError(f"there are {len(columns)} dimensions, at most {DIMENSIONS_MAX} are allowed")
    if most < 1 or not 1 <= depth <= DEPTH_MAX:
        raise ValueError(
            f"most is {most}, at least 1 is needed; depth is {depth}, 1 to {DEPTH_MAX} are allowed"
        )
    if columns.size and not 0 <= columns.min() <= columns.max() <= VALUE_MAX:
        raise ValueError(f"values of dimensions must be from 0 to {VALUE_MAX}")
    if not all(np.isfinite(one).all() for one in (bad, total, expected)):
        raise ValueError("bad, total and expected must be finite")
    if (bad < 0).any() or (bad > total).any() or (expected < 0).any():
        raise ValueError("bad must be from 0 to total, expected not below 0")


def _compact(columns: Ints, bad: Floats, total: Floats, rate: Floats, rest: Bools) -> _Rows:
    """The rows that are left, the values that had something bad as codes from 1."""
    hurt = np.flatnonzero(rest & (bad > 0))
    order = np.concatenate((hurt, np.flatnonzero(rest & (bad <= 0))))
    codes = np.empty((len(columns), len(order)), np.intp)
    values, costs = [], np.zeros(len(columns))
    for dim, column in enumerate(columns):
        ordered = column[order]
        table = np.zeros(int(ordered.max()) + 1, bool)
        table[ordered] = True
        costs[dim] = np.log(max(int(table[1:].sum()), 1))
        table[:] = False
        table[ordered[: len(hurt)]] = True
        table[0] = False
        codes[dim] = (np.cumsum(table) * table)[ordered]
        values.append(np.concatenate(([0], np.flatnonzero(table))))
    bad, total, rate = bad[order], total[order], rate[order]
    return _Rows(codes, bad, total, rate, total * rate, tuple(values), costs, len(hurt), 1.0)


def _calibrated(rows: _Rows) -> _Rows:
    """With what is usual now, as it is outside of the single value that explains most."""
    tally = _tally(rows, _everything(rows))
    outside = _outside(rows, tally.bad, tally.expected).clip(1.0, OFF_MAX)
    return rows._replace(off=float(outside.min(initial=OFF_MAX)))


def _outside(rows: _Rows, bad: Floats, expected: Floats, trust: float = OFF_PRIOR) -> Floats:
    """How many times the usual is bad outside of places; `trust` in the usual, as bad outcomes' worth."""
    outside: Floats = (rows.bad.sum() - bad + trust) / (rows.usual.sum() - expected + trust)
    return outside


def _everything(rows: _Rows) -> _Base:
    count = len(rows.bad)
    return _Base((), np.zeros((1, 0), np.intp), np.arange(count), np.zeros(count, np.intp))


def _tally(rows: _Rows, base: _Base, dims: range | None = None) -> _Tally:
    """Counts what is in each child of a base, by default of the dimensions after its last."""
    dims = range(base.dims[-1] + 1 if base.dims else 0, len(rows.codes)) if dims is None else dims
    sizes = np.array([len(rows.values[dim]) for dim in dims], np.intp)
    starts = np.cumsum(sizes) - sizes
    width = int(sizes.sum())
    keys = rows.codes[dims.start : dims.stop, base.rows]
    keys += starts[:, None]
    keys += base.of_row * width
    bad_keys = keys[:, : np.searchsorted(base.rows, rows.hurt)]
    bad_rows = base.rows[: bad_keys.shape[1]]
    bad, total, rate = rows.bad[bad_rows], rows.total[base.rows], rows.rate[base.rows] * rows.off

    def count(keys: Codes, weights: Floats | None) -> Floats:
        repeated = None if weights is None else np.broadcast_to(weights, keys.shape).ravel()
        counts = np.bincount(keys.ravel(), repeated, len(base.codes) * width).reshape(len(base.codes), width)
        counts[:, starts] = 0  # no value
        return counts.astype(np.float64, copy=False)

    totals = count(keys, None if (total == 1).all() else total)  # weights cost more than the counting
    even = bool((rate == rate[:1]).all())
    costs = rows.costs[list(base.dims)].sum() + VALUE_COST * len(base.dims)
    return _Tally(
        dims,
        starts,
        costs + np.repeat(rows.costs[dims.start : dims.stop], sizes),
        count(bad_keys, bad),
        totals,
        totals * rate[0] if even and len(rate) else count(keys, total * rate),
        count(bad_keys, -bad * np.log(rate[: len(bad)])),
    )


def _scores(bad: Floats, total: Floats, expected: Floats, costs: Floats) -> Floats:
    """Of each place: the log likelihood ratio of its bad share against the usual one, less its costs."""
    found = np.full(bad.shape, -np.inf)
    expected = np.minimum(expected, total * _RATE_MAX)
    worse = bad > expected
    k, n, e = bad[worse], total[worse], expected[worse]
    good = np.maximum(n - k, _TINY)
    ratio = k * np.log(k / e) + good * np.log(good / (n - e))
    found[worse] = ratio - np.broadcast_to(costs, bad.shape)[worse]
    return found.round(_DIGITS)


def _search(rows: _Rows, depth: int) -> _Best:
    """The place that scores best."""
    best = _Best(-np.inf, ())
    bases = [_everything(rows)]
    for values in range(1, depth + 1):
        tallies = [_tally(rows, base) for base in bases]
        for base, tally in zip(bases, tallies, strict=True):
            best = _better(best, base, tally)
        if values < depth:
            bar = max(best.score, FLOOR)
            both = zip(bases, tallies, strict=True)
            bases = [child for base, tally in both for child in _children(rows, base, tally, bar)]
    return best


def _better(best: _Best, base: _Base, tally: _Tally) -> _Best:
    """The best child of a base, if it is better than the best so far."""
    scores = _scores(tally.bad, tally.total, tally.expected, tally.costs)
    if not scores.size or scores.max() <= best.score:
        return best
    place, child = divmod(int(scores.argmax()), scores.shape[1])
    at = int(np.searchsorted(tally.starts, child, "right")) - 1
    codes = zip(base.dims, base.codes[place].tolist(), strict=True)
    return _Best(float(scores[place, child]), (*codes, (tally.dims[at], int(child - tally.starts[at]))))


def _children(rows: _Rows, base: _Base, tally: _Tally, bar: float) -> list[_Base]:
    """The children, by dimension, inside which something could still score above the bar."""
    alive = tally.reach > bar + tally.costs + VALUE_COST
    found = []
    for dim, start in zip(tally.dims[:-1], tally.starts[:-1], strict=True):  # the last has no children
        places, codes = np.nonzero(alive[:, start : start + len(rows.values[dim])])
        if not len(places):
            continue
        if len(places) > _BASES_MAX:
            reach = tally.reach[places, start + codes].round(_DIGITS)
            top = np.sort(np.argsort(-reach, kind="stable")[:_BASES_MAX])
            places, codes = places[top], codes[top]
        number = np.full((len(base.codes), len(rows.values[dim])), -1, np.intp)
        number[places, codes] = np.arange(len(places))
        of_row = number[base.of_row, rows.codes[dim, base.rows]]
        inside = of_row >= 0
        both = np.column_stack((base.codes[places], codes))
        found.append(_Base((*base.dims, dim), both, base.rows[inside], of_row[inside]))
    return found


def _inside(rows: _Rows, codes: Place) -> Bools:
    inside = np.ones(len(rows.bad), bool)
    for dim, code in codes:
        inside &= rows.codes[dim] == code
    return inside


def _counts(rows: _Rows, inside: Bools) -> tuple[float, float, float]:
    bad, total, usual = (float(one[inside].sum()) for one in (rows.bad, rows.total, rows.usual))
    return bad, total, usual


def _judged(rows: _Rows, codes: Place, off_max: float = OFF_MAX, trust: float = OFF_PRIOR) -> float:
    """The score of one place against what is outside of it; of the whole centre against the worst usual."""
    counts = _counts(rows, _inside(rows, codes))
    bad, _, expected = (np.array(one) for one in counts)
    off = np.clip(_outside(rows, bad, expected, trust), 1.0, off_max) if codes else OFF_MAX
    return _scored(rows, codes, counts, float(off))


def _scored(rows: _Rows, codes: Place, counts: tuple[float, float, float], off: float) -> float:
    """The score of one place with such counts, where so many times the usual share is usual."""
    bad, total, expected = (np.array(one) for one in counts)
    cost = sum(rows.costs[dim] for dim, _ in codes) + VALUE_COST * max(len(codes) - 1, 0)
    return float(_scores(bad, total, expected * off, np.array(cost)))


def _general(rows: _Rows, best: _Best) -> _Best:
    """The whole centre, where it is about as bad outside of the best place or cannot be told from it."""
    inside = _inside(rows, best.codes)
    lifts = []
    for part in (inside, ~inside):
        bad, total, expected = _counts(rows, part)
        lifts.append((bad - expected) / max(total - expected, _TINY))  # of what is usually good
    alike = inside.all() or lifts[1] >= ALIKE * lifts[0]
    if alike or _judged(rows, best.codes, np.inf, _TINY) < FLOOR:
        return _Best(_judged(rows, ()), ())
    return best


def _split(rows: _Rows, best: _Best, left: int, depth: int) -> _Best:
    """Its most telling child instead, where some children together explain more than it does."""
    while len(best.codes) < depth and left > 1:
        dims, codes = [dim for dim, _ in best.codes], [code for _, code in best.codes]
        mine = _inside(rows, best.codes)
        inside = np.flatnonzero(mine)
        base = _Base(tuple(dims), np.array([codes], np.intp), inside, np.zeros_like(inside))
        tally = _tally(rows, base, range(len(rows.codes)))
        scores = _scores(tally.bad, tally.total, tally.expected, tally.costs)[0]
        child, worth = best, _scored(rows, best.codes, _counts(rows, mine), rows.off)  # as its children are
        for dim, start in zip(tally.dims, tally.starts, strict=True):
            if dim in dims:
                continue
            here = scores[start : start + len(rows.values[dim])]
            top = np.argsort(-here, kind="stable")[:left]
            top = top[here[top] > FLOOR]
            worths = np.cumsum(here[top]) / (1 + SPLIT_GAIN * np.arange(len(top)))
            if len(top) > 1 and worths[1:].max() > worth:
                worth = float(worths[1:].max())
                child = _Best(float(here[top[0]]), tuple(sorted((*best.codes, (dim, int(top[0]))))))
        if child is best:
            break
        best = child
    return best


def _named(columns: Ints, rest: Bools, place: Place) -> tuple[Place, Bools]:
    """The place of the fewest values, of dimensions that come first, that means the same rows; and those."""
    inside = rest.copy()
    for dim, value in place:
        inside &= columns[dim] == value
    count = np.count_nonzero(inside)
    shared = []
    for dim, column in enumerate(columns):
        value = int(column[inside.argmax()])
        has = rest & (column == value)
        if value and np.count_nonzero(has & inside) == count:
            shared.append(((dim, value), has))
    for values in range(1, len(place) + 1):
        for some in combinations(shared, values):
            if np.count_nonzero(np.logical_and.reduce([has for _, has in some])) == count:
                return tuple(value for value, _ in some), inside
    return place, inside


def _told(
    found: list[tuple[Place, float, Bools]], rest: Bools, bad: Floats, total: Floats, rate: Floats
) -> Located:
    """With the shares: of what is bad beyond the usual, and that as it is in no place."""
    if not found:
        return Located([], 1.0)
    usual = total * rate
    off = np.clip((bad[rest].sum() + OFF_PRIOR) / (usual[rest].sum() + OFF_PRIOR), 1.0, OFF_MAX)
    excess = max(float(bad.sum() - off * usual.sum()), _TINY)
    places = []
    for place, score, inside in found:
        its, of_all, expected = (float(one[inside].sum()) for one in (bad, total, usual))
        share = float(np.clip((its - off * expected) / excess, 0.0, 1.0))
        places.append(Found(place, its, of_all, expected, score, share))
    return Located(places, min(max(1.0 - sum(one.share for one in places), 0.0), 1.0))
