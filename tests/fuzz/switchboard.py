"""A switch without sockets, clock or chance: its edge around an HSM that takes every MAC."""

import random
from itertools import count

from msgspec.structs import replace

from posswitch.base.moment import NS_PER_S, stamp
from posswitch.base.registry import Limits
from posswitch.codec import Message
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.signon import WorkingKeys
from posswitch.crypto.vault import Vault
from posswitch.edge.admit import POS, Admission, Dropped
from posswitch.edge.dress import Dresser
from posswitch.edge.hear import Hearing
from posswitch.edge.mistrust import Mistrust
from posswitch.edge.sealed import Tickets
from posswitch.edge.terminal_keys import TerminalKeys
from posswitch.edge.voice import Voices
from posswitch.edge.zone import Zone
from posswitch.engine.events import RequestArrived
from posswitch.engine.lifecycle import ADVISING, REVERSING
from posswitch.engine.rules import Rules
from posswitch.engine.state import Flight, Session, State
from posswitch.scheme.kinds import PAYMENT_KINDS, PAYMENTS
from posswitch.scheme.settlement import Side, Uploaded
from posswitch.settings.config import load_config
from posswitch.settings.secret import write_secret
from posswitch.sim.peers import pos
from posswitch.sim.peers.customer import VALID, Purchase, Range, pan_at

from .dialect_files import folder

TERMINAL, PICKY, MERCHANT, BATCH = "10000001", "10000002", "802440354110001", "000001"
_REVERSALS_FROM = 500_000  # trace numbers of reversals begin here
NOW_NS = 1_781_488_800 * NS_PER_S  # 15 June 2026, 10 o'clock in Beijing
BANKS = {"90010000": "cups", "90020000": "iso87b", "90030000": "iso87a", "90040000": "ebcdic.toml"}
RANGES = (Range("629001", 16), Range("629002", 19), Range("629003", 18), Range("629004", 13))
ZPK, ZAK, TMK, PIK, TAK = (bytes(range(at, at + 16)) for at in range(1, 6))


KEYS = WorkingKeys(PIK, TAK)


class CredulousHsm(SoftHsm):
    """Says yes to every MAC, so that what stands behind the check is reached."""

    __slots__ = ()

    def mac_fits(self, usage: Usage, key: bytes, how: str, data: bytes, mac: bytes) -> bool:
        return True


def outcome(work):
    """What a piece of work comes to; raises what it raises."""
    results = []

    def failed(error):
        raise error

    hsm.run(work, results.append, failed)
    return results[0]


def admitted(payload):
    """What becomes of a terminal's payload."""
    read = admission.read(payload)
    return read if isinstance(read, Dropped) else outcome(admission.admitted(read, payload, REPLY))


class DeadEnd:
    """A connection that takes everything."""

    certificate = peer = ""

    def send(self, payload: bytes) -> bool:
        return True


def config_text(hsm: SoftHsm) -> str:
    """A configuration with every table and most keys."""
    tables = [
        """[node]
id = "1"
listen = "127.0.0.1:20000"
data = "data"
secret = "secret.key"
acquirer = "48020000"
centre = "00010000"
cutover = "23:00"

[timers]
bank = 1.0
centre = 2.0
terminal = 4.0
flight_max = 8

[limits]
card_daily_minor = 5000000
"""
    ]
    for (bank, dialect), (prefix, digits, _) in zip(BANKS.items(), RANGES, strict=True):
        zpk, zak = hsm.wrap(Usage.ZPK, ZPK).hex(), hsm.wrap(Usage.ZAK, ZAK).hex()
        tables.append(
            f'[[bank]]\nid = "{bank}"\nname_zh = "甲银行"\nname_en = "Bank"\n'
            f'links = ["127.0.0.1:2{bank[:4]}"]\n'
            f'zpk = "{zpk}"\nzak = "{zak}"\ndialect = "{dialect}"\nframing = "bin2"\n'
            f'[[bin]]\nprefix = "{prefix}"\npan_digits = {digits}\nbank = "{bank}"\nforeign = false\n'
        )
    tables.append(f'[[merchant]]\nid = "{MERCHANT}"\nname = "解放路超市"\ncity = "SHENZHEN"\nmcc = "5411"\n')
    tmk = hsm.wrap(Usage.TMK, TMK).hex()
    for terminal, more in ((TERMINAL, ""), (PICKY, 'kinds = ["sale", "balance"]\nmodel = "S90"\n')):
        tables.append(f'[[terminal]]\nid = "{terminal}"\nmerchant = "{MERCHANT}"\ntmk = "{tmk}"\n{more}')
    return "\n".join(tables)


