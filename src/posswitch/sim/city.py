"""A small city: banks, cards, merchants, terminals, their keys, and the file that a node starts from."""

import json
import random
import socket
import ssl
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from posswitch.base.bounds import Timers
from posswitch.base.registry import CLEAR, TLS, Address
from posswitch.crypto.ciphers import odd_parity
from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.pinblock import PinFormat
from posswitch.crypto.signon import DOUBLE_AND_TRACK, SINGLE
from posswitch.settings.clock import SystemClock
from posswitch.settings.rows import written_key
from posswitch.settings.secret import write_secret
from posswitch.sim.authority import Authority, context_of
from posswitch.sim.peers.cups import USUAL_MAC
from posswitch.sim.peers.customer import Range
from posswitch.sim.peers.hsm_box import HsmBox
from posswitch.sim.peers.pos import Seals
from posswitch.sim.peers.terminal import Fitting

HOST = "127.0.0.1"
MIXED_DIALECTS = ("cups", "iso87b", "iso87a", "iso87a")
CENTRE, ACQUIRER = "00010000", "48020000"
SHORT_TIMERS = Timers(
    bank=1.0, centre=2.0, terminal=4.0, reversal=0.6, reversal_max=2.0, flight_max=8.0,
    connect=1.0, echo=5.0, drain=5.0,
)  # fmt: skip
CARD_DAILY_MINOR = 20_000_000
STAND_IN = {"single_minor": 100_000, "card_day_minor": 200_000, "day_minor": 20_000_000}
LINKS_PER_BANK = 2
CONFIG_FILE, SECRET_FILE, DATA_FOLDER, BOOKS_FOLDER = "posswitch.toml", "secret.key", "data", "books"
PAPERS_FOLDER, AUTHORITY_FILE, ACQUIRER_PAPER = "tls", "authority.pem", "acquirer"
_PINNED = 2  # banks that are known by their certificate; the others by their address
_LISTENING_PORTS = range(20_000, 30_000)  # below the ports that outgoing connections take


class BankPlan(NamedTuple):
    """A bank of the city: names, cards, zone keys in clear, and the ports of its lines."""

    id: str
    name_zh: str
    name_en: str
    ranges: tuple[Range, ...]
    zpk: bytes
    zak: bytes
    line_ports: tuple[int, ...]
    dialect: str = "cups"
    mac: str = USUAL_MAC
    pin_block: PinFormat = PinFormat.ISO_0
    zmk: bytes = b""  # without it zone keys are not exchanged

    @property
    def framing(self) -> str:
        """What stands before each payload on its lines."""
        return "ascii4" if self.dialect == "cups" else "bin2"

    def __repr__(self) -> str:
        return f"BankPlan({self.id} {self.name_en}, lines {self.line_ports})"


class MerchantPlan(NamedTuple):
    """A shop: field 42, name and city for field 43, MCC."""

    id: str
    name: str
    city: str
    mcc: str


class Variety(NamedTuple):
    """What a city has several of: towns, and models of terminals with their firmware; in turn."""

    towns: tuple[str, ...] = ("SHENZHEN",)
    models: tuple[tuple[str, str], ...] = (("", ""),)


# As many models as ways to seal: a model makes its MACs in one way.
VARIED = Variety(
    ("SHENZHEN", "GUANGZHOU", "ZHUHAI"),
    (
        ("LD-N900", "3.2.1"),
        ("XG-A8", "5.0.4"),
        ("VX-520", "1.9.7"),
        ("PX-S90", "2.4.0"),
        ("NL-8210", "7.1.2"),
    ),
)


class City(NamedTuple):
    """Everything the peers know, and where the node's files are."""

    folder: Path
    seed: int
    node: Address
    timers: Timers
    banks: tuple[BankPlan, ...]
    merchants: tuple[MerchantPlan, ...]
    fittings: tuple[Fitting, ...]

    @property
    def config(self) -> Path:
        """The node's configuration file."""
        return self.folder / CONFIG_FILE

    @property
    def data(self) -> Path:
        """The node's own folder."""
        return self.folder / DATA_FOLDER

    @property
    def books(self) -> Path:
        """The peers' own books."""
        return self.folder / BOOKS_FOLDER

    @property
    def papers(self) -> Path:
        """Everybody's certificates and keys."""
        return self.folder / PAPERS_FOLDER

    def context(self, name: str, *, serves: bool) -> ssl.SSLContext | None:
        """How somebody of this city speaks TLS; None in a city of clear text."""
        if not self.node.tls:
            return None
        certificate, key = self.papers / f"{name}.pem", self.papers / f"{name}.key"
        return context_of(certificate, key, self.papers / AUTHORITY_FILE, serves=serves)

    @property
    def ranges(self) -> tuple[Range, ...]:
        """All cards that belong to a bank."""
        return tuple(card_range for bank in self.banks for card_range in bank.ranges)


