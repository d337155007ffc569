"""The life of a payment: one table, from a state and a cause to the next state. Anything else is a bug."""

from posswitch.base.errors import PosswitchError

RECEIVED = "received"
FORWARDED = "forwarded"
APPROVED = "approved"
DECLINED = "declined"
REVERSING = "reversing"
ADVISING = "advising"  # accepted, and told to the bank until it acknowledges
REVERSED = "reversed"
NEEDS_OWNER = "needs-owner"

# A bank that knows no original has reversed nothing: an approval that comes later must still be taken back.
BANK_KNOWS_NONE = "bank-knows-none"

OPEN = frozenset({FORWARDED, REVERSING, ADVISING})
IN_LANE = frozenset({REVERSING, ADVISING})

LIFE: dict[tuple[str, str], str] = {
    (RECEIVED, "refused"): DECLINED,
    (RECEIVED, "accepted"): FORWARDED,
    (RECEIVED, "advice-accepted"): ADVISING,
    (RECEIVED, "reversal-came-first"): REVERSED,
    (RECEIVED, "reversal-of-lost"): NEEDS_OWNER,
    (FORWARDED, "bank-approved"): APPROVED,
    (FORWARDED, "bank-declined"): DECLINED,
    (FORWARDED, "not-sent"): DECLINED,
    (FORWARDED, "inquiry-unanswered"): DECLINED,
    (FORWARDED, "bank-unsure"): REVERSING,
    (FORWARDED, "timed-out"): REVERSING,
    (FORWARDED, "restarted"): REVERSING,
    (FORWARDED, "terminal-reversed"): REVERSING,
    (FORWARDED, "returned-unread"): REVERSING,
    (APPROVED, "terminal-reversed"): REVERSING,
    (APPROVED, "undelivered"): REVERSING,
    (DECLINED, "approved-after-all"): REVERSING,
    (REVERSED, "approved-after-all"): REVERSING,
    (REVERSING, "bank-reversed"): REVERSED,
    (REVERSING, BANK_KNOWS_NONE): REVERSED,
    (REVERSING, "expired"): NEEDS_OWNER,
    (NEEDS_OWNER, "bank-reversed"): REVERSED,
    (NEEDS_OWNER, "terminal-reversed"): REVERSING,
    (ADVISING, "bank-acknowledged"): APPROVED,
    (ADVISING, "terminal-reversed"): REVERSING,
    (ADVISING, "undelivered"): REVERSING,
    (ADVISING, "bank-refused"): NEEDS_OWNER,
    (ADVISING, "expired"): NEEDS_OWNER,
    (FORWARDED, "restored"): NEEDS_OWNER,
    (REVERSING, "restored"): NEEDS_OWNER,
    (ADVISING, "restored"): NEEDS_OWNER,
    (NEEDS_OWNER, "bank-acknowledged"): APPROVED,
    (NEEDS_OWNER, "owner-approved"): APPROVED,
    (NEEDS_OWNER, "owner-reversed"): REVERSED,
    (NEEDS_OWNER, "reversed-again"): REVERSING,
    (NEEDS_OWNER, "advised-again"): ADVISING,
}


def after(state: str, cause: str) -> str:
    """The state that follows; raises PosswitchError for a step the table does not have."""
    try:
        return LIFE[state, cause]
    except KeyError:
        raise PosswitchError(f"no step '{cause}' from '{state}': the lifecycle table forbids it") from None
