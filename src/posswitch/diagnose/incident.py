"""An incident: what is wrong, where, why, what was done about it; one for each cause."""

from enum import StrEnum
from typing import Any

import msgspec


class Phase(StrEnum):
    """Its life."""

    SUSPECT = "suspect"  # closed in this phase: it passed before anybody was sure of it
    CONFIRMED = "confirmed"
    MITIGATING = "mitigating"
    VERIFYING = "verifying"
    RESOLVED = "resolved"
    ROLLED_BACK = "rolled-back"  # what was done did not help and was undone: a person is needed


OPEN = frozenset({Phase.SUSPECT, Phase.CONFIRMED, Phase.MITIGATING, Phase.VERIFYING, Phase.ROLLED_BACK})


class Tier(StrEnum):
    """Who may take an action."""

    AUTOMATIC = "automatic"
    PROPOSED = "proposed"  # a person presses the button
    FORBIDDEN = "forbidden"  # said, so that nobody does it


class Evidence(msgspec.Struct, frozen=True):
    """One observation: a row of the table of features, its figures, how much it speaks for (or against).

    A weight below 0: it was looked for and is not there.
    """

    name: str
    figures: dict[str, float | str]
    weight: float


class Guess(msgspec.Struct, frozen=True):
    """One kind of anomaly (a row of kinds.tsv) and how likely it is, 0 to 1.

    `lacks` are features (rows of features.tsv) that it would show and that are not there.
    """

    kind: str
    cause: str
    probability: float
    lacks: tuple[str, ...] = ()


class Deed(msgspec.Struct, frozen=True):
    """An action on an incident: a row of the playbook, on what, who may, when it was begun, what came of it.

    `state`: proposed, running, worked, failed, undone, refused.
    """

    action: str
    target: str
    tier: Tier
    state: str
    at_ns: int
    note: str = ""


class Incident(msgspec.Struct, frozen=True):
    """One cause, as it is known now; frozen: each look makes a new one.

    `place` names dimensions (bank, link, bin, merchant, terminal, region, source, model, kind, entry, node)
    and their values; empty: the whole centre. `kind` is empty while it is inconclusive.
    """

    number: int
    phase: Phase
    kind: str
    cause: str
    place: dict[str, str]
    since_ns: int  # when it began, as far as can be told
    opened_ns: int
    changed_ns: int
    closed_ns: int = 0
    probability: float = 0.0
    guesses: tuple[Guess, ...] = ()
    supports: tuple[Evidence, ...] = ()  # for
    opposes: tuple[Evidence, ...] = ()  # against
    ruled_out: tuple[Guess, ...] = ()
    deeds: tuple[Deed, ...] = ()
    affected: int = 0  # payments that failed because of it
    changes: tuple[str, ...] = ()  # what was changed shortly before: versions, keys
    opened_again: int = 0
    merged_into: int = 0
    answer_ms: float = 0.0  # from its detection to this answer

    @property
    def open(self) -> bool:
        """Whether it is not over."""
        return self.phase in OPEN and not self.merged_into and not self.closed_ns

    def __repr__(self) -> str:
        where = ", ".join(f"{name} {value}" for name, value in self.place.items()) or "the centre"
        return f"<incident {self.number} {self.phase}: {self.kind or 'inconclusive'} at {where}>"


def packed(incident: Incident) -> bytes:
    """As JSON."""
    return msgspec.json.encode(incident)


def unpacked(data: bytes | str) -> Incident:
    """What `packed` wrote; msgspec.DecodeError on anything else."""
    return msgspec.json.decode(data, type=Incident)


def plain(incident: Incident) -> dict[str, Any]:
    """For programs: JSON types only."""
    found: dict[str, Any] = msgspec.to_builtins(incident)
    return found
