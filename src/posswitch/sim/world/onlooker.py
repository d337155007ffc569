"""What an onlooker at the banks sees: what comes twice, out of turn, or before what it is about."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from posswitch.base.amount import amount_text
from posswitch.base.moment import NS_PER_S
from posswitch.codec import Message
from posswitch.scheme.interbank import ORIGINAL
from posswitch.scheme.kinds import ADVICE_LATER, REVERSAL_DONE, REVERSAL_UNKNOWN, SIGN_ON_CODE, text
from posswitch.sim.peers.bank_link import BankLink
from posswitch.sim.peers.scrutiny import MAC_MISSING, MAC_UNFIT
from posswitch.sim.peers.seen import IN, OUT, Seen

_REQUESTS, _IN_LANES = ("0100", "0200"), ("0220", "0221", "0420", "0421")
_ASKED = frozenset({*_REQUESTS, *_IN_LANES})  # anything else was damaged on its way
_FINAL = REVERSAL_DONE | REVERSAL_UNKNOWN
_HOLD_UP = frozenset({"delay", "reorder", "duplicate"})  # what follows a late copy is late, too
_FLIGHT_NS = 4 * NS_PER_S  # the longest that a bad line keeps a frame

Key = tuple[str, str, str]  # bank, F7, F11


class _Overtaken(NamedTuple):
    """A reversal that came before its bank had answered what it takes back."""

    original_ns: int
    reversal_ns: int
    what: str


class Onlooker:
    """Hears everything that banks hear and say; `violations` says what no centre may do."""

    def __init__(self, centre_ns: int) -> None:
        """`centre_ns`: how long the centre waits before it gives up on a bank."""
        self._centre_ns = centre_ns
        self._unmarked: dict[Key, list[int]] = {}  # when it came without the mark of a repeat
        self._what: dict[Key, str] = {}
        self._asked: dict[Key, int] = {}
        self._answered: dict[Key, None] = {}
        self._reversed: dict[Key, int] = {}  # originals of which only the reversal has come yet
        self._open: dict[tuple[str, str], dict[Key, None]] = {}  # of each bank's card, in its lane
        self._signed_on: dict[BankLink, None] = {}
        self._out_of_turn: list[str] = []
        self._too_early: list[str] = []
        self._overtaken: list[_Overtaken] = []

    def __repr__(self) -> str:
        return f"<onlooker of {len(self._asked)} requests>"

    def saw(self, bank: str, seen: Seen) -> None:
        """One message, in or out; what has been damaged on its way is nobody's fault."""
        message = seen.message
        if message is None or seen.note in (MAC_MISSING, MAC_UNFIT):
            return
        if message.mti[1] == "8":
            if seen.way == IN and text(message, 70) == SIGN_ON_CODE:
                self._signed_on[seen.link] = None
            return
        key = bank, text(message, 7), text(message, 11)
        if seen.way == IN and message.mti in _ASKED:
            if seen.link not in self._signed_on:
                self._too_early.append(
                    f"bank {bank} got {message.mti} {key[2]} before its link had signed on"
                )
            self._came(bank, key, message, seen.at_ns)
        elif seen.way == OUT:
            self._went(bank, key, message)

    def _came(self, bank: str, key: Key, message: Message, at_ns: int) -> None:
        if message.mti[3] == "0":
            self._unmarked.setdefault(key, []).append(at_ns)
            self._what.setdefault(key, f"{message.mti} {key[2]} of {amount_text(int(text(message, 4) or 0))}")
        about = text(message, ORIGINAL)
        original = bank, about[10:20], about[4:10]
        if message.mti in _IN_LANES:
            lane = self._open.setdefault((bank, text(message, 2)), {})
            if message.mti[1] == "4":
                lane.pop(original, None)  # an advice that is taken back is not told again
            if key not in self._answered and key not in lane:
                if lane:
                    self._out_of_turn.append(
                        f"bank {bank} got {message.mti} {key[2]} before it had answered "
                        f"{next(iter(lane))[2]} of the same card"
                    )
                lane[key] = None
        if message.mti in _REQUESTS:
            self._asked.setdefault(key, at_ns)
            if key in self._reversed:
                self._overtake(key, at_ns, self._reversed[key])
        elif message.mti[1] == "4":
            if original in self._asked and original not in self._answered:
                self._overtake(original, self._asked[original], at_ns)
            elif original not in self._asked:
                self._reversed.setdefault(original, at_ns)

    def _overtake(self, original: Key, original_ns: int, reversal_ns: int) -> None:
        if abs(reversal_ns - original_ns) < self._centre_ns * 9 // 10:
            self._overtaken.append(
                _Overtaken(original_ns, reversal_ns, self._what.get(original, original[2]))
            )

    def _went(self, bank: str, key: Key, message: Message) -> None:
        code = text(message, 39)
        final = code in _FINAL if message.mti[1] == "4" else code not in ADVICE_LATER
        if final or key in self._asked:
            self._answered[key] = None
            self._open.get((bank, text(message, 2)), {}).pop(key, None)

    def violations(self, lives_ns: Sequence[int], line_faults: Mapping[str, int]) -> Iterator[str]:
        """`lives_ns`: when the node began again; `line_faults`: how often each kind has struck."""

        def began(after_ns: int, until_ns: int) -> int:
            return sum(after_ns < life_ns <= until_ns for life_ns in lives_ns)

        yield from self._out_of_turn
        yield from self._too_early
        if "duplicate" not in line_faults:
            for key, came_ns in self._unmarked.items():
                may = 1 if key in self._asked else 1 + began(came_ns[0] - _FLIGHT_NS, came_ns[-1])
                if len(came_ns) > may:
                    yield f"bank {key[0]} got {self._what[key]} {len(came_ns)} times, unmarked"
        if line_faults.keys().isdisjoint(_HOLD_UP):
            for original_ns, reversal_ns, what in self._overtaken:
                if not began(min(original_ns, reversal_ns), max(original_ns, reversal_ns)):
                    yield f"{what} was taken back while its bank still worked on it"
