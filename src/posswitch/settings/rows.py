"""A row as it is written becomes a row of the registry."""

import re
from typing import Any

from posswitch.base.policy import Limit, Pause, Route, StandIn
from posswitch.base.registry import Bank, Bin, Line, Merchant, Row, Source, Terminal
from posswitch.crypto.hostcommands import is_host_key
from posswitch.settings.address import address_of
from posswitch.settings.draft import Draft
from posswitch.settings.shape import Row as Written

_FINGERPRINT = re.compile(r"([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")
_LINE = re.compile(r"([^\s\x00-\x1f\x7f/,;|]{0,40})/([^\s\x00-\x1f\x7f/,;|]{0,40})/([1-9][0-9]{0,8})?")
_POLICY: dict[str, type[Limit | Route | Pause | StandIn]] = {
    "limit": Limit,
    "route": Route,
    "pause": Pause,
    "standin": StandIn,
}


def read_fingerprint(text: str) -> str:
    """A certificate's SHA-256 as it is compared, with or without colons as it is written; empty if none."""
    return text.replace(":", "").lower() if _FINGERPRINT.fullmatch(text) else ""


def read_line(text: str) -> Line | None:
    """The line in `circuit/carrier/kbit`, each of which may be left empty; None when it is none."""
    parts = _LINE.fullmatch(text)
    return Line(parts[1], parts[2], int(parts[3] or 0)) if parts else None


def wrapped_key(text: str) -> bytes:
    """A wrapped key as it is written: in hex, or as a network HSM shows it."""
    return text.encode() if is_host_key(text.encode()) else bytes.fromhex(text)


def written_key(wrapped: bytes) -> str:
    """The inverse of `wrapped_key`."""
    return wrapped.decode() if is_host_key(wrapped) else wrapped.hex()


def registry_row(written: Written, draft: Draft) -> Row:
    """The row that a written one without mistakes stands for."""
    good = written.good
    match written.table:
        case "bank":
            framing = good["framing"] or ("ascii4" if good["dialect"] == "cups" else "bin2")
            links = tuple(map(address_of, good["links"]))
            keys = {name: wrapped_key(good[name]) for name in ("zpk", "zak", "zmk")}
            more = {"links": links, "dialect": draft.dialect(good["dialect"]), "framing": framing}
            more["certificates"] = tuple(map(read_fingerprint, good["certificates"]))
            more["lines"] = tuple(filter(None, map(read_line, good["lines"])))
            return Bank(**good | keys | more)
        case "bin":
            return Bin(**good)
        case "merchant":
            return Merchant(**good)
        case "source":
            certificates = tuple(map(read_fingerprint, good["certificates"]))
            return Source(good["id"], certificates, tuple(good["terminals"]), tuple(good["merchants"]))
        case "limit" | "route" | "pause" | "standin":
            values: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in good.items()
            }
            return _POLICY[written.table](**values)
    return Terminal(**good | {"tmk": wrapped_key(good["tmk"]), "kinds": tuple(good["kinds"])})
