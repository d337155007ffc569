"""sim-bank and sim-terminal: one peer alone, to test a real centre, terminal or bank against."""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import ssl
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import typer

from posswitch.base.bounds import Timers
from posswitch.base.errors import PosswitchError
from posswitch.base.registry import Address
from posswitch.cli import peer_options as options
from posswitch.cli.peer_keys import demonstration, key_from, papers_in, zone_keys
from posswitch.codec import PREFIXES, load_dialect
from posswitch.crypto.mac import mac_in_words
from posswitch.crypto.pinblock import PinFormat
from posswitch.edge.loop import run_fast
from posswitch.sim import telling
from posswitch.sim.peers.bank import Bank
from posswitch.sim.peers.bank_link import BankLink
from posswitch.sim.peers.book import Book
from posswitch.sim.peers.cups import USUAL_MAC
from posswitch.sim.peers.customer import VALID
from posswitch.sim.peers.desk import Exchange
from posswitch.sim.peers.manners import (
    ACK,
    ADVICE_MANNERS,
    APPROVE,
    REVERSAL_MANNERS,
    SALE_MANNERS,
    Manner,
)
from posswitch.sim.peers.scrutiny import Charter
from posswitch.sim.peers.seen import IN, OUT, Seen
from posswitch.sim.peers.terminal import Fitting, Terminal
from posswitch.sim.solo import Regular, Result, Solo, Step, read_steps

_DIAL_PAUSE_S = 2.0
_HERE = "127.0.0.1:0"
_CARD, _PIN = "6290010000000211", "123456"
_TERMINAL, _MERCHANT = "10000001", "802440354110001"
_CODE = re.compile(r"[0-9A-Z]{2}")
_USUAL, _BAD = "usual", "bad"


class _Out:
    """Standard output, which may go away: then `gone` is set and nothing more is said."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self.gone = asyncio.Event()
        self.error: OSError | None = None

    def say(self, words: str, record: dict[str, object]) -> None:
        if self.error is not None:
            return
        try:
            print(json.dumps(record, ensure_ascii=False) if self._as_json else words, flush=True)
        except OSError as error:
            self.error = error
            self.gone.set()

    def end(self) -> None:
        """Raises what kept the last words from being said."""
        if self.error is not None:
            raise self.error


# A bank


def _pin_format(name: str) -> PinFormat:
    if name not in list(PinFormat):
        raise PosswitchError(f"--pin-block {name[:20]!r} is not known; use one of {', '.join(PinFormat)}")
    return PinFormat(name)


def sim_bank(
    listen: options.Listen = "",
    dial: options.Dial = "",
    number: options.Institution = "90010000",
    dialect: options.Spoken = "cups",
    framing: options.Framing = "",
    zpk: options.Zpk = "",
    zak: options.Zak = "",
    keys: options.KeyFile = None,
    mac: options.BankMac = USUAL_MAC,
    pin_block: options.BankPinBlock = PinFormat.ISO_0,
    manners: options.Manners = _USUAL,
    code: options.FixedCode = "",
    centre_waits: options.CentreWaits = 30.0,
    ledger: options.Ledger = None,
    certificate: options.Certificate = None,
    certificate_key: options.CertificateKey = None,
    authorities: options.Authorities = None,
    pin: options.CardPin = "",
    seed: options.Seed = 1,
    as_json: options.AsJson = False,
) -> None:
    """Play a card issuer alone, so that a centre can be tested against it; Ctrl-C ends it with a count."""
    if listen and dial:
        raise PosswitchError("--listen and --dial: give one of them")
    place = (
        options.address("--dial", dial) if dial else options.address("--listen", listen or _HERE, lowest=0)
    )
    if not re.fullmatch(r"[0-9]{8,11}", number):
        raise PosswitchError("--id: an institution id is 8 to 11 digits")
    options.check_pin(pin)
    tls = options.spoken(place, certificate, certificate_key, authorities, serves=not dial)
    framing = framing or ("ascii4" if load_dialect(dialect).name == "cups" else "bin2")
    if framing not in PREFIXES:
        raise PosswitchError(f"--framing {framing[:20]!r} is not known; use one of {', '.join(PREFIXES)}")
    behaviour = _behaviour(manners, code)
    mac_in_words(mac)  # refused now rather than at the first message
    pair = zone_keys(zpk, zak, keys)
    book = Book(ledger or Path(os.devnull))
    out = _Out(as_json)
    for words in pair.told:
        out.say(f"posswitch: {words}", {"event": "keys", "note": words})
    watcher = _BankWatch(out)
    bank = Bank(
        Charter(number, pair.zpk, pair.zak, lambda pan: pin, dialect, framing, mac, _pin_format(pin_block)),
        book,
        random.Random(f"{seed}/{number}"),  # noqa: S311 - shapes a simulation, guards nothing
        time.time_ns,
        _timers(centre_waits),
        *behaviour,
        watch=watcher.see,
    )
    run_fast(_serve(bank, place, tls, bool(dial), out))
    counted = dict(sorted((watcher.counts + bank.counts).items()))
    said = ", ".join(f"{name} {count}" for name, count in counted.items()) or "nothing was received"
    out.say(f"posswitch: bank {number} ends; {said}", {"event": "end", **counted})
    out.end()


class _BankWatch:
    """Says and counts what happens at a bank; its lines have numbers in the order in which they came."""

    def __init__(self, out: _Out) -> None:
        self._out = out
        self._numbers: dict[BankLink, int] = {}
        self._opened = 0
        self.counts: Counter[str] = Counter()

    def see(self, seen: Seen) -> None:
        number = self._numbers.get(seen.link)
        if number is None:
            self._opened += 1
            number = self._numbers[seen.link] = self._opened
        if seen.closed:
            del self._numbers[seen.link]
        self.counts["received"] += seen.way == IN
        self.counts["answered"] += seen.way == OUT
        self._out.say(telling.bank_line(seen, number), telling.bank_object(seen, number))


async def _serve(bank: Bank, place: Address, tls: ssl.SSLContext | None, dials: bool, out: _Out) -> None:
    """Until Ctrl-C, SIGTERM, or until nobody reads what is said."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, out.gone.set)
    who = bank.charter.id
    dialling: asyncio.Task[None] | None = None
    if dials:
        out.say(f"posswitch: bank {who} dials {place}", {"event": "dialling", "address": str(place)})
        dialling = asyncio.create_task(_keep_dialling(bank, place, tls, out))
    else:
        at = await bank.open(place.host, place.port, tls)
        out.say(f"posswitch: bank {who} listening on {at}", {"event": "listening", "address": str(at)})
    await out.gone.wait()
    if dialling is not None:
        dialling.cancel()
    bank.close()
    await asyncio.sleep(0)  # the lines say that they are closed


