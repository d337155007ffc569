"""What is seen at a place while something is wrong there: features, each a truth from 0 to 1 with its figure.

Of the outcomes in the place since it began, of the facts that hold there, and of the whole centre beside it.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from posswitch.base.codes import CODES
from posswitch.diagnose.cube import AGAIN
from posswitch.diagnose.facts import Fact
from posswitch.diagnose.signals import Atlas, Dim, Mask, Sort
from posswitch.diagnose.window import Rows, Where
from posswitch.journal.vitals import Column, How


class Feature(NamedTuple):
    """How true it is, and the figure that says so."""

    truth: float
    figure: float


Features = dict[str, Feature]
BAD_SORTS = frozenset(range(1, Sort.NOTHING))


class Scene(NamedTuple):
    """What an investigation has found of one place."""

    where: Where
    rows: Rows  # of the place, since it began
    bad: Mask  # among these
    all_rows: Rows  # of everything in that time
    all_bad: Mask
    seconds: float
    expected_per_s: float  # usual volume of the place
    usual_share: float  # of bad ones
    usual_ms: float  # half of the bank's answers are faster than that
    unexplained: float  # of what is bad anywhere, not in the place
    facts: tuple[Fact, ...]  # of the place (its bank, its links) and of the node
    links: int  # of the place's bank, and how many have trouble
    links_ill: int
    banks: int
    banks_down: int
    streams: frozenset[int] = BAD_SORTS  # in the sense of which they are bad
    own_ms: float = 0.0  # that this centre usually takes beside a bank
    homes: Mapping[int, int] = MappingProxyType({})  # of a BIN: its bank


# DE39s by what they say, each with whose word it has to be: None for anybody's.
_CODES: dict[str, tuple[frozenset[str], frozenset[How] | None]] = {
    "bank-says-91": (frozenset({"91", "92"}), frozenset({How.BANK})),
    "bank-says-96": (frozenset({"96", "06", "09", "22", "68", "89", "98"}), frozenset({How.BANK})),
    "here-96": (frozenset({"96", "A7", "22"}), frozenset({How.HERE})),
    "shed-96": (frozenset({"96"}), frozenset({How.EDGE})),
    "mac-wrong": (frozenset({"A0"}), None),
    "not-signed-on": (frozenset({"77"}), None),
    "pin-wrong": (frozenset({"55", "38", "75", "86"}), None),
    "pin-block-wrong": (frozenset({"99"}), None),
    "format": (frozenset({"30", "20"}), None),
    "bank-format": (frozenset({"30", "20"}), frozenset({How.BANK})),
    "order-mismatch": (frozenset({"12", "21", "25", "64", "76"}), None),
    "not-found": (frozenset({"12", "25"}), None),
    "too-much": (frozenset({"64"}), None),
    "duplicates": (frozenset({"94"}), None),
    "batch": (frozenset({"C1", "95"}), None),
    "limit": (frozenset({"61", "65", "13"}), None),
    "limit-here": (frozenset({"61", "65", "13"}), frozenset({How.HERE})),
    "limit-bank": (frozenset({"61", "65", "13"}), frozenset({How.BANK})),
    "declines": (frozenset({"05", "57", "62", "01", "02", "33"}), None),
    "no-money": (frozenset({"51"}), None),
    "bad-card": (frozenset({"14", "54", "56"}), None),
    "stolen": (frozenset({"41", "43", "59", "34", "04", "07", "35", "36"}), frozenset({How.BANK})),
    "guarded": (frozenset({"59"}), frozenset({How.HERE})),
    "unknown-terminal": (frozenset({"97", "03", "58"}), None),
    "no-route": (frozenset({"15", "31", "92", "14"}), frozenset({How.HERE, How.EDGE})),
    "misrouted": (frozenset({"15", "31", "92", "14", "56"}), None),
    "unsupported": (frozenset({"40"}), None),
    "cutover": (frozenset({"90"}), None),
}
_FLAPS_MIN = 3
_TELLING_MIN = 3  # failures that are no consequence, and they tell more
_SMALL_BAND = 0
_DATES = ("90", "D2")
_CHIPS = ("05", "07")  # of F22: their messages are large
_SIGN_ONS, _REVERSAL = ("sign-on", "0800"), "reversal"
_SETTLEMENTS = ("settlement", "upload", "upload-end")


def _step(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on."""
    return float(min(max((value - low) / (high - low), 0.0), 1.0))


