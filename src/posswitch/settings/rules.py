"""What must hold between the values of a configuration, and what is worth a look: one small check each."""

import math
from collections.abc import Callable, Iterable, Iterator

from posswitch.base.amount import CURRENCIES
from posswitch.base.bounds import timer_faults
from posswitch.base.order import TABLES
from posswitch.base.registry import Address
from posswitch.codec import PREFIXES
from posswitch.scheme.kinds import ASKED_KINDS
from posswitch.settings.address import endpoint, reaches, read_address
from posswitch.settings.algorithms import hsm_able, macs_known, pin_blocks_known, pin_blocks_written
from posswitch.settings.draft import Draft
from posswitch.settings.finding import WARNING, Fault, counted, shown
from posswitch.settings.networks import networks_readable
from posswitch.settings.notify_rules import NOTIFY_RULES
from posswitch.settings.policy_rules import (
    limits_limit,
    names_reserved,
    no_cards_written,
    pauses_end,
    policy_banks_known,
    policy_meets_rows,
    ranges_run,
    routes_lead,
    standins_are_sales,
)
from posswitch.settings.rows import read_line
from posswitch.settings.shape import FIELD_43, Row, did_you_mean, letters
from posswitch.settings.speech import (
    everybody_heard,
    fingerprints_readable,
    hsm_clear,
    links_clear,
    listen_clear,
    sources_speak,
    tls_named,
)

Check = Callable[[Draft], Iterable[Fault]]

TERMINAL_DIALECTS = ("pos",)  # what is served towards terminals
_HSM_SHARE = 4  # a command is tried twice, and a payment takes two on its way out
_NAMED_ONCE = tuple(table for table in TABLES if table != "bin")
REFERENCES = (("bin", "bank", "bank"), ("terminal", "merchant", "merchant"))  # table, key, table it names
_PARENTS = (
    ("bank", "bin", "bank", "no card leads to it", "add a [[bin]] with this bank"),
    (
        "merchant",
        "terminal",
        "merchant",
        "no terminal belongs to it",
        "add a [[terminal]] with this merchant",
    ),
)


def timers_in_order(draft: Draft) -> Iterator[Fault]:
    """Every wait leaves the next a margin."""
    for row in draft.having("timers"):
        for names, what, remedy in timer_faults(row.good):
            key = next((name for name in names if name in row.raw), names[0])
            yield row.fault(key, what, remedy)


def listen_readable(draft: Draft) -> Iterator[Fault]:
    """The node's own address is one."""
    for row in draft.having("node", "listen"):
        if wrong := read_address(row.good["listen"])[1]:
            what = f"{shown(row.good['listen'])} {wrong}"
            yield row.fault("listen", what, "write it as tls://0.0.0.0:6000")


def links_readable(draft: Draft) -> Iterator[Fault]:
    """Every link is an address."""
    for row in (*draft.having("bank", "links"), *draft.having("hsm", "links")):
        for item, text in enumerate(row.good["links"]):
            if wrong := read_address(text)[1]:
                yield row.fault("links", f"{shown(text)} {wrong}", "write it as tls://10.0.0.1:7001", item)


def ids_once(draft: Draft) -> Iterator[Fault]:
    """An id names one row."""
    for table in _NAMED_ONCE:
        yield from _twice(draft.having(table, "id"), ("id",))


def ranges_once(draft: Draft) -> Iterator[Fault]:
    """A prefix stands once for each length of card."""
    yield from _twice(draft.having("bin", "prefix", "pan_digits"), ("prefix", "pan_digits"))


def _twice(rows: Iterable[Row], keys: tuple[str, ...]) -> Iterator[Fault]:
    first: dict[tuple[object, ...], Row] = {}
    for row in rows:
        before = first.setdefault(tuple(row.good[key] for key in keys), row)
        if before is not row:
            what = f"stands twice, first as number {int(before.path[-1]) + 1}"
            yield row.fault(keys[0], what, "remove one or correct it")


def prefixes_fit(draft: Draft) -> Iterator[Fault]:
    """A prefix is no longer than its cards."""
    for row in draft.having("bin", "prefix", "pan_digits"):
        if len(row.good["prefix"].partition("-")[0]) > row.good["pan_digits"]:
            what = f"is longer than its cards ({row.good['pan_digits']} digits)"
            yield row.fault("prefix", what, "shorten it or correct pan_digits")


