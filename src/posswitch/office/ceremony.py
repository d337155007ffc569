"""Dual control over keys: one person proposes, another one confirms, and only then it takes effect.

Names are what people say; who they are is not known here.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from posswitch.base.errors import CryptoError, OfficeError
from posswitch.base.moment import clock_text
from posswitch.base.registry import Bank, Key, Row
from posswitch.crypto.commands import Usage
from posswitch.crypto.hostcommands import is_host_key
from posswitch.office.acts import (
    PROPOSALS_MAX,
    Confirmed,
    Proposed,
    Withdrawn,
    known_name,
    mark_of,
    same_name,
)
from posswitch.office.desk import Desk
from posswitch.office.hsm_answers import checks_for
from posswitch.office.journal_view import state_of
from posswitch.office.places import (
    TDES,
    Place,
    algorithm_of,
    key_at,
    keys_of,
    places_of,
    read_place,
    row_at,
    with_key,
)
from posswitch.settings.rows import written_key

BETWEEN_BANKS = " "


class Done(NamedTuple):
    """What a confirmation did: the version it made (0 = none), and what its people need to read."""

    version: int
    said: tuple[str, ...]


def propose(desk: Desk, proposal: Proposed) -> int:
    """Makes a proposal durable; its number. OfficeError when it could not be carried out as things stand."""
    known_name(proposal.by)
    if len(desk.ledger.open(desk.now_ns())) >= PROPOSALS_MAX:
        raise OfficeError(
            f"{PROPOSALS_MAX} proposals are open; confirm or withdraw some (posswitch keys history)"
        )
    _STEPS[proposal.what].foresee(desk, proposal)
    return desk.note(proposal)


def confirm(desk: Desk, number: int, by: str) -> Done:
    """Another person's word, and the effect; OfficeError when it is refused, and nothing happens."""
    by, now_ns = known_name(by), desk.now_ns()
    proposal = desk.ledger.proposal(number, now_ns)
    if same_name(by, proposal.by):
        raise OfficeError(f"proposal {number} is by {proposal.by}; another person must confirm it")
    step = _STEPS[proposal.what]
    if proposal.mark != _mark_now(desk, proposal):
        raise OfficeError(
            f"proposal {number}: the key at {proposal.place} changed meanwhile; propose it again"
        )
    step.foresee(desk, proposal)
    return step.carry_out(desk, proposal, lambda version: Confirmed(number, by, now_ns, version))


def withdraw(desk: Desk, number: int, by: str) -> None:
    """Takes an open proposal back; anybody may, it keeps things as they are."""
    now_ns = desk.now_ns()
    desk.ledger.proposal(number, now_ns)
    desk.note(Withdrawn(number, known_name(by), now_ns))


def mark_at(desk: Desk, place: Place) -> bytes:
    """What names the key that stands at a place now."""
    return mark_of(key_at(desk.registry, place))


def check_at(desk: Desk, place: Place) -> str:
    """The check value of the key that stands at a place now, empty when there is none."""
    row, wrapped = row_at(desk.registry, place), key_at(desk.registry, place)
    if not wrapped:
        return ""
    return checks_for(desk, [(place.usage, wrapped)]).of(
        place.usage, wrapped, algorithm_of(row, place.column)
    )


def _mark_now(desk: Desk, proposal: Proposed) -> bytes:
    place = _place(proposal)
    return mark_at(desk, place) if place else b""


def _place(proposal: Proposed) -> Place | None:
    """Where the key of a proposal stands, None when it is not about a row."""
    return read_place(proposal.place) if "/" in proposal.place else None


def _named(proposal: Proposed) -> Place:
    return read_place(proposal.place)


# What each step needs, and what it does.

Word = Callable[[int], Confirmed]  # the confirmation, for the version that it makes


def _foresee_put(desk: Desk, proposal: Proposed) -> None:
    place = _place(proposal)
    _refuse_twin(desk, proposal, place)
    if place is not None:
        errors = desk.plan([with_key(row_at(desk.registry, place), place, proposal.wrapped)]).errors
        if errors:
            raise OfficeError(str(errors[0]))


def _refuse_twin(desk: Desk, proposal: Proposed, place: Place | None) -> None:
    """OfficeError when the key stands elsewhere; one for no row yet may be of a place of its usage."""
    value = desk.checks.whole(Usage(proposal.usage), proposal.wrapped)
    for at, wrapped in places_of(desk.registry):
        other = at != place if place is not None else at.usage != proposal.usage
        if other and value and desk.checks.whole(at.usage, wrapped) == value:
            raise OfficeError(f"{proposal.place}: is the same key as {at}; form one of its own")


def _put(desk: Desk, proposal: Proposed, word: Word) -> Done:
    place = _place(proposal)
    if place is None:
        desk.note(word(0))
        key = f"wrapped {proposal.usage}, for a row of the registry: {written_key(proposal.wrapped)}"
        return Done(0, (key, f"check value {proposal.check}"))
    row = with_key(row_at(desk.registry, place), place, proposal.wrapped)
    version = _activate(desk, [row], [], proposal, word)
    return Done(version, (f"{place}: check value {proposal.check} stands there now",))


def _activate(desk: Desk, put: list[Row], drop: list[Key], proposal: Proposed, word: Word) -> int:
    act = word(desk.version + 1)
    author, note = f"{proposal.by} + {act.by}", f"keys {proposal.what} {proposal.place} {proposal.check}"
    (change,) = desk.activate(desk.plan(put, drop), author, note, act)
    return change.version


def _foresee_export(desk: Desk, proposal: Proposed) -> None:
    block_out(desk, _named(proposal))


