"""The proof that nothing secret is in a support bundle: what is searched for, and what was found."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import apsw

from posswitch.base.card import luhn_ok
from posswitch.base.errors import ConfigError, CryptoError, JournalError
from posswitch.crypto.vault import Vault
from posswitch.edge.orders import ORDERS_LABEL
from posswitch.edge.start import journal_key
from posswitch.engine.events import RequestArrived
from posswitch.journal.disk import MACHINE
from posswitch.journal.story import PAYMENTS, request_of, view
from posswitch.office.inspection_scene import Scene
from posswitch.office.leak_search import EIGHT, Search
from posswitch.office.places import places_of
from posswitch.settings.secret import KEPT, read_secret

CARDS_MAX = 2_000  # card numbers that are searched for: those of the newest payments
_PAYMENTS_MAX = 20_000
_WRAPPED_MAX = 5_000
_NEWEST = f"{PAYMENTS} ORDER BY payment DESC LIMIT ?"
_CARD = re.compile(rb"(?<![\d.])\d{13,19}(?![\d.])")
_PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_PEM_BYTES_MAX = 1 << 20
_PEM_BODY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", re.DOTALL)


class Proof(NamedTuple):
    """How many secrets of each kind were searched for, whether the root was known, and what was found.

    `found` names for a member the kind of secret, never the secret.
    """

    searched: dict[str, int]
    opened: bool
    found: dict[str, str]


def proof(scene: Scene, members: Mapping[str, bytes]) -> Proof:
    """Searches every member for every secret that this machine can know."""
    secrets: dict[str, str | bytes] = {}
    counted: dict[str, int] = {}
    for secret, kind in {secret: kind for kind, secret in _secrets(scene)}.items():
        counted[kind] = counted.get(kind, 0) + 1
        secrets[f"{kind} {counted[kind]}"] = secret
    search = Search(secrets)
    found = {name: what for name, data in members.items() if (what := next(_in(search, data), ""))}
    return Proof(counted, scene.key is not None, found)


def _in(search: Search, data: bytes) -> Iterator[str]:
    yield from search.of(data)
    if any(luhn_ok(run[0].decode()) for run in _CARD.finditer(data)):
        yield "what looks like a card number"
    if _PRIVATE.search(data):
        yield "a private key"


def _secrets(scene: Scene) -> Iterator[tuple[str, str | bytes]]:
    """Kind and value of each: keys as they are wrapped, the TLS key, the root and its children, cards."""
    for place, wrapped in islice(places_of(scene.registry), _WRAPPED_MAX):
        if len(wrapped) >= EIGHT:
            yield f"wrapped {place.usage}", wrapped
    if scene.config.tls is not None:
        yield from (("TLS private key", line) for line in _pem_lines(scene.config.tls.key))
    if scene.key is None:
        return
    vault = Vault(read_secret(scene.config.secret), scene.clock.entropy)
    yield "root", KEPT.root(scene.config.secret)
    yield "journal key", journal_key(vault)
    for label in (ORDERS_LABEL, "archive"):
        yield "derived key", vault.derive(label)
    for number in _cards(scene, vault):
        yield "card number", number


def _pem_lines(path: Path) -> Iterator[str]:
    """The lines of a key's body: each alone would give it away."""
    try:
        with path.open("rb") as file:
            data = file.read(_PEM_BYTES_MAX)
    except OSError:  # of another machine, or locked away
        return
    for body in _PEM_BODY.findall(data):
        yield from (line for line in body.decode("ascii", "replace").split() if len(line) >= 16)


def _cards(scene: Scene, vault: Vault) -> Iterator[str]:
    """The card numbers of the newest payments, each once; none where the journal cannot be read."""
    seen: set[bytes] = set()
    try:
        with view(scene.data, MACHINE) as db:
            for row in db.execute(_NEWEST, (_PAYMENTS_MAX,)):
                _, request = request_of(row)
                if (
                    not isinstance(request, RequestArrived)
                    or request.pan_print in seen
                    or not request.pan_box
                ):
                    continue
                seen.add(request.pan_print)
                try:
                    yield "".join(vault.open_pan(request.pan_box))
                except CryptoError:  # of another secret
                    continue
                if len(seen) >= CARDS_MAX:
                    return
    except (JournalError, ConfigError, apsw.Error):
        return
