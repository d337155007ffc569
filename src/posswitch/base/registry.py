"""Who may speak with whom: banks, BIN rows, merchants, terminals, limits (value types only)."""

from typing import Annotated, NamedTuple

import msgspec


class Address(NamedTuple):
    """A TCP endpoint."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Bank(msgspec.Struct, frozen=True):
    """An institution that answers requests: id (field 100 and header), names, links, wrapped zone keys."""

    id: str
    name_zh: str
    name_en: str
    links: tuple[Address, ...]
    zpk: bytes
    zak: bytes


class Bin(msgspec.Struct, frozen=True):
    """A row of the BIN table: cards with this prefix and length belong to this bank."""

    prefix: str
    pan_digits: int
    bank: str


class Merchant(msgspec.Struct, frozen=True):
    """A card acceptor: id (field 42, 15 characters), name and city for field 43, MCC for field 18."""

    id: str
    name: str
    city: str
    mcc: str


class Terminal(msgspec.Struct, frozen=True):
    """A terminal (field 41, 8 characters), its merchant and its wrapped master key."""

    id: str
    merchant: str
    tmk: bytes


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one card may spend here in one business day, in minor units."""

    card_daily_minor: Annotated[int, msgspec.Meta(ge=0, le=10**15)] = 5_000_000
