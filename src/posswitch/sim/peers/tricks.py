"""What a clerk may try that a centre must refuse: one row a trick, with the answers that are right."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from posswitch.codec import Message
from posswitch.scheme.kinds import (
    BALANCE,
    COMPLETION,
    COMPLETION_PERCENT_MAX,
    PAYMENT_KINDS,
    PREAUTH_VOID,
    REFUND,
    SALE,
    VOID,
    Kind,
    text,
)
from posswitch.sim.peers.customer import Purchase
from posswitch.sim.peers.deal import Deal, Done
from posswitch.sim.peers.drawer import Order
from posswitch.sim.peers.pos import Receipt
from posswitch.sim.peers.terminal import APPROVED, NEITHER

VOIDED, REFUNDED, COMPLETED, FAILED = "voided", "refunded", "completed", "failed"
NOT_ALLOWED, UNKNOWN_ORIGINAL, OTHER_AMOUNT, OTHER_CONTENT = "12", "25", "64", "94"
_NO_SESSION, _BAD_MAC = "77", "A0"
_GONE = (NOT_ALLOWED, UNKNOWN_ORIGINAL)  # a void of another batch finds no original


class Spent(NamedTuple):
    """A receipt on which something was built, or that never stood; how much that took of it."""

    receipt: Receipt
    taken_minor: int = 0


class Scene(NamedTuple):
    """What a clerk has at hand: receipts by what became of them, the last payment, and who writes messages.

    `standing` and `oldest` find a receipt that a payment of a kind may build on.
    """

    memory: Mapping[str, Sequence[Spent]]
    standing: Callable[[Kind], Receipt | None]
    oldest: Callable[[Kind], Receipt | None]
    last: Done
    deal: Callable[[Order], Deal]  # of a payment that begins now
    request: Callable[[Deal], Message]
    reversal: Callable[[Receipt, int], Message]  # with this amount
    old_mak: bytes  # the key before the last sign-on


class Try(NamedTuple):
    """One trick about to be played: `rrn` is what the answer must name, where it is known."""

    message: Message
    right: tuple[str, ...]
    rrn: str = ""
    mak: bytes = b""


Amount = Callable[[Receipt, int], int]  # of a receipt of which so much was taken


def _whole(was: Receipt, taken_minor: int) -> int:
    return was.purchase.amount_minor


def _more(was: Receipt, taken_minor: int) -> int:
    return was.purchase.amount_minor + 1


def _more_than_left(was: Receipt, taken_minor: int) -> int:
    return was.purchase.amount_minor - taken_minor + 1


def _more_than_tolerated(was: Receipt, taken_minor: int) -> int:
    return was.purchase.amount_minor * COMPLETION_PERCENT_MAX // 100 + 1


def _found(scene: Scene, where: str, kind: Kind) -> Spent | None:
    """The last receipt with this fate that such a payment could be about; no fate is a standing one."""
    if not where:
        standing = scene.standing(kind)
        return None if standing is None else Spent(standing)
    fitting = (spent for spent in reversed(scene.memory[where]) if spent.receipt.kind in kind.of)
    return next(fitting, None)


def _build(where: str, kind: Kind, amount: Amount, right: tuple[str, ...], scene: Scene) -> Try | None:
    """A payment that builds on what does not bear it."""
    found = _found(scene, where, kind)
    if found is None:
        return None
    was = found.receipt
    amount_minor = amount(was, found.taken_minor)
    bought = Purchase(was.purchase.pan, was.purchase.expiry, "", amount_minor)
    return Try(scene.request(scene.deal(Order(kind, bought, was))), right)


def _other_original(scene: Scene) -> Try | None:
    """A void with the reference number of one sale and the trace number of another."""
    was = scene.standing(VOID)
    if was is None:
        return None
    false = was._replace(stan=was.stan % 999_999 + 1)
    bought = Purchase(was.purchase.pan, was.purchase.expiry, "", was.purchase.amount_minor)
    return Try(scene.request(scene.deal(Order(VOID, bought, false))), (UNKNOWN_ORIGINAL,))


def _void_late(scene: Scene) -> Try | None:
    """A void of a sale whose batch is closed."""
    was = scene.oldest(REFUND)
    if was is None or was.kind not in VOID.of or was.batch == scene.last.deal.batch:
        return None
    bought = Purchase(was.purchase.pan, was.purchase.expiry, "", was.purchase.amount_minor)
    return Try(scene.request(scene.deal(Order(VOID, bought, was))), (UNKNOWN_ORIGINAL,))


def _reverse(where: str, amount: Amount, right: tuple[str, ...], scene: Scene) -> Try | None:
    """A reversal of what may not be reversed."""
    if where:
        reversible = [spent for spent in scene.memory[where] if PAYMENT_KINDS[spent.receipt.kind].reversible]
        found = reversible[-1] if reversible else None
    else:
        found = _found(scene, "", VOID)
    if found is None:
        return None
    return Try(scene.reversal(found.receipt, amount(found.receipt, 0)), right)


def _repeat(scene: Scene) -> Try | None:
    """The last message once more: the same answer."""
    deal, outcome, reply = scene.last  # a balance is not kept
    rrn = text(reply.message, 37) if reply.message is not None else ""
    if outcome == NEITHER or not rrn:
        return None
    told = OTHER_CONTENT if deal.kind is BALANCE and outcome == APPROVED else reply.code
    return Try(scene.request(deal), (told,), rrn)


def _same_stan(scene: Scene) -> Try | None:
    """Another payment under the trace number of the last."""
    deal, outcome, reply = scene.last
    if outcome == NEITHER or reply.message is None or not text(reply.message, 37):
        return None
    bought = deal.purchase
    other = Purchase(bought.pan, bought.expiry, bought.pin, bought.amount_minor + 1)
    again = Deal(deal.order._replace(purchase=other), deal.stan, deal.batch, deal.sent_ns)
    return Try(scene.request(again), (OTHER_CONTENT,)) if 4 in deal.kind.need else None


def _old_key(scene: Scene) -> Try | None:
    """A sale under the key of before the last sign-on."""
    bought = scene.last.deal.purchase
    sale = Order(SALE, Purchase(bought.pan, bought.expiry, "", bought.amount_minor + 1))
    return Try(scene.request(scene.deal(sale)), (_BAD_MAC,), mak=scene.old_mak) if scene.old_mak else None


def _old_batch(scene: Scene) -> Try:
    """A sale in a batch that is not the terminal's."""
    bought = scene.last.deal.purchase
    deal = scene.deal(Order(SALE, Purchase(bought.pan, bought.expiry, "", bought.amount_minor + 1)))
    deal.batch = f"{int(deal.batch) + 1:06d}"
    return Try(scene.request(deal), (_NO_SESSION,))


