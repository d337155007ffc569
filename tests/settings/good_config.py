"""A configuration in which everything is right, and the secret that opens its keys."""

import os
from itertools import count
from pathlib import Path

from posswitch.crypto.commands import Usage
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.keyfile import COST_MIN, sealed_by_passphrase
from posswitch.settings.secret import KEPT, write_new
from posswitch.sim.authority import Authority

SECRET = bytes(range(32))
PASSPHRASE = "seven words that nobody else has ever thought"
SEALED = sealed_by_passphrase(SECRET, PASSPHRASE, os.urandom, COST_MIN)
_numbers = count(1)
HSM = SoftHsm(SECRET, lambda size: next(_numbers).to_bytes(size, "big"))
_keys = count(1)


def wrapped(usage: Usage) -> str:
    """A new wrapped key in hex, different in more than parity bits."""
    return HSM.wrap(usage, (2 * next(_keys)).to_bytes(1, "big") * 8 + bytes(range(8))).hex()


ZPK, ZAK, TMK = wrapped(Usage.ZPK), wrapped(Usage.ZAK), wrapped(Usage.TMK)
OTHER_ZPK, OTHER_ZAK, OTHER_TMK = wrapped(Usage.ZPK), wrapped(Usage.ZAK), wrapped(Usage.TMK)

AUTHORITY = Authority()
NODE_PAPER, SHOP_PAPER = AUTHORITY.issue("switch.example"), AUTHORITY.issue("shop.example")

GOOD = f"""\
[node]
id = "A"
listen = "clear://127.0.0.1:9000"
data = "data"
secret = "secret.key"
acquirer = "48020000"
centre = "00010000"
cutover = "23:00"

[timers]
bank = 25
centre = 30
terminal = 60
flight_max = 120
reversal = 20
reversal_max = 60

[tls]
certificate = "tls/node.pem"
key = "tls/node.key"
authorities = "tls/authority.pem"

[limits]
card_daily_minor = 5000000

[[bank]]
id = "01020000"
name_zh = "甲银行"
name_en = "Bank A"
links = ["clear://127.0.0.1:9001", "tls://bank-a.example:7001"]
zpk = "{ZPK}"
zak = "{ZAK}"
dialect = "cups"
framing = "ascii4"

[[bank]]
id = "01030000"
name_zh = "乙银行"
name_en = "Bank B"
links = ["clear://127.0.0.1:9002"]
zpk = "{OTHER_ZPK}"
zak = "{OTHER_ZAK}"

[[bin]]
prefix = "622200"
pan_digits = 16
bank = "01020000"

[[bin]]
prefix = "622300"
pan_digits = 19
bank = "01030000"

[[merchant]]
id = "802440354110001"
name = "甲商店 Shop"
city = "SHENZHEN"
mcc = "5411"

[[terminal]]
id = "10000001"
merchant = "802440354110001"
tmk = "{TMK}"
kinds = ["sale", "void"]
currency = "156"
dialect = "pos"

[[terminal]]
id = "10000002"
merchant = "802440354110001"
tmk = "{OTHER_TMK}"

[[source]]
id = "acquirer-1"
certificates = ["{SHOP_PAPER.fingerprint}"]
terminals = ["100000"]
"""


def write_sealed(path: Path) -> None:
    """Writes the secret, sealed, and opens it for this process."""
    write_new(path, SEALED)
    KEPT.keep(path, SECRET)


def write_config(folder: Path, text: str = GOOD, name: str = "switch.toml") -> Path:
    """Writes a configuration and the files that it names beside it."""
    if not (folder / "secret.key").exists():
        write_sealed(folder / "secret.key")
        tls = folder / "tls"
        tls.mkdir()
        NODE_PAPER.written(tls, "node")
        (tls / "authority.pem").write_bytes(AUTHORITY.certificate)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def line_of(words: str, text: str = GOOD, number: int = 1) -> int:
    """The line on which words stand for the `number`th time."""
    lines = [at for at, line in enumerate(text.splitlines(), 1) if words in line]
    return lines[number - 1]