def prefixes_apart(draft: Draft) -> Iterator[Fault]:
    """A longer prefix takes cards out of another bank's: allowed, and worth a look."""
    ranges = {
        (row.good["pan_digits"], row.good["prefix"]): row.good["bank"]
        for row in draft.having("bin", "prefix", "pan_digits", "bank")
    }
    for row in draft.having("bin", "prefix", "pan_digits", "bank"):
        prefix, digits, bank = (row.good[key] for key in ("prefix", "pan_digits", "bank"))
        wider = next(
            (prefix[:size] for size in range(len(prefix) - 1, 0, -1) if (digits, prefix[:size]) in ranges), ""
        )
        other = ranges.get((digits, wider), bank)
        if other != bank:
            what = f"lies inside {wider} of bank {other}"
            yield _look(row, "prefix", what, "the longer prefix wins; ask both banks whether that is meant")


def references_lead_somewhere(draft: Draft) -> Iterator[Fault]:
    """What a row names is there."""
    for table, key, target in REFERENCES:
        lost = draft.lost(table, key, target)
        names = {row.good["id"] for row in draft.having(target, "id")}
        nameless = len(draft.rows[target]) - len(names)
        if draft.holes or not draft.written(target, "id") or len({row.good[key] for row in lost}) <= nameless:
            continue  # rows with a wrong id, or one that stands twice, may be those that are meant
        for row in lost:
            what = f"no {target} {row.good[key]}"
            yield row.fault(key, what, f"add a [[{target}]] with that id, or correct it")


def nothing_idle(draft: Draft) -> Iterator[Fault]:
    """A bank has cards, a merchant has a terminal."""
    for table, child, key, what, remedy in _PARENTS:
        named = draft.written(child, key)
        for row in draft.having(table, "id"):
            if named and row.good["id"] not in named and not draft.holes:
                yield _look(row, "id", what, remedy)


def backup_named(draft: Draft) -> Iterator[Fault]:
    """Whoever asks for a backup says where to."""
    for row in draft.having("backup"):
        if row.raw and "to" not in row.raw and not draft.holes:
            yield row.fault("to", "is missing", "write the name of a folder on another disk")


def hsm_in_time(draft: Draft) -> Iterator[Fault]:
    """An HSM's tries fit into what the centre waits for a bank."""
    for row in draft.having("hsm", "timeout", "links"):
        for timers in draft.having("timers", "centre"):
            centre_s = timers.good["centre"]
            if row.good["links"] and _HSM_SHARE * row.good["timeout"] > centre_s:
                what = f"{row.good['timeout']:g} s is too long beside timers.centre, {centre_s:g} s"
                yield row.fault("timeout", what, f"write at most {centre_s / _HSM_SHARE:g}")


def overlap_long_enough(draft: Draft) -> Iterator[Fault]:
    """A key that was replaced is accepted until what is under way has its answer."""
    for row in draft.having("keys", "overlap"):
        for timers in draft.having("timers", "centre"):
            if row.good["overlap"] < timers.good["centre"]:
                what = f"{row.good['overlap']} s is shorter than timers.centre, {timers.good['centre']:g} s"
                remedy = f"write {math.ceil(timers.good['centre'])} or more"
                yield row.fault("overlap", what, remedy)


def institutions_differ(draft: Draft) -> Iterator[Fault]:
    """Acquirer and centre are not banks."""
    banks = draft.written("bank", "id")
    for row in draft.having("node"):
        for key in ("acquirer", "centre"):
            if row.good.get(key) in banks:
                yield row.fault(key, f"{row.good[key]} is a bank's id too", "give each its own number")


def links_apart(draft: Draft) -> Iterator[Fault]:
    """An address leads to one bank, once, and not back here."""
    listen = draft.listen()
    first: dict[Address, Row] = {}
    for row, item, address in draft.links():
        before = first.setdefault(endpoint(address), row)
        if listen is not None and reaches(address, listen[1]):
            yield row.fault("links", f"{address} is our own listen address", "write the bank's address", item)
        if before is row and any(endpoint(one) == endpoint(address) for one in _earlier(row, item)):
            what = f"{address} stands twice"
            yield _look(row, "links", what, "both fail together; write another address", item)
        elif before is not row:
            what = f"{address} is a link of {before.name()} too"
            yield row.fault("links", what, "give each bank its own address", item)


def _earlier(row: Row, item: int) -> list[Address]:
    read = (read_address(text)[0] for text in row.good["links"][:item])
    return [address for address in read if address is not None]


def lines_readable(draft: Draft) -> Iterator[Fault]:
    """A line says circuit, carrier and bandwidth, and has a link."""
    for row in draft.having("bank", "links", "lines"):
        for item, text in enumerate(row.good["lines"]):
            if read_line(text) is None:
                what = f"{shown(text)} is not circuit/carrier/kbit"
                remedy = "write three parts without blanks, empty where unknown, as SZ-4711/CT/2048"
                yield row.fault("lines", what, remedy, item)
        if len(row.good["lines"]) > len(row.good["links"]):
            what = f"{len(row.good['lines'])} of them for {counted(len(row.good['links']), 'link')}"
            yield row.fault("lines", what, "write one for each link, in the same order, // where unknown")


