"""Who may speak with whom: institutions, BIN rows, merchants, terminals, policy; and how they are found."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from posswitch.base.amount import CNY
from posswitch.base.policy import Limit, Pause, Policy, Route, StandIn

TLS, CLEAR = "tls", "clear"


class Address(NamedTuple):
    """A TCP endpoint and how it is spoken to: `tls`, `clear`, or empty where nobody said so (clear)."""

    host: str
    port: int
    scheme: str = ""

    @property
    def tls(self) -> bool:
        """Whether TLS is spoken there."""
        return self.scheme == TLS

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}" if self.scheme else f"{self.host}:{self.port}"


class Line(NamedTuple):
    """The line under a link: circuit number, carrier, contracted kbit/s; empty or 0 = unknown."""

    circuit: str = ""
    carrier: str = ""
    bandwidth_kbit: int = 0

    def __str__(self) -> str:
        return f"{self.circuit}/{self.carrier}/{self.bandwidth_kbit or ''}"


class Bank(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An institution that answers requests: id (field 100 and header), names, links, wrapped zone keys.

    `dialect` is a built-in one or a file; `framing` (`bin2`, `ascii4`) is what stands before each payload.
    `certificates` (SHA-256, hex) are the only ones it is known by over TLS; without them it is its host name.
    `zmk` is the wrapped key under which new zone keys are sent to it, empty = they are not exchanged.
    `mac` and `pin_block` say how field 128 and field 52 are made.
    `contact` and `phone` say whom to call; `lines` stand in the order of `links`.
    """

    id: str
    name_zh: str
    name_en: str
    links: tuple[Address, ...]
    zpk: bytes
    zak: bytes
    dialect: str = "cups"
    framing: str = "ascii4"
    certificates: tuple[str, ...] = ()
    zmk: bytes = b""
    mac: str = "x9.19"
    pin_block: str = "iso-0"
    contact: str = ""
    phone: str = ""
    lines: tuple[Line, ...] = ()


