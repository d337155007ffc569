"""A row as it is written becomes a row of the registry."""

from posswitch.base.registry import Bank, Bin, Merchant, Row, Terminal
from posswitch.settings.address import address_of
from posswitch.settings.draft import Draft
from posswitch.settings.shape import Row as Written


def registry_row(written: Written, draft: Draft) -> Row:
    """The row that a written one without mistakes stands for."""
    good = written.good
    match written.table:
        case "bank":
            framing = good["framing"] or ("ascii4" if good["dialect"] == "cups" else "bin2")
            links = tuple(map(address_of, good["links"]))
            keys = {name: bytes.fromhex(good[name]) for name in ("zpk", "zak")}
            more = {"links": links, "dialect": draft.dialect(good["dialect"]), "framing": framing}
            return Bank(**good | keys | more)
        case "bin":
            return Bin(**good)
        case "merchant":
            return Merchant(**good)
    return Terminal(**good | {"tmk": bytes.fromhex(good["tmk"]), "kinds": tuple(good["kinds"])})
