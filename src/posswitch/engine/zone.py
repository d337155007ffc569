"""Zone keys: exchanged with a bank while payments go on; which is in force, and which are still accepted."""

from posswitch.engine.effects import Decision, OfferKey
from posswitch.engine.events import Verdict, ZoneKeyOffered, ZoneKeyTaken
from posswitch.engine.facts import Facts
from posswitch.engine.rules import Rules
from posswitch.engine.state import State, ZoneKey

OFFERED_MAX = 3  # of which a bank's word may be lost: it may use any of them
ZONE_USAGES = ("ZAK", "ZPK")


def in_force(state: State, bank: str, usage: str, given: bytes) -> bytes:
    """The key to use towards a bank whose row has `given`: a new row begins anew."""
    zone = state.zone.get((bank, usage))
    return zone.key if zone is not None and zone.given == given else given


def accepted(state: State, bank: str, usage: str, given: bytes, overlap_from_ns: int) -> tuple[bytes, ...]:
    """Every key that the bank may use now: the one in force, what it was offered, and the one before.

    `overlap_from_ns`: a key that took another's place after this has not ended that one yet.
    """
    zone = state.zone.get((bank, usage))
    if zone is None or zone.given != given:
        return (given,)
    before = (zone.before,) if zone.before and zone.since_ns >= overlap_from_ns else ()
    return (zone.key, *zone.offered, *before)


def zone_key_offered(state: State, event: ZoneKeyOffered, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """Recorded before it leaves: a bank must never have a key that nobody here knows."""
    return Decision(Verdict(), (OfferKey(event.bank, event.usage),))


def zone_key_taken(state: State, event: ZoneKeyTaken, facts: Facts, at_ns: int, rules: Rules) -> Decision:
    """In force from here on, if it was offered; the bank may say so more than once."""
    zone = state.zone.get((event.bank, event.usage))
    if zone is None or event.key not in zone.offered:
        return Decision(None, note="zone-key-stands")
    return Decision(Verdict())


def offered(state: State, event: ZoneKeyOffered) -> None:
    """Folds an offer."""
    place = event.bank, event.usage
    zone = state.zone.get(place)
    if zone is None or zone.given != event.given:
        zone = ZoneKey(event.given, event.given)
    offers = (event.key, *zone.offered)[:OFFERED_MAX]
    state.zone[place] = ZoneKey(zone.given, zone.key, zone.since_ns, zone.before, offers)


def taken(state: State, event: ZoneKeyTaken) -> None:
    """Folds a bank's word."""
    place = event.bank, event.usage
    zone = state.zone[place]
    state.zone[place] = ZoneKey(zone.given, event.key, state.at_ns, zone.key)
    state.rekey.pop(place, None)
