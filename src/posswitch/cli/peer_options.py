"""The options of sim-bank and sim-terminal, and what an option may not be."""

import re
import ssl
from pathlib import Path
from typing import Annotated

import typer

from posswitch.base.card import PAN_DIGITS_MAX, PAN_DIGITS_MIN
from posswitch.base.errors import PosswitchError
from posswitch.base.registry import CLEAR, TLS, Address
from posswitch.crypto.pinblock import PIN_DIGITS_MAX, PIN_DIGITS_MIN
from posswitch.sim.authority import context_of
from posswitch.sim.peers.manners import REVERSAL_MANNERS, SALE_MANNERS

_SALES = ", ".join(manner.name for manner in SALE_MANNERS)
_REVERSALS = ", ".join(manner.name for manner in REVERSAL_MANNERS)
_ASCII = re.compile(r"[ -~]+")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable, one object a line.")]
Listen = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT",
        help="Where to listen, 127.0.0.1:0 when not given; port 0: any; tls:// before it for TLS.",
    ),
]
Dial = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT", help="Open the line to a centre that listens for banks, again when it ends."
    ),
]
Certificate = Annotated[Path | None, typer.Option(help="With tls://: the certificate to show, a PEM file.")]
CertificateKey = Annotated[Path | None, typer.Option(help="With tls://: its private key, a PEM file.")]
Authorities = Annotated[
    Path | None, typer.Option(help="With tls://: whose certificates are believed, a PEM file.")
]
Institution = Annotated[str, typer.Option("--id", help="Institution id, 8 to 11 digits.")]
Spoken = Annotated[str, typer.Option(help="cups, iso87a, iso87b, or a dialect file.")]
Framing = Annotated[str, typer.Option(help="ascii4 or bin2; without it ascii4 for cups, else bin2.")]
Zpk = Annotated[str, typer.Option(metavar="HEX|@FILE", help="Zone PIN key in clear (test keys only).")]
Zak = Annotated[str, typer.Option(metavar="HEX|@FILE", help="Zone MAC key in clear (test keys only).")]
BankMac = Annotated[
    str,
    typer.Option("--mac", help="How field 128 is made: x9.19, aes-cmac … (docs/crypto.md)."),
]
BankPinBlock = Annotated[str, typer.Option("--pin-block", help="How field 52 is made: iso-0, iso-3.")]
TerminalMac = Annotated[
    str, typer.Option("--mac", help="How field 64 is made: cup-ecb, x9.19 … (docs/crypto.md).")
]
TerminalPinBlock = Annotated[str, typer.Option("--pin-block", help="How field 52 is made: iso-0, cup-1 ….")]
KeyFile = Annotated[
    Path | None, typer.Option(help="File with both keys, as zpk = and zak =; made when it is not there.")
]
Manners = Annotated[
    str,
    typer.Option(
        help=f"usual (approves everything), bad (all faults by the table), or names: {_SALES}; for reversals "
        f"and advices with reversal- or advice- before: {_REVERSALS}."
    ),
]
FixedCode = Annotated[
    str, typer.Option(help="Answer every payment with this field 39; reversals are confirmed.")
]
CentreWaits = Annotated[
    float,
    typer.Option(min=0.1, max=3600, help="Seconds that the centre waits; slow and late answers go by it."),
]
Ledger = Annotated[Path | None, typer.Option(help="The bank's own book, one JSON line a posting.")]
CardPin = Annotated[str, typer.Option(help="PIN of every card; without it any PIN that can be read.")]
Seed = Annotated[int, typer.Option(help="Draws manners and balances.")]
TerminalSeed = Annotated[
    int | None, typer.Option(help="Draws the mix and the first STAN, which are by chance without it.")
]

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="HOST:PORT STEP…",
        help="The centre (left out with --data), then steps: sign-on, echo, sale:12.34, void, refund:5.00, "
        "balance, preauth:100, preauth-void, completion:110, completion-void, completion-notice:110, "
        "offline-sale:7.00, settle, sign-off. Amounts are yuan; void, refund and completion build on the "
        "last fitting receipt.",
    ),
]
TerminalNumber = Annotated[str, typer.Option(help="Field 41, 8 characters; 10000001 when not given.")]
Merchant = Annotated[str, typer.Option(help="Field 42, 15 characters; 802440354110001 when not given.")]
Tmk = Annotated[str, typer.Option(metavar="HEX|@FILE", help="Terminal master key (test keys only).")]
TestFolder = Annotated[
    Path | None,
    typer.Option(help="Folder of a test switch: its address, a terminal of it with its key, a card."),
]
CardNumber = Annotated[str, typer.Option(help="Card number.")]
Expiry = Annotated[str, typer.Option(help="YYMM.")]
TypedPin = Annotated[str, typer.Option(help="PIN that is typed: 123456 when not given, with --data none.")]
NoPin = Annotated[bool, typer.Option("--no-pin", help="Nobody types a PIN.")]
Mix = Annotated[
    int, typer.Option(min=0, max=100_000, help="After sign-on, so many payments of the realistic mix.")
]
Wait = Annotated[float, typer.Option(min=0.05, max=3600, help="Seconds to wait for an answer.")]
Tries = Annotated[int, typer.Option(min=1, max=100, help="How often the same thing is asked.")]
EchoFirst = Annotated[bool, typer.Option("--echo", help="Test the line before anything else.")]
Slips = Annotated[
    Path | None,
    typer.Option(
        help="The terminal's own book, one JSON line a slip; with --data of a demo among the demo's."
    ),
]