_BANKS = (
    ("90010000", "甲银行", "Bank A", (Range("629001", 16), Range("629011", 19))),
    ("90020000", "乙银行", "Bank B", (Range("629002", 16), Range("629012", 18))),
    ("90030000", "丙银行", "Bank C", (Range("629003", 19),)),
    ("90040000", "丁银行", "Bank D", (Range("629004", 16), Range("629014", 17, foreign=True))),
)
# What a triple DES HSM can do; in turn.
_USUAL = (USUAL_MAC, PinFormat.ISO_0)
_BANK_SEALS = (_USUAL, ("x9.19 pad-2 binary", PinFormat.ISO_3), ("tdes-cbc", PinFormat.ISO_0))
_TERMINAL_SEALS = (
    Seals(),
    Seals("x9.19", PinFormat.ISO_0, DOUBLE_AND_TRACK),
    Seals("cup-ecb", PinFormat.ISO_3),
    Seals("x9.9", PinFormat.ISO_0, SINGLE),
    Seals("tdes-cbc binary", PinFormat.ISO_1),
)
PORTS_NEEDED = 1 + LINKS_PER_BANK * len(_BANKS)
_SHOPS = (
    ("Jiefang Road Market", "5411"), ("Lotus Pharmacy", "5912"), ("Harbour Noodles", "5812"),
    ("Garden Hotel", "7011"), ("Bell Tower Books", "5942"), ("Metro Fuel 12", "5541"),
    ("Old Town Tea", "5499"), ("River Cinema", "7832"), ("North Gate Shoes", "5661"),
    ("Green Hill Clinic", "8011"), ("Blue Bird Taxi", "4121"), ("Silk Lane Tailors", "5697"),
)  # fmt: skip


def build_city(
    folder: Path,
    seed: int,
    terminals: int,
    timers: Timers = SHORT_TIMERS,
    node_port: int = 0,
    dialects: Sequence[str] = ("cups",) * len(_BANKS),
    box: HsmBox | None = None,
    hsm_links: Sequence[str] = (),
    *,
    tls: Authority | None = None,
    mixed: bool = False,
    stands_in: bool = False,
    variety: Variety = Variety(),  # noqa: B008 - frozen
) -> City:
    """Draws keys and ports and writes what a node starts from into `folder`; `seed` shapes the cards.

    With a `box` the keys lie in that HSM, reached at `hsm_links`; with `tls` everybody speaks it, with
    certificates of that authority. `mixed`: see `plan_city`.
    With `stands_in` the centre may approve small sales while the first bank is away.
    """
    entropy = SystemClock().entropy
    ports = free_ports(PORTS_NEEDED)
    city = plan_city(folder, seed, terminals, timers, ports, dialects, entropy, mixed=mixed, variety=variety)
    node = city.node._replace(scheme=TLS if tls else CLEAR, port=node_port or city.node.port)
    city = city._replace(node=node)
    root = entropy(32)
    city.books.mkdir(parents=True, exist_ok=True)
    prints = _issued(city, tls) if tls else {}
    soft = SoftHsm(root, entropy)
    wrap = box.wrap if box is not None else soft.wrap
    text = _config(city, lambda usage, key: written_key(wrap(usage, key)), prints)
    if stands_in:
        text += "\n" + _table("[[standin]]", id=city.banks[0].id, pins=True, **STAND_IN)
    if hsm_links:
        text += "\n" + _table("[hsm]", links=list(hsm_links), timeout=timers.centre / 10)
    city.config.write_text(text, encoding="utf-8")
    write_secret(folder / SECRET_FILE, root)
    return city


