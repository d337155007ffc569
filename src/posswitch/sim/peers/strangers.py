"""Who else may come to a city's terminals: crowds of honest people, and those who try cards and PINs."""

import random
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import count

import msgspec

from posswitch.base.card import luhn_digit
from posswitch.scheme.kinds import SALE
from posswitch.sim.peers.customer import EXPIRED, VALID, Customers, Purchase, Range, pan_at, pin_of
from posswitch.sim.peers.drawer import Order

_SMALL_MINOR = 100  # what a card is tried with, and a little more each time
_CARDS = 100_000
_ROUND_MINOR, _SMALL_ROUND = 100_000, 1_000  # no visit pays what another has paid
_WHOSE = 77  # the card whose PIN is guessed


class Stranger(StrEnum):
    """What they come for."""

    SHOPS = "shops"
    TRIES_CARDS = "tries-cards"  # numbers of one BIN, one after the other, small amounts, no PIN
    GUESSES_PIN = "guesses-pin"  # of one card
    SPRAYS_PINS = "sprays-pins"  # one wrong PIN for each of many cards


Orders = Iterator[Order]


def _shops(seed: int, ranges: Sequence[Range], entropy: random.Random, visit: int) -> Orders:
    customers = Customers(seed, ranges, entropy)
    customers.oddities = ()
    while True:
        bought = customers.next()
        amount_minor = bought.amount_minor + visit * _ROUND_MINOR
        yield Order(SALE, msgspec.structs.replace(bought, amount_minor=amount_minor))


def _tries_cards(seed: int, ranges: Sequence[Range], entropy: random.Random, visit: int) -> Orders:
    """Numbers that follow each other from somewhere; nobody knows their expiry."""
    prefix, pan_digits, _ = entropy.choice(ranges)
    begin = entropy.randrange(_CARDS)
    for number in count(visit * _SMALL_ROUND):
        body = f"{prefix}{begin + number:0{pan_digits - len(prefix) - 1}d}"
        pan = body + luhn_digit(body)
        yield Order(SALE, Purchase(pan, entropy.choice((VALID, EXPIRED)), "", _SMALL_MINOR + number))


def _guesses_pin(seed: int, ranges: Sequence[Range], entropy: random.Random, visit: int) -> Orders:
    pan = pan_at(ranges[0], _WHOSE)
    for number in count(visit * _SMALL_ROUND):
        yield Order(SALE, Purchase(pan, VALID, _wrong(pin_of(seed, pan), 1 + number), _SMALL_MINOR + number))


def _sprays_pins(seed: int, ranges: Sequence[Range], entropy: random.Random, visit: int) -> Orders:
    for number in count(visit * _SMALL_ROUND):
        pan = pan_at(entropy.choice(ranges), entropy.randrange(_CARDS // 50))
        yield Order(SALE, Purchase(pan, VALID, _wrong(pin_of(seed, pan), 1), _SMALL_MINOR + number))


def _wrong(pin: str, number: int) -> str:
    """Another PIN of the same length."""
    most = 10 ** len(pin)
    return f"{(int(pin) + 1 + number % (most - 1)) % most:0{len(pin)}d}"


STREAMS: dict[Stranger, Callable[[int, Sequence[Range], random.Random, int], Orders]] = {
    Stranger.SHOPS: _shops,
    Stranger.TRIES_CARDS: _tries_cards,
    Stranger.GUESSES_PIN: _guesses_pin,
    Stranger.SPRAYS_PINS: _sprays_pins,
}