async def _keep_dialling(bank: Bank, centre: Address, tls: ssl.SSLContext | None, out: _Out) -> None:
    said = ""
    while True:
        try:
            link = await bank.dial(centre, tls)
            said = ""
            await link.ended()
        except OSError as error:
            why = f"{centre}: {error.strerror or error}; trying again every {_DIAL_PAUSE_S:g} s"
            if why != said:
                out.say(f"posswitch: {why}", {"event": "dialling", "note": why})
            said = why
        await asyncio.sleep(_DIAL_PAUSE_S)


class _Behaviour(NamedTuple):
    """How a bank treats requests, reversals and advices."""

    sales: tuple[Manner, ...] = (APPROVE,)
    reversals: tuple[Manner, ...] = (ACK,)
    advices: tuple[Manner, ...] = (ACK,)


_TABLES = {"": SALE_MANNERS, "reversal-": REVERSAL_MANNERS, "advice-": ADVICE_MANNERS}


def _behaviour(words: str, code: str) -> _Behaviour:
    """The manners that were asked for; PosswitchError on a name that is not known."""
    if code:
        if not _CODE.fullmatch(code):
            raise PosswitchError(f"--code {code[:8]!r}: a response code is two digits or capital letters")
        if words != _USUAL:
            raise PosswitchError("--code and --manners: give one of them")
        fixed = Manner("code", 1.0, effect=float(code == "00"), codes=(code,), insists=True)
        return _Behaviour(sales=(fixed,), advices=(fixed,))
    if words == _USUAL:
        return _Behaviour()
    if words == _BAD:
        return _Behaviour(SALE_MANNERS, REVERSAL_MANNERS, ADVICE_MANNERS)
    known = {prefix + row.name: (prefix, row) for prefix, table in _TABLES.items() for row in table}
    chosen: dict[str, tuple[Manner, ...]] = {}
    for name in (word.strip() for word in words.split(",")):
        if name not in known:
            names = ", ".join((_USUAL, _BAD, *known))
            raise PosswitchError(f"--manners {name[:40]!r} is not known; use {names}")
        prefix, manner = known[name]
        chosen[prefix] = (*chosen.get(prefix, ()), manner)
    usual = dict(zip(_TABLES, _Behaviour(), strict=True))
    return _Behaviour(*(chosen.get(prefix, usual[prefix]) for prefix in _TABLES))