class Bin(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A row of the BIN table: cards with this prefix (or in a range of them, `6229-6231`) and length belong
    to this bank."""

    prefix: str
    pan_digits: int
    bank: str
    foreign: bool = False  # counted in the second half of a batch's totals


class Merchant(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A card acceptor: id (field 42, 15 characters), name and city for field 43, MCC for field 18."""

    id: str
    name: str
    city: str
    mcc: str


class Terminal(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A terminal (field 41, 8 characters), its merchant and its wrapped master key.

    `kinds` are the kinds of payment it may send, empty = all; `currency` and `dialect` are what it is
    expected to send: a difference is reported as drift. `mac` and `pin_block` say how field 64 and field 52
    are made.
    """

    id: str
    merchant: str
    tmk: bytes
    model: str = ""
    firmware: str = ""
    kinds: tuple[str, ...] = ()
    currency: str = CNY
    dialect: str = "pos"
    mac: str = "cup-ecb"
    pin_block: str = "iso-0"


class Source(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Who connects for terminals over TLS: whoever holds one of these certificates (SHA-256, hex).

    It speaks for terminals whose id begins with one of `terminals`, or whose merchant's number (as it is
    registered) begins with one of `merchants`: one till, a chain, everything of an acquirer.
    """

    id: str
    certificates: tuple[str, ...]
    terminals: tuple[str, ...] = ()
    merchants: tuple[str, ...] = ()


Row = Bank | Bin | Merchant | Terminal | Source | Policy
Key = tuple[str, str]  # table and id


def key_of(row: Row) -> Key:
    """What names a row: its table, and its id or (BIN) prefix and length."""
    if isinstance(row, Bin):
        return "bin", f"{row.prefix}/{row.pan_digits}"
    return _TABLES[type(row)], row.id


Word = Literal["stands", "reversed", "again"]


class Ruling(msgspec.Struct, frozen=True, array_like=True):
    """A person's word about a payment that needs one.

    `says`: it stands; it is reversed (nothing was posted, or somebody gave it back); its bank is told again.
    """

    payment: int
    says: Word
    author: str
    reason: str


class Change(msgspec.Struct, frozen=True, array_like=True):
    """A new version of the registry as what it changes: rows to put, keys to drop; or a ruling instead.

    `rekey`: banks that new zone keys are to be exchanged with now. `acts`: how many acts of the office stood
    when it was made, its own the last; `mark` is the signature of that one.
    """

    version: int
    put: tuple[Row, ...] = ()
    drop: tuple[Key, ...] = ()
    ruling: Ruling | None = None
    rekey: tuple[str, ...] = ()
    acts: int = 0
    mark: bytes = b""


class Registry:
    """All rows as the payment path reads them; `amend` is the only way they change."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.banks: dict[str, Bank] = {}
        self.merchants: dict[str, Merchant] = {}
        self.terminals: dict[str, Terminal] = {}
        self.sources: dict[str, Source] = {}
        self._holders: dict[str, Source] = {}  # certificate → who holds it
        self.limits: dict[str, Limit] = {}
        self.routes: dict[str, Route] = {}
        self.pauses: dict[str, Pause] = {}
        self.standins: dict[str, StandIn] = {}
        self.ranked: tuple[Route, ...] = ()  # routes in the order in which they are tried
        self._bins: dict[str, Bin] = {}
        self._cards: dict[int, dict[str, Bin]] = {}  # length of the PAN → prefix → row
        self._sizes: dict[int, tuple[int, ...]] = {}  # length of the PAN → lengths of prefixes, longest first
        self.amend(rows)

    def __repr__(self) -> str:
        return (
            f"<registry: {len(self.banks)} banks, {len(self._bins)} BINs, "
            f"{len(self.merchants)} merchants, {len(self.terminals)} terminals>"
        )

    @property
    def rows(self) -> list[Row]:
        """Every row, in the order they came."""
        return [
            *self.banks.values(),
            *self._bins.values(),
            *self.merchants.values(),
            *self.terminals.values(),
            *self.sources.values(),
            *self.limits.values(),
            *self.routes.values(),
            *self.pauses.values(),
            *self.standins.values(),
        ]

    def amend(self, put: Iterable[Row] = (), drop: Iterable[Key] = ()) -> None:
        """Puts rows, in place of those with the same key, and drops keys; what is not there is no error."""
        for table, name in drop:
            self._table(table).pop(name, None)
        for row in put:
            table, name = key_of(row)
            self._table(table)[name] = row
        self._compile_cards()
        self.ranked = tuple(sorted(self.routes.values(), key=lambda row: (row.rank, row.id)))
        self._holders = {
            certificate: row for row in self.sources.values() for certificate in row.certificates
        }

    def source_of(self, certificate: str) -> Source | None:
        """Who holds a certificate (SHA-256, hex)."""
        return self._holders.get(certificate)

    def bin_of(self, pan: str) -> Bin | None:
        """The row of the longest matching prefix for this length of card number."""
        cards = self._cards.get(len(pan))
        if cards is not None:
            for size in self._sizes[len(pan)]:
                row = cards.get(pan[:size])
                if row is not None:
                    return row
        return None

    def _table(self, name: str) -> dict[str, Any]:
        tables: dict[str, dict[str, Any]] = {
            "bank": self.banks,
            "bin": self._bins,
            "merchant": self.merchants,
            "terminal": self.terminals,
            "source": self.sources,
            "limit": self.limits,
            "route": self.routes,
            "pause": self.pauses,
            "standin": self.standins,
        }
        return tables[name]

    def _compile_cards(self) -> None:
        self._cards = {}
        for row in self._bins.values():
            cards = self._cards.setdefault(row.pan_digits, {})
            for prefix in prefixes_of(row.prefix):  # of a range each stands for itself
                cards[prefix] = row if prefix == row.prefix else msgspec.structs.replace(row, prefix=prefix)
        self._sizes = {
            digits: tuple(sorted(dict.fromkeys(map(len, cards)), reverse=True))
            for digits, cards in self._cards.items()
        }


def prefixes_of(text: str) -> tuple[str, ...]:
    """The prefixes that a prefix or a range of them (`6229-6231`, both included) stands for, the fewest."""
    low, _, high = text.partition("-")
    if not high:
        return (low,)
    found, at, end = [], int(low), int(high)
    while at <= end:
        size = 0  # digits at the end that this step leaves open
        while at % 10 ** (size + 1) == 0 and at + 10 ** (size + 1) - 1 <= end and size + 1 < len(low):
            size += 1
        found.append(f"{at:0{len(low)}d}"[: len(low) - size])
        at += 10**size
    return tuple(found)


_TABLES: dict[type, str] = {
    Bank: "bank",
    Merchant: "merchant",
    Terminal: "terminal",
    Source: "source",
    Limit: "limit",
    Route: "route",
    Pause: "pause",
    StandIn: "standin",
}


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one card may spend here in one business day, in minor units."""

    card_daily_minor: Annotated[int, msgspec.Meta(ge=0, le=10**15)] = 5_000_000