def framings_known(draft: Draft) -> Iterator[Fault]:
    """What stands before a payload is one of the framings."""
    for row in draft.having("bank", "framing"):
        framing = row.good["framing"]
        if framing and framing not in PREFIXES:
            what = f"framing {shown(framing)} is not known"
            yield row.fault("framing", what, did_you_mean(framing, PREFIXES))


def categories_agree(draft: Draft) -> Iterator[Fault]:
    """A merchant's number of 15 digits holds its category in digits 8 to 11."""
    for row in draft.having("merchant", "id", "mcc"):
        number, mcc = row.good["id"], row.good["mcc"]
        if number.isdecimal() and number[7:11] != mcc:
            what = f"{mcc} differs from {number[7:11]} in digits 8 to 11 of the merchant's number"
            yield _look(row, "mcc", what, "ask the acquirer which is right; field 18 is this one")


def names_fit(draft: Draft) -> Iterator[Fault]:
    """Name and city have a fixed number of bytes in field 43."""
    for key, bytes_max in FIELD_43.items():
        for row in draft.having("merchant", key):
            size = len(row.good[key].encode("gb18030", "replace"))
            if size > bytes_max:
                what = f"takes {size} bytes in GB 18030, field 43 has {bytes_max}"
                yield row.fault(key, what, f"shorten it to {letters(bytes_max)}")


def kinds_known(draft: Draft) -> Iterator[Fault]:
    """Kinds of payment are those that terminals ask."""
    for table in TABLES:
        for row in draft.having(table, "kinds"):
            for item, kind in enumerate(row.good["kinds"]):
                if kind not in ASKED_KINDS:
                    what = f"kind {shown(kind)} is not known"
                    yield row.fault("kinds", what, did_you_mean(kind, ASKED_KINDS), item)


def currencies_known(draft: Draft) -> Iterator[Fault]:
    """A terminal's currency is one whose amounts can be shown."""
    for row in draft.having("terminal", "currency"):
        if row.good["currency"] not in CURRENCIES:
            what = f"currency {row.good['currency']} is not known"
            yield row.fault("currency", what, f"use one of {', '.join(CURRENCIES)}")


def terminal_dialects_served(draft: Draft) -> Iterator[Fault]:
    """A terminal speaks what is served towards terminals."""
    for row in draft.having("terminal", "dialect"):
        if row.good["dialect"] not in TERMINAL_DIALECTS:
            what = f"{shown(row.good['dialect'])} is not served towards terminals"
            yield row.fault("dialect", what, f"use {' or '.join(TERMINAL_DIALECTS)}, or leave it out")


def bank_dialects_spoken(draft: Draft) -> Iterator[Fault]:
    """A terminal's dialect has no field 33, 70 or 128: no bank can be spoken to in it."""
    for row in draft.having("bank", "dialect"):
        if row.good["dialect"] in TERMINAL_DIALECTS:
            what = f"{shown(row.good['dialect'])} is a dialect of terminals"
            yield row.fault("dialect", what, "use cups, iso87a, iso87b or a dialect file")


def _look(row: Row, key: str, what: str, remedy: str, item: int | None = None) -> Fault:
    return row.fault(key, what, remedy, item)._replace(severity=WARNING)


# What must hold between rows wherever they come from, and what only a whole file can say.
ROW_RULES: tuple[Check, ...] = (
    links_readable,
    ranges_run,
    prefixes_fit,
    prefixes_apart,
    links_apart,
    links_clear,
    lines_readable,
    fingerprints_readable,
    sources_speak,
    framings_known,
    categories_agree,
    names_fit,
    kinds_known,
    currencies_known,
    terminal_dialects_served,
    bank_dialects_spoken,
    macs_known,
    pin_blocks_known,
    limits_limit,
    standins_are_sales,
    routes_lead,
    policy_banks_known,
    pauses_end,
    no_cards_written,
    names_reserved,
    policy_meets_rows,
)
FILE_RULES: tuple[Check, ...] = (
    timers_in_order,
    listen_readable,
    ids_once,
    ranges_once,
    references_lead_somewhere,
    nothing_idle,
    institutions_differ,
    backup_named,
    hsm_in_time,
    hsm_able,
    overlap_long_enough,
    pin_blocks_written,
    listen_clear,
    hsm_clear,
    everybody_heard,
    tls_named,
    networks_readable,
    *NOTIFY_RULES,
)
