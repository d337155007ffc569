"""What people did with keys and cards, and asked of banks: signed rows of office.db, only added to."""

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable

import msgspec

from posswitch.base.errors import OfficeError
from posswitch.base.order import sign_order

PROPOSAL_HOURS = 24  # then it counts for nothing
PROPOSALS_MAX = 20  # open at once
NAME_MIN, NAME_MAX = 2, 30
_HOUR_NS = 3600 * 10**9
_MARK_BYTES = 16
_LABEL = b"acts"
_ALIKE = frozenset({"Latin", "Cyrillic", "Greek", "Armenian", "Cherokee", "Coptic", "Lisu", "Georgian"})


class Proposed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A person wants something done with a key; nothing has happened yet.

    `place` is where the key stands or will stand (`bank/90010000/zpk`), a usage where it is only formed, or
    the banks of a rotation. `mark` names the wrapped key that stands there now, `wrapped` is the new one.
    """

    what: str  # a row of ceremony's table
    by: str
    at_ns: int
    place: str
    usage: str = ""
    check: str = ""  # of the new key, or of the one it is about
    mark: bytes = b""
    wrapped: bytes = b""
    parts: tuple[tuple[str, str], ...] = ()  # who brought a component, its check value
    end_ns: int = 0
    exportability: str = ""  # as the block that it came in says
    under: str = ""  # the check value of the key that it travels under


class Confirmed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Another person confirms a proposal, and it takes effect; `version` is of the registry, 0 = none."""

    proposal: int
    by: str
    at_ns: int
    version: int