def plan_city(
    folder: Path,
    seed: int,
    terminals: int,
    timers: Timers,
    ports: list[int],
    dialects: Sequence[str],
    entropy: Callable[[int], bytes],
    *,
    mixed: bool = False,
    variety: Variety = Variety(),  # noqa: B008 - frozen
) -> City:
    """A city on `ports` (PORTS_NEEDED of them), its keys drawn from `entropy`; writes nothing.

    `mixed`: not everybody makes MACs and PIN blocks in the usual way, and zone keys are exchanged.
    """
    at_banks, at_terminals = (_BANK_SEALS, _TERMINAL_SEALS) if mixed else ((_USUAL,), (Seals(),))
    node = Address(HOST, ports.pop(), CLEAR)
    banks = tuple(
        BankPlan(
            number,
            name_zh,
            name_en,
            ranges,
            entropy(16),
            entropy(16),
            _taken(ports),
            dialect,
            *seals,
            odd_parity(entropy(16)) if mixed else b"",
        )
        for (number, name_zh, name_en, ranges), dialect, seals in zip(
            _BANKS, dialects, cycle(at_banks), strict=False
        )
    )
    merchants = tuple(
        MerchantPlan(f"8024403{mcc}{number:04d}", name, town, mcc)
        for number, ((name, mcc), town) in enumerate(zip(_SHOPS, cycle(variety.towns), strict=False), 1)
    )
    fittings = tuple(
        Fitting(f"{10_000_001 + number}", merchants[number % len(merchants)].id, entropy(16), seals, *model)
        for number, seals, model in zip(
            range(terminals), cycle(at_terminals), cycle(variety.models), strict=False
        )
    )
    return City(folder, seed, node, timers, banks, merchants, fittings)


def _taken(ports: list[int]) -> tuple[int, ...]:
    return tuple(ports.pop() for _ in range(LINKS_PER_BANK))


def free_ports(count: int) -> list[int]:
    """Ports of the loopback on which nobody listens now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_LISTENING_PORTS, len(_LISTENING_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free ports on the loopback")


def _issued(city: City, authority: Authority) -> dict[str, str]:
    """Writes a certificate and a key for everybody; who has which (SHA-256)."""
    city.papers.mkdir(mode=0o700)
    (city.papers / AUTHORITY_FILE).write_bytes(authority.certificate)
    prints = {}
    for name in (
        "node",
        ACQUIRER_PAPER,
        *(bank.id for bank in city.banks),
        *(shop.id for shop in city.merchants),
    ):
        paper = authority.issue(name, (HOST,))
        paper.written(city.papers, name)
        prints[name] = paper.fingerprint
    return prints


def _tls_tables(city: City, prints: dict[str, str]) -> list[str]:
    files = {"certificate": "node.pem", "key": "node.key", "authorities": AUTHORITY_FILE}
    return [
        _table("[tls]", **{key: f"{PAPERS_FOLDER}/{name}" for key, name in files.items()}),
        *(
            _table("[[source]]", id=shop.id, certificates=[prints[shop.id]], merchants=[shop.id])
            for shop in city.merchants
        ),
        _table("[[source]]", id=ACQUIRER_PAPER, certificates=[prints[ACQUIRER_PAPER]], merchants=["8024403"]),
    ]


def _config(city: City, wrapped: Callable[[Usage, bytes], str], prints: dict[str, str]) -> str:
    tables = [
        _table("[node]", id="1", listen=str(city.node), data=DATA_FOLDER, secret=SECRET_FILE,
               acquirer=ACQUIRER, centre=CENTRE),
        _table("[timers]", **{name: getattr(city.timers, name) for name in Timers.__struct_fields__}),
        _table("[limits]", card_daily_minor=CARD_DAILY_MINOR),
    ]  # fmt: skip
    if prints:
        tables += _tls_tables(city, prints)
    for place, bank in enumerate(city.banks):
        pins = {"certificates": [prints[bank.id]]} if prints and place < _PINNED else {}
        tables.append(
            _table(
                "[[bank]]",
                id=bank.id,
                name_zh=bank.name_zh,
                name_en=bank.name_en,
                links=[f"{city.node.scheme}://{HOST}:{port}" for port in bank.line_ports],
                zpk=wrapped(Usage.ZPK, bank.zpk),
                zak=wrapped(Usage.ZAK, bank.zak),
                dialect=bank.dialect,
                framing=bank.framing,
                mac=bank.mac,
                pin_block=bank.pin_block,
                **({"zmk": wrapped(Usage.ZMK, bank.zmk)} if bank.zmk else {}),
                **pins,
            )
        )
        tables += [
            _table(
                "[[bin]]",
                prefix=row.prefix,
                pan_digits=row.pan_digits,
                bank=bank.id,
                foreign=row.foreign,
            )
            for row in bank.ranges
        ]
    tables += [_table("[[merchant]]", **shop._asdict()) for shop in city.merchants]
    tables += [
        _table(
            "[[terminal]]",
            id=row.terminal,
            merchant=row.merchant,
            tmk=wrapped(Usage.TMK, row.tmk),
            mac=row.seals.mac,
            pin_block=row.seals.pin_block,
            **({"model": row.model, "firmware": row.firmware} if row.model else {}),
        )
        for row in city.fittings
    ]
    return "\n".join(tables)


def _table(heading: str, **values: object) -> str:
    """A TOML table; JSON's strings, numbers and lists are TOML's too."""
    rows = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return "\n".join((heading, *rows, ""))