TRICKS: dict[str, Callable[[Scene], Try | None]] = {
    "void-again": partial(_build, VOIDED, VOID, _whole, _GONE),
    "void-failed": partial(_build, FAILED, VOID, _whole, _GONE),
    "void-refunded": partial(_build, REFUNDED, VOID, _whole, _GONE),
    "void-part": partial(_build, "", VOID, _more, (OTHER_AMOUNT,)),
    "void-other": _other_original,
    "void-late": _void_late,
    "refund-voided": partial(_build, VOIDED, REFUND, _whole, (NOT_ALLOWED,)),
    "refund-above": partial(_build, "", REFUND, _more, (OTHER_AMOUNT,)),
    "refund-above-rest": partial(_build, REFUNDED, REFUND, _more_than_left, (OTHER_AMOUNT, NOT_ALLOWED)),
    "complete-again": partial(_build, COMPLETED, COMPLETION, _whole, _GONE),
    "complete-above": partial(_build, "", COMPLETION, _more_than_tolerated, (OTHER_AMOUNT,)),
    "complete-voided": partial(_build, VOIDED, COMPLETION, _whole, _GONE),
    "void-completed": partial(_build, COMPLETED, PREAUTH_VOID, _whole, _GONE),
    "reverse-voided": partial(_reverse, VOIDED, _whole, (NOT_ALLOWED,)),
    "reverse-refunded": partial(_reverse, REFUNDED, _whole, (NOT_ALLOWED,)),
    "reverse-completed": partial(_reverse, COMPLETED, _whole, (NOT_ALLOWED,)),
    "reverse-other-amount": partial(_reverse, "", _more, (OTHER_AMOUNT,)),
    "repeat": _repeat,
    "same-stan": _same_stan,
    "old-key": _old_key,
    "old-batch": _old_batch,
}
