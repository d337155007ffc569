"""What `[node] production` asks for, and what is only said without it: where the root and the keys lie."""

from collections.abc import Iterator

from posswitch.base.errors import ConfigError
from posswitch.settings.draft import Draft
from posswitch.settings.finding import ERROR, NOTE, WARNING, Fault
from posswitch.settings.machine import SOFTWARE_KEYS
from posswitch.settings.memory import may_lock, swaps
from posswitch.settings.secret import sealed_in


def secret_sealed(draft: Draft) -> Iterator[Fault]:
    """A plain secret is for trials."""
    for row in draft.having("node", "secret"):
        path = draft.file(row.good["secret"])
        try:
            plain = sealed_in(path) is None
        except ConfigError:  # said elsewhere; or the root was handed over and the file is locked away
            continue
        if plain:
            what = "is a plain file: whoever reads it has every key and card number"
            fault = row.fault("secret", what, f"seal it: posswitch secret seal {path}")
            yield fault._replace(severity=ERROR if draft.production else NOTE)


def keys_in_hardware(draft: Draft) -> Iterator[Fault]:
    """Keys of real cards lie in an HSM, or somebody has said in so many words that they do not."""
    if not draft.production or draft.network_hsm:
        return
    for row in draft.having("hsm", "software"):
        if row.good["software"]:
            what = "the keys of real cards lie in this machine's memory"
            yield row.fault("software", what, "name an HSM in [hsm] links")._replace(severity=WARNING)
        elif not draft.holes:
            for node in draft.having("node", "production"):
                what = "no HSM holds the keys of real cards"
                remedy = f'name one in [hsm] links, or write there software = "{SOFTWARE_KEYS}"'
                yield node.fault("production", what, remedy)


def memory_unswapped(draft: Draft) -> Iterator[Fault]:
    """What is in memory must not come to lie on a disk."""
    if draft.production and swaps() and not may_lock():
        for row in draft.having("node", "production"):
            what = "this machine swaps, and this user may not keep memory out of it"
            remedy = "start the switch with LimitMEMLOCK=infinity, or switch swap off"
            yield row.fault("production", what, remedy)._replace(severity=WARNING)