def _timers(centre_s: float) -> Timers:
    return Timers(bank=centre_s * 0.8, centre=centre_s, terminal=centre_s * 2, flight_max=centre_s * 4)


# A terminal


def sim_terminal(
    words: options.Words = None,
    terminal: options.TerminalNumber = "",
    merchant: options.Merchant = "",
    tmk: options.Tmk = "",
    mac: options.TerminalMac = "",
    pin_block: options.TerminalPinBlock = "",
    data: options.TestFolder = None,
    pan: options.CardNumber = "",
    expiry: options.Expiry = VALID,
    pin: options.TypedPin = "",
    no_pin: options.NoPin = False,
    mix: options.Mix = 0,
    certificate: options.Certificate = None,
    certificate_key: options.CertificateKey = None,
    authorities: options.Authorities = None,
    wait: options.Wait = 60.0,
    tries: options.Tries = 3,
    echo: options.EchoFirst = False,
    slips: options.Slips = None,
    seed: options.TerminalSeed = None,
    as_json: options.AsJson = False,
) -> None:
    """Play a POS terminal alone; exit 1 when something was declined, not answered, or proved nothing."""
    said = list(words or ())
    if data is not None:
        centre, fitting, card, book = demonstration(data, terminal, merchant)
        typed = pin
    else:
        if not said:
            raise PosswitchError("where to? write HOST:PORT and the steps, or give --data DIR")
        centre, card, typed = options.address("centre", said.pop(0)), _CARD, pin or _PIN
        book = Path(os.devnull)
        fitting = Fitting(terminal or _TERMINAL, merchant or _MERCHANT, b"")
    if data is None or tmk:
        fitting = fitting._replace(tmk=key_from("tmk", tmk))
    fitting = _checked(fitting, mac, pin_block)
    options.check_card(pan or card, expiry)
    _check_pin(pin, no_pin)
    steps = read_steps(said, mix, echo=echo)
    tls = options.spoken(centre, *papers_in(data, (certificate, certificate_key, authorities)), serves=False)
    customer = Regular(pan or card, expiry, "" if no_pin else typed)
    out = _Out(as_json)
    player = Terminal(
        fitting,
        centre,
        customer,
        Book(slips or book),
        random.Random(seed),  # noqa: S311 - shapes a simulation, guards nothing
        time.time_ns,
        wait,
        keeps_connection=True,
        forgetful_rate=0.0,
        tries=tries,
        tls=tls,
        watch=lambda seen: _tell(out, seen),
    )
    good = run_fast(_play(player, customer, steps, out))
    raise typer.Exit(0 if good else 1)


def _check_pin(pin: str, no_pin: bool) -> None:
    options.check_pin(pin)
    if pin and no_pin:
        raise PosswitchError("--pin and --no-pin: give one of them")


def _checked(fitting: Fitting, mac: str, pin_block: str) -> Fitting:
    """A terminal that makes its MACs and PIN blocks as asked, else as it did; its names can be sent."""
    options.check_name("--terminal", fitting.terminal, 8)
    options.check_name("--merchant", fitting.merchant, 15)
    seals = fitting.seals
    if mac:
        mac_in_words(mac)
        seals = seals._replace(mac=mac)
    if pin_block:
        seals = seals._replace(pin_block=_pin_format(pin_block))
    return fitting._replace(seals=seals)


def _tell(out: _Out, seen: Exchange | str | Result) -> None:
    if isinstance(seen, str):
        out.say(f"    ! {telling.plain(seen)}", {"event": "remark", "remark": telling.plain(seen)})
    elif isinstance(seen, Result):
        out.say(telling.result_line(seen), telling.result_object(seen))
    else:
        out.say("\n".join(telling.exchange_lines(seen)), telling.exchange_object(seen))


async def _play(terminal: Terminal, customer: Regular, steps: list[Step], out: _Out) -> bool:
    """The steps, to their end or until nobody reads what is said; True when all was as asked."""
    ended: list[Result] = []

    def tell(result: Result) -> None:
        ended.append(result)
        _tell(out, result)

    playing = asyncio.create_task(Solo(terminal, customer, tell).run(steps))
    gone = asyncio.create_task(out.gone.wait())
    await asyncio.wait({playing, gone}, return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    if not playing.done():
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
    out.end()
    good = sum(result.good for result in ended)
    words = f"{good} of {len(steps)} steps as asked"
    out.say(f"posswitch: {words}", {"event": "end", "steps": len(steps), "good": good})
    out.end()
    return await playing
