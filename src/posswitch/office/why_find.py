"""From what somebody holds in the hand to the payment that it is about: number, slip, card, amount, code."""

import re
from typing import NamedTuple

import apsw

from posswitch.base.errors import OfficeError
from posswitch.base.moment import NS_PER_S, of_iso, stamp
from posswitch.codec.wording import Words
from posswitch.engine.events import JournalRestored
from posswitch.journal.disk import MACHINE
from posswitch.journal.receipts import MOST, Row, of_card, of_terminal, of_trace
from posswitch.journal.story import case_of, row_named, view
from posswitch.office.supposed import minor_of
from posswitch.office.why import evidence_of
from posswitch.office.why_evidence import Evidence
from posswitch.office.why_measured import AtEdge, refused_at_edge
from posswitch.office.why_outcome import REVERSING_FOR
from posswitch.office.why_track import UNTOLD
from posswitch.office.why_words import said
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config
from posswitch.settings.finding import brief

CARD_DAYS = 30  # back from now, without a day
_DAY_NS = 86_400 * NS_PER_S
_AROUND_NS = 15 * 60 * NS_PER_S  # of a time that a slip shows
_AT_TERMINAL_MAX = 200  # payments of a terminal that are looked at for a code
_RRN, _NUMBER = re.compile(r"[0-9A-Z]{12}"), re.compile(r"\d{1,18}", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_RESTORED = "SELECT 1 FROM journal WHERE instr(body, ?) LIMIT 1"


class Asked(NamedTuple):
    """What is known of the payment, as it was written; one of WAYS."""

    reference: str = ""
    terminal: str = ""
    stan: str = ""
    batch: str = ""
    last_four: str = ""
    amount: str = ""
    on: str = ""
    code: str = ""
    at: str = ""


# What must be given together, and what may be given with it.
WAYS: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"reference"}), frozenset()),
    (frozenset({"terminal", "stan"}), frozenset({"batch"})),
    (frozenset({"last_four", "amount"}), frozenset({"on"})),
    (frozenset({"code", "terminal"}), frozenset({"at", "on"})),
)
_HOW = (
    "give RRN or PAYMENT, or --terminal and --stan, or --last-four and --amount, or --code and --terminal "
    "(and --batch, --on, --at to narrow it)"
)


class Found(NamedTuple):
    """The payments that fit, the newest first; without any what the edge refused, and what to check."""

    payments: list[Evidence]
    at_edge: list[AtEdge]
    checks: list[Words]


def find(config: Config, clock: Clock, asked: Asked) -> Found:
    """The payments that fit what is known; OfficeError for what cannot be asked, JournalError without one."""
    given = frozenset(name for name, value in asked._asdict().items() if value)
    if not any(must <= given <= must | may for must, may in WAYS):
        raise OfficeError(_HOW)
    now_ns = clock.wall_ns()
    with view(config.data, MACHINE) as db:
        found = [evidence_of(config, row, now_ns, db) for row in _rows(config, db, asked, now_ns)]
        if asked.code:
            found = [one for one in found if _was_told(one, asked.code.upper())]
        if found:
            return Found(found, [], [])
        restored = db.execute(_RESTORED, (JournalRestored.__name__.encode(),)).fetchone() is not None
    edge = _edge(config, asked, now_ns) if asked.code else []
    return Found([], edge, _checks(config, asked, restored))


def _rows(config: Config, db: apsw.Connection, asked: Asked, now_ns: int) -> list[Row]:
    if asked.reference:
        return _named(config, db, asked.reference)
    if asked.stan:
        stan, batch = _digits("--stan", asked.stan), _digits("--batch", asked.batch) if asked.batch else ""
        return of_trace(db, config.acquirer, _terminal(asked), stan, batch)
    if asked.last_four:
        if not re.fullmatch(r"\d{4}", asked.last_four, re.ASCII):
            raise OfficeError("--last-four: give the last four digits of the card, and never more")
        since_ns, until_ns = _day(asked.on) if asked.on else (now_ns - CARD_DAYS * _DAY_NS, now_ns + 1)
        return of_card(db, asked.last_four, minor_of("--amount", asked.amount), since_ns, until_ns)
    since_ns, until_ns = _window(asked, now_ns)
    code = _code(asked.code)
    rows = of_terminal(db, config.acquirer, _terminal(asked), since_ns, until_ns, _AT_TERMINAL_MAX)
    return [row for row in rows if row[4] == code or _may_have_told_other(row)][:MOST]