SECRET = bytes(32)
hsm = CredulousHsm(SECRET, random.Random(7).randbytes)
vault = Vault(SECRET, random.Random(8).randbytes)
CONFIG_TEXT = config_text(hsm)
(folder / "posswitch.toml").write_text(CONFIG_TEXT, "utf-8")
write_secret(folder / "secret.key", SECRET)
config = load_config(folder / "posswitch.toml")
registry = config.registry
rules = Rules(config.timers, Limits())
state = State("1", day="20260615")
for _terminal in (TERMINAL, PICKY):
    state.sessions[_terminal] = Session(BATCH, hsm.wrap(Usage.TPK, PIK), hsm.wrap(Usage.TAK, TAK))
tickets = Tickets(NS_PER_S)  # of what is admitted; each run sweeps them
waiting = Tickets(NS_PER_S)  # of what is under way; these stay
voices = Voices(registry, config.centre)
zone = Zone(registry, state, lambda: NOW_NS, config.keys.overlap)
dresser = Dresser(config, registry, voices, vault, zone)
tick_ns = count(NS_PER_S, 2 * NS_PER_S).__next__  # two seconds pass between any two looks at the clock


class Moments:
    """The clock of that."""

    tick_ns = staticmethod(tick_ns)
    wall_ns = staticmethod(lambda: NOW_NS)


moments = Moments()
terminal_keys = TerminalKeys(
    registry, moments, config.keys.overlap, Mistrust(lambda: NOW_NS, config.keys.misfits)
)
admission = Admission(
    config,
    registry,
    vault,
    state.sessions,
    tickets,
    terminal_keys,
    moments,
    lambda terminal, what, registered, sent: None,
)
hearing = Hearing(registry, voices, vault, state, waiting, zone)
REPLY, NOW = DeadEnd(), stamp(NOW_NS)


def requests() -> list[Message]:
    """What terminals send: every kind, with and without a PIN, at each bank."""
    found = []
    stans = count(1)
    for index, card_range in enumerate(RANGES):
        for typed in ("", "123456"):
            bought = Purchase(pan_at(card_range, 7 + index), VALID, typed, 12_345 + index)
            receipt = pos.Receipt("sale", bought, BATCH, 1, "616611000001", "A12345", "0615")
            for kind in PAYMENTS:
                original = receipt if kind.original else None
                found.append(
                    pos.payment(kind, TERMINAL, MERCHANT, next(stans), BATCH, bought, KEYS, original)
                )
                if kind.reversible:
                    found.append(pos.reversal(TERMINAL, MERCHANT, next(stans), BATCH, bought, "98", kind))
            found.append(pos.sale(PICKY, MERCHANT, next(stans), BATCH, bought, PIK))
            for absent in ((2,), (35,), (2, 35)):
                found.append(pos.sale(TERMINAL, MERCHANT, next(stans), BATCH, bought, PIK))
                for field in absent:
                    del found[-1].fields[field]
    items = [Uploaded(f"{stan:06d}", pan_at(RANGES[stan], stan), 1000 + stan, stan == 3) for stan in range(4)]
    found += [
        pos.sign_on(TERMINAL, MERCHANT, 900, BATCH),
        pos.sign_off(TERMINAL, MERCHANT, 901, BATCH),
        pos.echo(TERMINAL, MERCHANT, BATCH),
        pos.settlement(TERMINAL, MERCHANT, 902, BATCH, Side(123_456, 12, 100, 1), Side(99, 1)),
        pos.upload(TERMINAL, MERCHANT, 903, BATCH, items),
        pos.upload_end(TERMINAL, MERCHANT, 904, BATCH, 4),
    ]
    return found


def packed_request(message: Message) -> bytes:
    """The payload of a terminal's message, signed where its kind asks for it."""
    if message.mti in ("0100", "0200", "0220", "0400"):
        return pos.signed(POS, message, TAK)
    return POS.pack(message)


def flight_of(event: RequestArrived, payment: int, bank: str) -> Flight:
    """The payment as it waits for its bank."""
    request = event if event.bank else replace(event, bank=bank)
    flight = Flight(payment, request, NOW_NS, "616611000001", payment, NOW.f7, event.ticket)
    flight.rev_stan, flight.rev_f7 = payment + _REVERSALS_FROM, NOW.f7
    return flight


def put_under_way() -> list[Flight]:
    """Every payment of `requests` as a flight in some state; the node waits for the answers."""
    flights = []
    for payment, message in enumerate(requests(), 1):
        event = admitted(packed_request(message))
        if isinstance(event, RequestArrived):
            flight = flight_of(event, payment, next(iter(BANKS)))
            flight.ticket = waiting.seal(tickets.get(event.ticket), 0)
            kind = PAYMENT_KINDS[event.kind]
            state.flights[payment] = flight
            state.awaiting[flight.request.bank, flight.stan, flight.f7] = payment
            if kind.advice:
                flight.state = ADVISING
            elif kind.reversible and payment % 2:
                flight.state = REVERSING
                state.awaiting[flight.request.bank, flight.rev_stan, flight.rev_f7] = payment
            flights.append(flight)
    return flights


flights = put_under_way()