def features(scene: Scene, atlas: Atlas) -> Features:
    """Every feature of a scene."""
    found: Features = {}
    bad = scene.rows.only(scene.bad)
    told = np.isin(bad.sorts, list(scene.streams))
    found.update(_of_codes(bad.only(told | bad.again if AGAIN in scene.streams else told), atlas))
    found["dates"] = _dates(scene, atlas)
    found.update(_of_cards(scene, bad))
    found.update(_of_volume(scene, atlas))
    found.update(_of_time(scene, bad))
    found.update(_of_place(scene, atlas))
    found.update(_of_facts(scene))
    found.update(_of_several(found))
    return found


# Features that several facts speak for.
SPOKEN_FOR: dict[str, tuple[str, ...]] = {
    "mac-between": ("bank-mac-bad", "misfit-banks", "key-exchange-failed"),
    "damaged": ("bank-unreadable",),
    "hsm-useless": ("hsm-refuses", "hsm-fails"),
    "changed-before": ("registry-changed", "node-restarted"),
    "mac-strange": ("bank-mac-bad",),
}


def _of_several(found: Features) -> Features:
    """What can be seen in more ways than one."""

    def truth(*names: str) -> float:
        return max((found[name].truth for name in names if name in found), default=0.0)

    doubted = min(truth("misfit-banks", "key-exchange-failed"), truth("bank-says-96", "mac-wrong"))
    damaged = min(1.5 * min(truth("mac-wrong"), truth("format")), 1.0)
    busy = truth("bank-says-91", "bank-says-96")
    dates = min(3 * truth("dates"), 1.0) * min(2 * truth("format", "order-mismatch"), 1.0)
    between, spoilt = max(truth("bank-mac-bad"), doubted), max(truth("bank-unreadable"), damaged)
    several = {
        "mac-between": between,
        "damaged": spoilt,
        "bank-busy": busy,
        "mac-strange": truth("bank-mac-bad", "mac-wrong"),
        "dates-wrong": max(dates, 0.9 * truth("cutover")),
        "pin-unfit": truth("pin-wrong", "pin-block-wrong"),
        "own-errors": truth("here-96", "format", "unsupported"),
        "hsm-useless": truth("hsm-refuses", "hsm-fails"),
        "batch-or-sign-on": truth("batch", "not-signed-on"),
        "changed-before": truth("registry-changed", "node-restarted"),
    }
    return {name: Feature(truth, round(truth, 2)) for name, truth in several.items()}


def _of_codes(bad: Rows, atlas: Atlas) -> Features:
    """Shares of the failures: what is only slow, or comes again, has a code that says nothing."""
    chores = np.isin(bad.columns[Dim.KIND], [atlas.value(Dim.KIND, name) for name in _SIGN_ONS])
    if len(bad) - int(chores.sum()) >= _TELLING_MIN:
        bad = bad.only(~chores)  # who is refused signs on again
    fast = _refused_fast(bad, atlas)
    all_of_them = max(len(bad), 1)
    if len(bad) - int(fast.sum()) >= _TELLING_MIN:
        bad = bad.only(~fast)  # they come of a fence, whatever it stands for
    count = max(len(bad), 1)
    hows, codes = bad.hows, bad.codes
    named = {int(code): atlas.label(Dim.KIND, int(code)) for code in np.unique(codes) if code}
    found: Features = {}
    for name, (wanted, whose) in _CODES.items():
        ids = [number for number, code in named.items() if code in wanted]
        hit = np.isin(codes, ids)
        if whose is not None:
            hit &= np.isin(hows, [int(how) for how in whose])
        share = float(hit.sum()) / count
        found[name] = Feature(_step(share, 0.1, 0.7), round(share, 3))
    share = float(fast.sum()) / all_of_them
    found["fast-refusals"] = Feature(_step(share, 0.1, 0.7), round(share, 3))
    silent = float(np.isin(hows, [How.OVERDUE, How.TIMER]).sum()) / count
    found["no-answer"] = Feature(_step(silent, 0.1, 0.7), round(silent, 3))
    strange = [number for number, code in named.items() if code and code not in CODES]
    unheard = float((np.isin(codes, strange) & (hows == How.BANK)).sum()) / count
    found["strange-code"] = Feature(_step(unheard, 0.1, 0.7), round(unheard, 3))
    here = float(np.isin(hows, [How.HERE, How.EDGE]).sum()) / count
    found["decided-here"] = Feature(_step(here, 0.2, 0.8), round(here, 3))
    banks = float((hows == How.BANK).sum()) / count
    found["banks-word"] = Feature(_step(banks, 0.2, 0.8), round(banks, 3))
    return found