def _named(config: Config, db: apsw.Connection, reference: str) -> list[Row]:
    """By number or RRN; of an RRN every digit must be this payment's."""
    reference = reference.strip().upper()
    if not (_RRN.fullmatch(reference) or _NUMBER.fullmatch(reference)):
        raise OfficeError(
            f"{brief(reference)} is no payment: give its number, or field 37 with 12 characters"
        )
    row = row_named(db, config.node, reference)
    named = row is not None and reference in (case_of(config.node, row).rrn, str(row[0]))
    return [row] if row is not None and named else []


def _may_have_told_other(row: Row) -> bool:
    """Whether its terminal may have been told another code than it is owed now."""
    return row[5] in REVERSING_FOR or row[3] not in ("approved", "declined")


def _was_told(evidence: Evidence, code: str) -> bool:
    """Whether a slip of it can show this code; a terminal without an answer prints a time-out by itself."""
    told = {told.code for told in evidence.told if told.to != "reversal" and told.heard}
    return code in told or (code == UNTOLD and not told)


def _edge(config: Config, asked: Asked, now_ns: int) -> list[AtEdge]:
    return refused_at_edge(config.data, asked.terminal, asked.code.upper(), *_window(asked, now_ns))


def _window(asked: Asked, now_ns: int) -> tuple[int, int]:
    """Between which times a payment with a code is looked for."""
    if not asked.at:
        return _day(asked.on) if asked.on else (now_ns - _DAY_NS, now_ns + 1)
    today = stamp(now_ns).day
    at_ns = _moment(asked.on or f"{today[:4]}-{today[4:6]}-{today[6:]}", asked.at)
    if not asked.on and at_ns > now_ns + _AROUND_NS:
        at_ns -= _DAY_NS  # yesterday's
    return at_ns - _AROUND_NS, at_ns + _AROUND_NS


def _moment(day: str, at: str) -> int:
    if not _TIME.fullmatch(at):
        raise OfficeError(f"--at: {brief(at)} is no time of the day; write it as 14:05")
    return _day(day)[0] + of_iso(f"1970-01-01T{at}+00:00")


def _day(on: str) -> tuple[int, int]:
    """From its first moment to the next day's, Beijing time."""
    wrong = OfficeError(f"--on: {brief(on)} is no day; write it as 2026-11-29")
    if not _DATE.fullmatch(on):
        raise wrong
    try:
        first_ns = of_iso(on)
    except ValueError:  # the 31st of a shorter month
        raise wrong from None
    return first_ns, first_ns + _DAY_NS


def _terminal(asked: Asked) -> str:
    if "|" in asked.terminal or not asked.terminal.isprintable():
        raise OfficeError(f"--terminal: {brief(asked.terminal)} is no terminal number (field 41)")
    return asked.terminal


def _digits(option: str, text: str) -> str:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        raise OfficeError(f"{option}: {brief(text)} is no number of at most six digits; see the slip")
    return text.zfill(6)


def _code(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Z]{2}", text.upper(), re.ASCII):
        raise OfficeError(f"--code: {brief(text)} is no response code; it has two characters, for example 96")
    return text.upper()


def _checks(config: Config, asked: Asked, restored: bool) -> list[Words]:
    """What to look at when nothing fits."""
    checks = []
    reference = asked.reference.upper()
    if asked.terminal and asked.terminal not in config.registry.terminals:
        checks.append(said("find", "not-registered", terminal=asked.terminal))
    if _RRN.fullmatch(reference) and not _NUMBER.fullmatch(reference) and reference[4] != config.node:
        checks.append(said("find", "other-node", theirs=reference[4], ours=config.node))
    checks += [said("find", what) for what in ("recheck", "at-the-edge", "lost")]
    if restored:
        checks.append(said("find", "was-restored"))
    return checks
