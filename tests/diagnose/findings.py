"""Hand-made findings of an investigation."""

from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.incident import Guess
from posswitch.diagnose.investigate import Finding
from posswitch.diagnose.signals import Dim, Sort
from posswitch.diagnose.suspects import SUSPECTS, Named

from .streams import AT_NS

CAUSE = {one.kind: one.cause for one in SUSPECTS}
STREAMS = frozenset({int(Sort.FAIL)})


def found(kind="iss-silent", probability=0.9, bank=1, since_s=0.0, where=None, place=None, facts=()):
    """A finding at a bank; bank 0: at the whole centre."""
    where = (((Dim.BANK, bank),) if bank else ()) if where is None else where
    place = ({"bank": f"B{bank}"} if bank else {}) if place is None else place
    guess = Guess(kind, CAUSE[kind], probability)
    return Finding(
        place,
        where,
        Named((guess,), (), (), ()),
        AT_NS + int(since_s * NS_PER_S),
        9,
        frozenset(facts),
        1,
        STREAMS,
    )
