"""What a running city can be told to do: one JSON object a line, `do` names the order."""

from typing import Annotated, Literal

import msgspec

from posswitch.base.errors import PosswitchError
from posswitch.sim.peers.cable import Way
from posswitch.sim.peers.hsm_box import Mood
from posswitch.sim.peers.quirks import Quirk
from posswitch.sim.peers.strangers import Stranger

LINE_BYTES_MAX = 4096
_NAME_MAX = 64
_FAULTS_MAX = 8
_NAMES_MAX = 200
_CLOCK_S_MAX = 100 * 366 * 86_400
_BYTES_MAX = 1 << 16

_Name = Annotated[str, msgspec.Meta(max_length=_NAME_MAX)]
_Link = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
_Rates = Annotated[dict[_Name, _Share], msgspec.Meta(max_length=_FAULTS_MAX)]
_Names = Annotated[tuple[_Name, ...], msgspec.Meta(max_length=_NAMES_MAX)]
Paper = Literal["expired", "unknown", "not-yet"]  # a certificate that is not right
_Bytes = Annotated[int, msgspec.Meta(ge=0, le=_BYTES_MAX)]


class _Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """Something to do."""


class _OfLines(_Order, frozen=True):
    """Which lines: of a bank (all of them, or one), or of the terminals of a region."""

    bank: _Name = ""
    link: _Link | None = None
    region: _Name = ""


class Pull(_OfLines, frozen=True, tag="pull"):
    """Everything on these lines is lost without a word."""


class Plug(_OfLines, frozen=True, tag="plug"):
    """They are whole again."""


class Cut(_OfLines, frozen=True, tag="cut"):
    """Their connections are reset and refused."""


class Spoil(_OfLines, frozen=True, tag="spoil"):
    """Frames on them suffer at these rates, in one direction or both; none: they are well again."""

    faults: _Rates = {}
    way: Way = Way.BOTH
    bytes_max: _Bytes = 0  # longer payloads vanish; 0 = none does


class Kill(_Order, frozen=True, tag="kill"):
    """kill -9 of the node."""


class Manner(_Order, frozen=True, tag="manner"):
    """A bank has a manner for a share of its requests, perhaps for some cards only; null: its usual ones."""

    bank: _Name
    manner: _Name | None = None
    share: _Share = 1.0
    cards: _Name = ""
    per_second: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0  # of the manner `limited`


class Keys(_Order, frozen=True, tag="keys"):
    """A bank has another key than the centre: ZAK or ZPK, and no way to agree on one; null: as it was."""

    bank: _Name
    usage: Literal["ZAK", "ZPK"] | None = None


class Clock(_Order, frozen=True, tag="clock"):
    """A bank's clock is so many seconds ahead."""

    bank: _Name
    seconds: Annotated[int, msgspec.Meta(ge=-_CLOCK_S_MAX, le=_CLOCK_S_MAX)] = 0


class Certificate(_Order, frozen=True, tag="certificate"):
    """A bank shows another certificate from its next connection on; null: its own."""

    bank: _Name
    which: Paper | None = None


class Hsm(_Order, frozen=True, tag="hsm"):
    """The HSM has a mood, or is away."""

    mood: Mood = Mood.WELL
    away: bool = False


class QuirkOf(_Order, frozen=True, tag="quirk"):
    """Terminals have a quirk: those named, of a model, of a merchant, or all; empty: none any more."""

    quirk: Quirk = Quirk.WELL
    terminals: _Names = ()
    model: _Name = ""
    merchant: _Name = ""


class Come(_Order, frozen=True, tag="come"):
    """Strangers come to terminals that nobody uses, and pay so often in all; `cards` begin so."""

    who: Stranger
    tps: Annotated[float, msgspec.Meta(gt=0, le=5_000)]
    terminals: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 1
    cards: _Name = ""


class Clone(_Order, frozen=True, tag="clone"):
    """A second terminal with the number and keys of this one trades somewhere else."""

    terminal: _Name
    tps: Annotated[float, msgspec.Meta(gt=0, le=100)] = 2.0


class Replay(_Order, frozen=True, tag="replay"):
    """What terminals have just sent is sent again from elsewhere, so many frames, so many a second."""

    frames: Annotated[int, msgspec.Meta(ge=1, le=5_000)]
    per_second: Annotated[float, msgspec.Meta(gt=0, le=1_000)]


class Leave(_Order, frozen=True, tag="leave"):
    """Strangers, clones and replays end."""


class State(_Order, frozen=True, tag="state"):
    """How everything is."""


Order = (
    Pull | Plug | Cut | Spoil | Kill | Manner | Keys | Clock | Certificate | Hsm | QuirkOf | Come | Clone
    | Replay | Leave | State
)  # fmt: skip


class Unfit(PosswitchError):
    """An order that cannot be carried out: what is wrong with it, and what could be said instead."""


_decoder = msgspec.json.Decoder(Order)


def read_order(line: bytes) -> Order:
    """One line as an order; Unfit when it is none."""
    try:
        order: Order = _decoder.decode(line)
    except msgspec.ValidationError as error:
        raise Unfit(f"no order: {_plainly(str(error))}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unfit("no order: write one JSON object on one line") from None
    return order


def _plainly(error: str) -> str:
    """The words of msgspec, with the orders that there are where none was named."""
    if "$.do" in error or "`do`" in error:
        names = ", ".join(sorted(one.__struct_config__.tag for one in _KINDS))
        return f"{error}; `do` is one of {names}"
    return error


_KINDS = Order.__args__
