"""The scan's look at versions, against a list of known holes that is as old as it says."""

import ssl
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from importlib import metadata
from importlib.resources import files
from typing import NamedTuple

import apsw
import msgspec
from cryptography.hazmat.backends.openssl import backend

from posswitch.base.moment import NS_PER_S
from posswitch.office.scan_finding import Premises, Weakness, weak

OLD_DAYS = 90
PACKAGES = ("cryptography", "apsw", "msgspec", "structlog", "typer", "uvloop", "dpkt", "python-pkcs11")
Version = tuple[int, ...]


class Hole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is wrong with a product from one version up to before another."""

    product: str
    since: str
    until: str
    id: str
    en: str
    zh: str


class Holes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The list that is shipped: as of which day, from where."""

    as_of: date
    sources: list[str]
    hole: list[Hole]


class Product(NamedTuple):
    """Something installed, its version, and how a newer one comes."""

    name: str
    version: str
    upgrade: str


@cache
def holes() -> Holes:
    """The list as it was shipped."""
    text = (files("posswitch.office") / "data" / "holes.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Holes)


def installed() -> Iterator[Product]:
    """What this program runs on."""
    yield Product("python", sys.version.split()[0], "apt-get install --only-upgrade python3")
    yield Product("openssl", ssl.OPENSSL_VERSION.split()[1], "apt-get install --only-upgrade libssl3")
    text = backend.openssl_version_text().split()
    yield Product("openssl", text[1], "python3 -m pip install --upgrade cryptography")
    yield Product("sqlite", apsw.sqlite_lib_version(), "python3 -m pip install --upgrade apsw")
    for name in PACKAGES:
        try:
            yield Product(name, metadata.version(name), f"python3 -m pip install --upgrade {name}")
        except metadata.PackageNotFoundError:  # an optional one
            continue


def versions(premises: Premises) -> Iterator[Weakness]:
    """Every known hole of what is installed, and how old that knowledge is."""
    known = holes()
    for product in installed():
        for hole in known.hole:
            if hole.product == product.name and _in(product.version, hole):
                where = f"{product.name} {product.version}"
                said = weak("version-holed", f"{where} {hole.id}", product.upgrade, what=hole.en)
                zh = f"{hole.zh}（{hole.until} 已修复）"
                yield msgspec.structs.replace(said, en=f"{hole.en}; fixed in {hole.until}", zh=zh)
    today = datetime.fromtimestamp(premises.now_ns // NS_PER_S, UTC).date()
    age = (today - known.as_of).days
    if age > OLD_DAYS:
        yield weak("holes-old", "posswitch", "git pull --ff-only && make setup", what=age)


def _in(version: str, hole: Hole) -> bool:
    return _read(hole.since) <= _read(version) < _read(hole.until)


def _read(version: str) -> Version:
    """The numbers at the beginning of a version: `3.0.19`, `3.12.0rc1` (as 3.12.0)."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
