"""A row as it is written becomes a row of the registry."""

from posswitch.base.registry import Bank, Bin, Merchant, Row, Terminal
from posswitch.crypto.hostcommands import is_host_key
from posswitch.settings.address import address_of
from posswitch.settings.draft import Draft
from posswitch.settings.shape import Row as Written


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
            keys = {name: wrapped_key(good[name]) for name in ("zpk", "zak")}
            more = {"links": links, "dialect": draft.dialect(good["dialect"]), "framing": framing}
            return Bank(**good | keys | more)
        case "bin":
            return Bin(**good)
        case "merchant":
            return Merchant(**good)
    return Terminal(**good | {"tmk": wrapped_key(good["tmk"]), "kinds": tuple(good["kinds"])})
