"""Card numbers for people: whose payments they are, and one in clear, once it is kept who saw it."""

from typing import NamedTuple

from posswitch.base.card import Pan, is_pan, scrub
from posswitch.base.errors import CryptoError, OfficeError
from posswitch.base.moment import NS_PER_S, stamp
from posswitch.crypto.vault import Vault
from posswitch.journal.cards import payments_of, sealed_card
from posswitch.journal.story import Case
from posswitch.office.acts import CardShown, known_name, same_name
from posswitch.office.desk import Desk
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config
from posswitch.settings.secret import read_secret

SHOWN_PER_DAY_MAX = 20  # to one name
REASON_LETTERS_MIN, REASON_MAX = 10, 200
DAYS_MAX, FOUND_MAX = 400, 1000
_DAY_NS = 86_400 * NS_PER_S


class Shown(NamedTuple):
    """A card number that a person may see now: the act is durable."""

    case: Case
    pan: Pan
    act: int


def find(config: Config, clock: Clock, pan: str, days: int, most: int) -> tuple[list[Case], bool]:
    """The payments of a card in the last days, the newest first; and whether there are more."""
    if not is_pan(pan):
        raise OfficeError("no card number: it has 13 to 19 digits; type it again")
    if not 1 <= days <= DAYS_MAX or not 1 <= most <= FOUND_MAX:
        raise OfficeError(f"--days: 1 to {DAYS_MAX}; --most: 1 to {FOUND_MAX}")
    vault = Vault(read_secret(config.secret), clock.entropy)
    since_ns = clock.wall_ns() - days * _DAY_NS
    return payments_of(config.data, config.node, vault.fingerprint(pan), since_ns, most)


def show(desk: Desk, reference: str, by: str, reason: str) -> Shown:
    """The card number of a payment in clear, once it is durable who sees it and why; or OfficeError."""
    by, now_ns = known_name(by), desk.now_ns()
    if by not in desk.config.may_show_cards:
        raise OfficeError(f"{by} may not see card numbers; [office] may_show_cards says who may")
    reason = _reason(reason)
    today = stamp(now_ns).day
    seen = sum(stamp(act.at_ns).day == today and same_name(act.by, by) for act in traces(desk))
    if seen >= SHOWN_PER_DAY_MAX:
        raise OfficeError(f"{by} has seen {seen} card numbers today, no more are shown; see card history")
    case, box = sealed_card(desk.config.data, desk.config.node, reference)
    if not box:
        raise OfficeError(f"payment {case.payment}: no card number is known of it")
    try:
        pan = Vault(read_secret(desk.config.secret), bytes).open_pan(box)
    except CryptoError as error:
        raise OfficeError(f"payment {case.payment}: {error}") from None
    return Shown(case, pan, desk.note(CardShown(case.payment, by, now_ns, reason)))


def traces(desk: Desk) -> list[CardShown]:
    """Who has seen which card number, when and why; oldest first."""
    return [act for act in desk.ledger.acts if isinstance(act, CardShown)]


def _reason(text: str) -> str:
    text = text.strip()
    if len(text) > REASON_MAX or not text.isprintable() or sum(map(str.isalpha, text)) < REASON_LETTERS_MIN:
        raise OfficeError(
            f"--reason: say why, in one line of {REASON_LETTERS_MIN} letters at least, {REASON_MAX} at most"
        )
    return scrub(text)