class Withdrawn(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A proposal is taken back, by whomever."""

    proposal: int
    by: str
    at_ns: int


class Drawn(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Somebody had new components drawn; their check values and that of the whole."""

    usage: str
    by: str
    at_ns: int
    checks: tuple[str, ...]
    whole: str


class CardShown(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A card number was shown in clear; which one, only its payment says."""

    payment: int
    by: str
    at_ns: int
    reason: str


class Example(msgspec.Struct, frozen=True, array_like=True):
    """A payment as a bank may find it: its card masked."""

    payment: int
    rrn: str
    at_ns: int
    amount_minor: int
    currency: str
    card: str
    code: str


class LimitAsked(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A bank is asked to adjust a limit of its own, with what our journal has of its refusals.

    `codes` are its DE39 with how many there were, `minor` what they came to by currency; of `payments` in all
    of its payments in that time. `examples` are the newest.
    """

    bank: str
    by: str
    at_ns: int
    want: str
    since_ns: int
    first_ns: int  # of the refusals
    last_ns: int
    payments: int
    codes: tuple[tuple[str, int], ...]
    minor: tuple[tuple[str, int], ...]
    cards: int
    merchants: int
    examples: tuple[Example, ...]


class LimitAnswered(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The bank has said something to a request (the number of its act)."""

    request: int
    by: str
    at_ns: int
    note: str


class LimitClosed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Nothing more is to be done about a request."""

    request: int
    by: str
    at_ns: int
    note: str


KeyAct = Proposed | Confirmed | Withdrawn | Drawn
Act = KeyAct | CardShown | LimitAsked | LimitAnswered | LimitClosed
_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Act] = msgspec.msgpack.Decoder(Act)


def pack_act(act: Act) -> bytes:
    """The body of a row."""
    return _encode(act)


def read_act(body: bytes) -> Act | None:
    """The act in a row's body, or None when it is none that this program knows."""
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError:
        return None


def sign_act(key: bytes, seq: int, act: bytes, body: bytes) -> bytes:
    """The signature of a row, under a key of its own below that of the orders."""
    return sign_order(hmac.digest(key, _LABEL, "sha256"), seq, act, body)


def mark_of(wrapped: bytes) -> bytes:
    """What names a wrapped key in an act and tells nothing of it; empty for no key."""
    return hashlib.sha256(wrapped).digest()[:_MARK_BYTES] if wrapped else b""


def known_name(name: str) -> str:
    """The name that a person gives with --by; OfficeError when it is none."""
    return person("--by", name)


def person(what: str, name: str) -> str:
    """A person's name as `what` gives it; OfficeError when it is none."""
    name = name.strip()
    if not NAME_MIN <= len(name) <= NAME_MAX or not name.isprintable() or not any(map(str.isalpha, name)):
        raise OfficeError(
            f"{what}: give the name of a person, {NAME_MIN} to {NAME_MAX} characters in one line; "
            "it is kept in the history"
        )
    if len(_scripts(name)) > 1:
        raise OfficeError(
            f"{what}: {name} mixes letters of {' and '.join(sorted(_scripts(name)))} that look alike; "
            "write it in letters of one script"
        )
    return name


def _scripts(name: str) -> frozenset[str]:
    """Which of the scripts with letters that look alike a name is written in."""
    letters = filter(str.isalpha, unicodedata.normalize("NFKD", name))
    return _ALIKE & {unicodedata.name(one, "").partition(" ")[0].capitalize() for one in letters}


def same_name(one: str, other: str) -> bool:
    """Whether two names are one person's: capitals, accents, blanks, marks and full-width are nothing.

    Only that: whether people are who they say is not known here.
    """
    return _bare(one) == _bare(other)


def _bare(name: str) -> str:
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return "".join(one for one in folded if one.isalnum())  # accents stand alone now, and are none


class Ledger:
    """Every act, in order; its number is its place, from 1 on."""

    def __init__(self, acts: Iterable[Act]) -> None:
        self.acts = list(acts)
        self._ended = {
            act.proposal: act for act in self.acts if isinstance(act, Confirmed | Withdrawn)
        }  # proposal → what became of it

    def __repr__(self) -> str:
        return f"<ledger of {len(self.acts)} acts>"

    def ending(self, number: int) -> Confirmed | Withdrawn | None:
        """What became of a proposal."""
        return self._ended.get(number)

    def open(self, now_ns: int) -> dict[int, Proposed]:
        """The proposals that may still be confirmed."""
        return {
            number: act
            for number, act in enumerate(self.acts, 1)
            if isinstance(act, Proposed) and number not in self._ended and _fresh(act, now_ns)
        }

    def proposal(self, number: int, now_ns: int) -> Proposed:
        """An open proposal; OfficeError with what became of it otherwise."""
        act = self.acts[number - 1] if 0 < number <= len(self.acts) else None
        if not isinstance(act, Proposed):
            raise OfficeError(f"no proposal {number}; see posswitch keys history")
        ended = self._ended.get(number)
        if ended is not None:
            said = "confirmed" if isinstance(ended, Confirmed) else "withdrawn"
            raise OfficeError(f"proposal {number} was {said} by {ended.by} already")
        if not _fresh(act, now_ns):
            raise OfficeError(f"proposal {number} has expired after {PROPOSAL_HOURS} hours; propose it again")
        return act

    def done(self, what: str) -> list[tuple[Proposed, Confirmed]]:
        """What of a kind was proposed and confirmed, in the order of its confirmation."""
        return [
            (proposed, act)
            for act in self.acts
            if isinstance(act, Confirmed)
            and isinstance(proposed := self.acts[act.proposal - 1], Proposed)
            and proposed.what == what
        ]

    def destroyed(self) -> frozenset[bytes]:
        """The marks of keys that may never come back."""
        return frozenset(proposed.mark for proposed, _ in self.done("destroy"))

    def ends(self) -> dict[bytes, int]:
        """When the crypto-period of a key ends, by its mark."""
        return {proposed.mark: proposed.end_ns for proposed, _ in self.done("expire")}

    def bound(self) -> frozenset[bytes]:
        """The marks of keys that came in a block which says that they may not leave again."""
        return frozenset(
            mark_of(proposed.wrapped) for proposed, _ in self.done("import") if proposed.exportability == "N"
        )


def _fresh(act: Proposed, now_ns: int) -> bool:
    return 0 <= now_ns - act.at_ns <= PROPOSAL_HOURS * _HOUR_NS