def _dates(scene: Scene, atlas: Atlas) -> Feature:
    """Hardly ever is a date refused, so whatever else is bad there: how many to what is."""
    ids = [atlas.value(Dim.KIND, code) for code in _DATES]
    share = float(np.isin(scene.rows.codes, ids).sum()) / max(int(scene.bad.sum()), 1)
    return Feature(_step(share, 0.1, 0.7), round(share, 3))


def _refused_fast(rows: Rows, atlas: Atlas) -> Mask:
    """Which were answered 91 by this centre at once: no link of the bank could take them."""
    fast: Mask = (rows.codes == atlas.value(Dim.KIND, "91")) & (rows.hows == How.HERE)
    return fast


def _top(values: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> tuple[float, int]:
    """The share of the most frequent value, and how many there are."""
    values = values[values > 0]
    if not len(values):
        return 0.0, 0
    counts = np.unique(values, return_counts=True)[1]
    return float(counts.max()) / len(values), len(counts)


def _of_cards(scene: Scene, bad: Rows) -> Features:
    """Who is behind them: cards, terminals, merchants, small amounts."""
    count = max(len(bad), 1)
    top_card, cards = _top(bad.outcomes[:, Column.CARD])
    top_terminal, terminals = _top(bad.columns[Dim.TERMINAL])
    top_merchant, merchants = _top(bad.columns[Dim.MERCHANT])
    small = float((bad.columns[Dim.BAND] == _SMALL_BAND).sum()) / count
    usual_small = (
        float((scene.all_rows.columns[Dim.BAND] == _SMALL_BAND).mean()) if len(scene.all_rows) else 0.0
    )
    failing = scene.rows.said[Column.CARD][(scene.rows.sorts > 0) & (scene.rows.sorts < Sort.NOTHING)]
    failing = failing[failing != 0]
    per_card = len(failing) / len(np.unique(failing)) if len(failing) else 0.0
    bins, of = np.unique(bad.columns[Dim.BIN], return_inverse=True)
    homes = np.array([scene.homes.get(one, 0) for one in bins.tolist()], np.int32)[of]
    strays = (homes > 0) & (bad.columns[Dim.BANK] > 0) & (homes != bad.columns[Dim.BANK])
    astray = float(strays.sum()) / count
    return {
        "many-cards": Feature(_step(cards, 8, 20) * _step(2.0 - per_card, 0.2, 0.7), cards),
        "few-cards-many-tries": Feature(_step(per_card, 2.0, 4.0) if cards else 0.0, round(per_card, 1)),
        "cards-per-terminal": Feature(
            _step(cards / max(terminals, 1), 3.0, 8.0), round(cards / max(terminals, 1), 1)
        ),
        "small-amounts": Feature(_step(small - usual_small, 0.2, 0.6), round(small, 2)),
        "one-terminal": Feature(_step(top_terminal, 0.6, 0.9), round(top_terminal, 2)),
        "many-terminals": Feature(_step(terminals, 3, 10), terminals),
        "one-merchant": Feature(_step(top_merchant, 0.6, 0.9), round(top_merchant, 2)),
        "many-merchants": Feature(_step(merchants, 3, 10), merchants),
        "bin-strays": Feature(_step(astray, 0.2, 0.7), round(astray, 2)),
        "one-card": Feature(_step(top_card, 0.5, 0.9), round(top_card, 2)),
    }


def _kinds(rows: Rows, atlas: Atlas, wanted: Iterable[str]) -> int:
    ids = [value for name in wanted if (value := atlas.value(Dim.KIND, name))]
    return int(np.isin(rows.columns[Dim.KIND], ids).sum())


def _of_volume(scene: Scene, atlas: Atlas) -> Features:
    """How much comes, of what; how long answers take."""
    came = len(scene.rows)
    expected = scene.expected_per_s * scene.seconds
    ratio = came / expected if expected >= 3 else 1.0
    everything = max(len(scene.all_rows), 1)
    repeats = float(scene.rows.again.sum()) / max(came, 1)
    signing = _kinds(scene.all_rows, atlas, _SIGN_ONS) / everything
    settling = _kinds(scene.all_rows, atlas, _SETTLEMENTS) / everything
    reversals = _kinds(scene.rows, atlas, (_REVERSAL,)) / max(came, 1)
    answered = scene.rows.hows == How.BANK
    bank_ms = scene.rows.outcomes[answered, Column.BANK_US] / 1000
    half_ms = float(np.median(bank_ms)) if len(bank_ms) >= 5 else 0.0
    slow = float(scene.rows.slow.sum()) / max(int(answered.sum()), 1)
    timed_out = float(np.isin(scene.rows.hows, [How.TIMER, How.COUNTED]).sum()) / max(came, 1)
    times = half_ms / scene.usual_ms if scene.usual_ms > 0 and half_ms else 1.0
    fast = _refused_fast(scene.rows, atlas)
    asked_bad = scene.bad[~fast] if came - int(fast.sum()) >= _TELLING_MIN else scene.bad
    share = float(asked_bad.mean()) if came else 0.0
    late = scene.bad[came // 2 :] if int(scene.bad[came // 2 :].sum()) >= _TELLING_MIN else scene.bad
    lately = float(late.mean()) if came else 0.0
    bad_ms = scene.rows.outcomes[answered & scene.bad, Column.BANK_US] / 1000
    haste = float(np.median(bad_ms)) / scene.usual_ms if scene.usual_ms > 0 and len(bad_ms) >= 3 else 1.0
    own = scene.rows.outcomes[answered, Column.WAIT_US] / 1000 - bank_ms
    mine = float(np.median(own)) / scene.own_ms if len(own) >= 5 and scene.own_ms > 0 else 1.0
    tail = _step(slow, 0.02, 0.06) * _step(0.42 - slow, 0.0, 0.1) * _step(1.8 - times, 0.0, 0.4)
    return {
        "slow-tail": Feature(tail, round(slow, 3)),
        "own-slow": Feature(_step(mine, 2.0, 5.0), round(mine, 1)),
        "refuses-fast": Feature(_step(0.75 - haste, 0.0, 0.25), round(haste, 2)),
        "volume-gone": Feature(_step(0.25 - ratio, 0.0, 0.15), round(ratio, 2)),
        "volume-low": Feature(_step(0.8 - ratio, 0.0, 0.25), round(ratio, 2)),
        "volume-high": Feature(_step(ratio, 1.5, 2.5), round(ratio, 2)),
        "repeats": Feature(_step(repeats, 0.05, 0.25), round(repeats, 3)),
        "sign-ons": Feature(_step(signing, 0.05, 0.25), round(signing, 3)),
        "settlements": Feature(_step(settling, 0.05, 0.25), round(settling, 3)),
        "reversals": Feature(_step(reversals, 0.2, 0.6), round(reversals, 3)),
        "timed-out": Feature(_step(timed_out, 0.005, 0.03), round(timed_out, 3)),
        "slow-answers": Feature(_step(slow, 0.1, 0.4), round(slow, 3)),
        "half-slower": Feature(_step(times, 1.6, 3.0), round(times, 1)),
        "nearly-all": Feature(_step(share, 0.6, 0.95), round(share, 3)),
        "a-few": Feature(_step(0.35 - lately, 0.0, 0.15) * _step(lately, 0.0, 0.02), round(lately, 3)),
        "a-part": Feature(_step(0.8 - share, 0.0, 0.2) * _step(share, 0.0, 0.02), round(share, 3)),
    }


def _of_time(scene: Scene, bad: Rows) -> Features:
    """How it began, and whether it comes and goes; by the second."""
    if not len(scene.rows):
        return {}
    second = (scene.rows.at_ns // 1_000_000_000 - scene.rows.at_ns[0] // 1_000_000_000).astype(int)
    total = np.bincount(second)
    ill = np.bincount(second[scene.bad], minlength=len(total))
    share = ill / np.maximum(total, 1)
    top = float(np.quantile(share, 0.8)) if len(share) else 0.0
    high = share >= max(top / 2, 0.02)
    flaps = int((np.diff(high.astype(int)) > 0).sum()) if len(high) >= 8 else 0
    good = (total - ill)[1:-1]  # whole seconds
    uneven = float(good.var() / good.mean()) if len(good) >= 5 and good.mean() >= 1.5 else 1.0
    third = max(len(share) // 3, 1)
    early, late = float(share[:third].mean()), float(share[-third:].mean())
    rising = late / max(early, 0.01) if len(share) >= 9 else 1.0
    return {
        "answers-capped": Feature(_step(0.7 - uneven, 0.0, 0.4) * _step(len(good), 4, 8), round(uneven, 2)),
        "comes-and-goes": Feature(_step(flaps, 1, _FLAPS_MIN) * _step(len(share), 8, 15), flaps),
        "began-slowly": Feature(_step(rising, 2.0, 4.0), round(rising, 1)),
        "began-suddenly": Feature(_step(2.0 - rising, 0.0, 1.0), round(rising, 1)),
    }


_PLACE_NAMES: dict[Dim, str] = {
    Dim.BANK: "bank", Dim.BIN: "bin", Dim.REGION: "region", Dim.SOURCE: "source", Dim.MODEL: "model",
    Dim.KIND: "kind", Dim.ENTRY: "entry", Dim.MERCHANT: "merchant", Dim.TERMINAL: "terminal",
    Dim.BAND: "band",
}  # fmt: skip


def place_name(where: Where) -> str:
    """What a place is, for the table of suspects: a dimension, several with `+`, or `all`."""
    return "+".join(_PLACE_NAMES[dim] for dim, _ in where) or "all"


def _of_place(scene: Scene, atlas: Atlas) -> Features:
    """Which cards it is about, who else is ill."""
    entry = next((atlas.label(dim, value) for dim, value in scene.where if dim is Dim.ENTRY), "")
    banks = scene.all_rows.columns[Dim.BANK]
    others = ~scene.all_rows.within(scene.where) if scene.where else np.zeros(len(scene.all_rows), bool)
    well = 1.0 - float(scene.all_bad[others].mean()) if others.any() else 0.0
    came, ill = np.bincount(banks), np.bincount(banks[scene.all_bad], minlength=int(banks.max(initial=0)) + 1)
    share = float(scene.all_bad.mean()) if len(banks) else 0.0
    ill_banks = int(np.count_nonzero((ill >= np.maximum(0.3 * share * came, 1))[1:]))
    some = max(scene.banks, 1)
    return {
        "chip-only": Feature(float(entry.startswith(_CHIPS)), 0.0),
        "others-are-well": Feature(_step(well, 0.9, 0.97), round(well, 3)),
        "all-banks": Feature(_step(ill_banks / some, 0.5, 0.9), ill_banks),
        "outside-all": Feature(_step(scene.unexplained, 0.3, 0.6), round(scene.unexplained, 2)),
        "all-banks-down": Feature(
            float(scene.banks > 1 and scene.banks_down >= scene.banks), scene.banks_down
        ),
        "links-are-up": Feature(float(scene.links > 0 and scene.links_ill == 0), scene.links),
        "one-link-of-several": Feature(float(0 < scene.links_ill < scene.links), scene.links_ill),
        "all-links": Feature(float(0 < scene.links <= scene.links_ill), scene.links_ill),
    }


def _of_facts(scene: Scene) -> Features:
    """Facts hold or do not; the figure of the strongest."""
    found: Features = {}
    for fact in scene.facts:
        if fact.name not in found or fact.figure > found[fact.name].figure:
            found[fact.name] = Feature(1.0, round(fact.figure, 2))
    return found


Truths = Mapping[str, Feature]
Judge = Callable[[Truths], float]