def _export(desk: Desk, proposal: Proposed, word: Word) -> Done:
    block, under = block_out(desk, _named(proposal))
    if under != proposal.under:
        raise OfficeError(
            f"{proposal.place}: the zone master key above it changed meanwhile; propose it again"
        )
    desk.note(word(0))
    return Done(0, (block, f"check value {proposal.check}, under the zone master key {under}"))


def block_out(desk: Desk, place: Place) -> tuple[str, str]:
    """The key block in which a bank's key goes out, and the check value of the key above it.

    OfficeError when the key may not leave, or there is nothing to protect it.
    """
    bank = row_at(desk.registry, place)
    if not isinstance(bank, Bank):
        raise OfficeError(f"{place}: only keys shared with a bank are exported, never a terminal's")
    wrapped = key_at(desk.registry, place)
    zmk = earlier_zmk(desk, place) if place.column == "zmk" else bank.zmk
    if not wrapped or not zmk:
        what = "earlier zone master key" if place.column == "zmk" else "zone master key"
        raise OfficeError(f"{place}: there is no key here, or no {what} to carry it; carry it in components")
    if is_host_key(wrapped) or is_host_key(zmk):
        raise OfficeError(f"{place}: this key lies in the HSM; export it at the HSM's own console")
    if (cipher := algorithm_of(bank, place.column)) != TDES:
        raise OfficeError(f"{place}: a key of {cipher} does not go out under triple DES; use components")
    if mark_of(wrapped) in desk.ledger.bound():
        raise OfficeError(f"{place}: came in a key block that says it may not be exported (N)")
    try:
        block = desk.hsm.export_block(zmk, place.usage, wrapped, bank.mac.split(" ")[0])
    except CryptoError as error:
        raise OfficeError(f"{place}: {error}") from None
    return block, desk.checks.of(read_place(f"bank/{bank.id}/zmk").usage, zmk)


def earlier_zmk(desk: Desk, place: Place) -> bytes:
    """The zone master key that stood at a place before the present one, unless it was destroyed."""
    stood = [dict(places_of(desk.at(0))).get(place, b"")]
    for entry in desk.entries:
        stood += [key for row in entry.change.put for at, key in keys_of(row) if at == place]
    now, destroyed = key_at(desk.registry, place), desk.ledger.destroyed()
    earlier = [key for key in stood if key and key != now and mark_of(key) not in destroyed]
    return earlier[-1] if earlier else b""


def _foresee_rotate(desk: Desk, proposal: Proposed) -> None:
    for name in proposal.place.split(BETWEEN_BANKS):
        bank = desk.registry.banks.get(name)
        if bank is None:
            raise OfficeError(f"no bank {name} is registered; see posswitch registry list bank")
        if not bank.zmk:
            raise OfficeError(f"bank {name} has no zone master key: form or import one first")


def _rotate(desk: Desk, proposal: Proposed, word: Word) -> Done:
    act, banks = word(desk.version + 1), tuple(proposal.place.split(BETWEEN_BANKS))
    change = desk.exchange(banks, f"{proposal.by} + {act.by}", "keys rotate", act)
    return Done(change.version, ("a running switch exchanges them within seconds",))


def _foresee_key(desk: Desk, proposal: Proposed) -> None:
    if not key_at(desk.registry, _named(proposal)):
        raise OfficeError(f"{proposal.place}: no key stands there")


def _expire(desk: Desk, proposal: Proposed, word: Word) -> Done:
    desk.note(word(0))
    return Done(0, (f"{proposal.place}: its crypto-period ends {clock_text(proposal.end_ns)}",))


def _foresee_destroy(desk: Desk, proposal: Proposed) -> None:
    _foresee_key(desk, proposal)
    place = _named(proposal)
    if place.column == "zmk":
        return
    count = _under_way(desk, place)
    if count:
        raise OfficeError(
            f"{place}: {count:,} payments of this {place.table} are open; wait until they are closed, "
            "or settle them (posswitch unknowns)"
        )
    errors = desk.plan(drop=[place.row]).errors
    if errors:
        raise OfficeError(str(errors[0]))


def _under_way(desk: Desk, place: Place) -> int:
    """How many payments of a bank or a terminal are open, in the journal as it stands."""
    try:
        state = state_of(desk.config)
    except OfficeError as error:
        raise OfficeError(f"{place}: nobody knows what is open: {error}") from None
    flights = state.flights.values() if state is not None else ()
    return sum(place.id == getattr(flight.request, place.table) for flight in flights)


def _destroy(desk: Desk, proposal: Proposed, word: Word) -> Done:
    place = _named(proposal)
    if place.column == "zmk":
        row = with_key(row_at(desk.registry, place), place, b"")
        return Done(_activate(desk, [row], [], proposal, word), DESTROYED)
    return Done(_activate(desk, [], [place.row], proposal, word), DESTROYED)


DESTROYED = (
    "destroyed: no row may hold this key again / 已销毁，不可恢复",
    "its wrapped form stays in the history, the journal and their backups; delete it from the configuration",
)


class _Step(NamedTuple):
    foresee: Callable[[Desk, Proposed], None]  # OfficeError when it could not be carried out now
    carry_out: Callable[[Desk, Proposed, Word], Done]


_STEPS: Mapping[str, _Step] = {
    "form": _Step(_foresee_put, _put),
    "import": _Step(_foresee_put, _put),
    "export": _Step(_foresee_export, _export),
    "rotate": _Step(_foresee_rotate, _rotate),
    "expire": _Step(_foresee_key, _expire),
    "destroy": _Step(_foresee_destroy, _destroy),
}