def address(place: str, words: str, *, lowest: int = 1) -> Address:
    """HOST:PORT or tls://HOST:PORT; PosswitchError names `place`."""
    scheme, named, at = words.rpartition("://")
    host, _, port = at.rpartition(":")
    speaks = not named or scheme in (TLS, CLEAR)
    if not (host and speaks and re.fullmatch(r"[0-9]{1,5}", port) and lowest <= int(port) < 65536):
        raise PosswitchError(f"{place} {words[:60]!r}: write HOST:PORT or tls://HOST:PORT, as 127.0.0.1:5000")
    return Address(host.strip("[]"), int(port), scheme)


def spoken(
    at: Address, certificate: Path | None, key: Path | None, authorities: Path | None, *, serves: bool
) -> ssl.SSLContext | None:
    """How TLS is spoken at an address; None in clear text. PosswitchError when a file is missing or wrong."""
    if not at.tls:
        if certificate or key or authorities:
            raise PosswitchError(f"{at}: this is clear text and needs no certificate; write tls://")
        return None
    if authorities is None or (serves and certificate is None) or (certificate is None) != (key is None):
        raise PosswitchError(f"{at}: TLS needs --certificate, --certificate-key and --authorities")
    try:
        return context_of(certificate, key, authorities, serves=serves)
    except OSError as error:
        why = getattr(error, "reason", None) or error.strerror
        raise PosswitchError(f"{at}: the certificate files cannot be used ({why}); give PEM files") from None


def check_pin(pin: str) -> None:
    """Nothing, or a PIN that a PIN block can hold."""
    if pin and not (PIN_DIGITS_MIN <= len(pin) <= PIN_DIGITS_MAX and pin.isascii() and pin.isdigit()):
        raise PosswitchError(f"--pin: a PIN is {PIN_DIGITS_MIN} to {PIN_DIGITS_MAX} digits")


def check_card(pan: str, expiry: str) -> None:
    """A card number and a month that a message can hold."""
    if not (PAN_DIGITS_MIN <= len(pan) <= PAN_DIGITS_MAX and pan.isascii() and pan.isdigit()):
        raise PosswitchError(f"--pan: a card number is {PAN_DIGITS_MIN} to {PAN_DIGITS_MAX} digits")
    if not re.fullmatch(r"[0-9]{2}(0[1-9]|1[0-2])", expiry):
        raise PosswitchError("--expiry: write YYMM, as 4912")


def check_name(option: str, name: str, length: int) -> None:
    """A terminal's or merchant's number as fields 41 and 42 hold it."""
    if len(name) != length or not _ASCII.fullmatch(name):
        raise PosswitchError(f"{option}: must be {length} characters of ASCII")
