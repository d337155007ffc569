"""Two HSMs behind one door, everything they say overheard, and a search for what they must never say.

Who stands at the door may ask every command and, at the software, every call of the office. What he brings
himself in clear (`wrap`, `form_key`) he knows; each such key is brought once, since a key has one purpose.
"""

import random
from base64 import b64encode
from itertools import product

from posswitch.base.errors import CryptoError
from posswitch.crypto.ciphers import odd_parity
from posswitch.crypto.commands import NewKey, Usage
from posswitch.crypto.hostcommands import PIN_FORMATS, talk, told
from posswitch.crypto.hsm import SoftHsm
from posswitch.sim.peers.hsm_box import _TYPE_OF, HsmBox, _Refused

ROOT = bytes(range(100, 132))
_BASE64_GROUP, _PIN_DIGITS_SOUGHT = 3, 8  # shorter PINs stand in outputs by chance; their blocks do not


class Overheard(random.Random):
    """Entropy that remembers what it gave, by length."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.given: list[bytes] = []

    def randbytes(self, n: int) -> bytes:
        found = super().randbytes(n)
        self.given.append(found)
        return found


class Leak(AssertionError):
    """A secret stood in what an HSM said."""


def forms(secret: bytes) -> tuple[bytes, ...]:
    """How bytes may stand in an output: as they are, in hex, in base64 that begins anywhere."""
    shown = secret.hex().encode()
    whole = []
    for skipped in range(_BASE64_GROUP):
        inner = secret[skipped:]
        whole.append(b64encode(inner[: len(inner) // _BASE64_GROUP * _BASE64_GROUP]))
    return (secret, shown, shown.upper(), *whole)


def spoken(said: object) -> bytes:
    """Everything that a result or an error holds, as bytes."""
    if isinstance(said, bytes):
        return said
    if isinstance(said, BaseException):
        behind = said.__cause__ or said.__context__
        text = f"{said!s} {said!r} {said.args!r}".encode()
        return text + (spoken(behind) if behind else b"")
    if isinstance(said, tuple | list):
        return b"|".join(map(spoken, said))
    return repr(said).encode()


class Search:
    """The secrets so far; `through` raises Leak when one of them stands in an output."""

    def __init__(self) -> None:
        self._needles: dict[bytes, str] = {}
        self._digits: dict[bytes, str] = {}

    def key(self, name: str, clear: bytes) -> None:
        """No part of eight bytes of a key, with its parity or with odd parity, may be said."""
        for key, at in product({clear, odd_parity(clear)}, range(0, len(clear), 8)):
            self._needles.update(dict.fromkeys(forms(key[at : at + 8]), name))

    def block(self, clear: bytes) -> None:
        """A clear PIN block; of one with 16 bytes, its half with the PIN."""
        self._needles.update(dict.fromkeys(forms(clear[:8]), "a clear PIN block"))

    def pin(self, pin: str) -> None:
        """A PIN long enough to be no chance, as digits and packed."""
        if len(pin) >= _PIN_DIGITS_SOUGHT:
            self._digits[pin.encode()] = "a PIN"

    def through(self, said: object) -> None:
        """Looks for all of them."""
        output = spoken(said)
        for needles, where in (
            (self._needles, output),
            (self._digits, output + b" " + output.hex().encode()),
        ):
            for needle, name in needles.items():
                if needle in where:
                    raise Leak(f"{name} is said")


class SoftRoom:
    """The software; `hsm` may be a copy with a wall removed."""

    same_type: tuple[frozenset[Usage], ...] = ()  # usages that it cannot tell apart

    def __init__(self, search: Search, make=SoftHsm) -> None:
        self._entropy = Overheard(1)
        self.hsm = make(ROOT, self._entropy.randbytes)
        self._search = search
        search.key("the root", ROOT)

    def ask(self, command):
        """What a command comes to, searched like its refusal; a new key with what it is in clear."""
        began = len(self._entropy.given)
        answer = self._heard(lambda: self.hsm.do(command))
        if not isinstance(command, NewKey):
            return answer
        drawn = self._entropy.given[began]
        self._search.key(f"a new {command.usage}", drawn)
        self._search.through(answer)
        return answer, odd_parity(drawn) if command.odd else drawn

    def knows(self, format_):
        """Whether it takes and makes PIN blocks of this format."""
        return True

    def wrap(self, usage, clear):
        """A key that the visitor brings: wrapped, and as it is in clear."""
        self._search.key(f"a {usage}", clear)
        return self._heard(lambda: self.hsm.wrap(usage, clear)), clear

    def form_key(self, usage, count):
        """A key of so many new components."""
        parts = [self._component(usage) for _ in range(count)]
        clear = parts[0]
        for part in parts[1:]:
            clear = bytes(a ^ b for a, b in zip(clear, part, strict=True))
        self._search.key(f"a formed {usage}", clear)
        return self._heard(lambda: self.hsm.form_key(usage, parts)), odd_parity(clear)

    def _component(self, usage):
        """Said in clear by design: searched for everything else, and once handed out no secret."""
        found = self.hsm.new_component(usage)
        self._search.through(found)
        return found

    def check_value(self, usage, key, length):
        """A few bytes that name a key."""
        return self._heard(lambda: self.hsm.check_value(usage, key, length))

    def fits_by_chance(self, wrapped, clear):
        """Never: a box opens for its usage, or not at all."""
        return False

    def offers(self, name):
        """Whether there is such a call of the office."""
        return hasattr(self.hsm, name)

    def office(self, name, *words):
        """Any other call of the office."""
        return self._heard(lambda: getattr(self.hsm, name)(*words))

    def _heard(self, call):
        try:
            said = call()
        except CryptoError as error:
            self._search.through(error)
            raise
        self._search.through((said, repr(self.hsm)))
        return said


class BoxRoom:
    """Host commands and an HSM behind them; what goes over the network is searched, too."""

    # One key type of such HSMs serves terminal master keys and terminal PIN keys.
    same_type = (frozenset((Usage.TMK, Usage.TPK)),)
    form_key = check_value = None

    def __init__(self, search: Search, make=HsmBox) -> None:
        self._entropy = Overheard(2)
        self.hsm = make(ROOT, self._entropy)
        self._search = search
        search.key("the root", ROOT)

    def ask(self, command):
        """See SoftRoom."""
        began, over_the_line = len(self._entropy.given), []
        try:
            answer = self._talked(talk(command), over_the_line)
        except CryptoError as error:
            self._search.through((over_the_line, error))
            raise
        if isinstance(command, NewKey):
            drawn = self._entropy.given[began]
            self._search.key(f"a new {command.usage}", drawn)
        self._search.through((over_the_line, answer))
        return (answer, odd_parity(drawn)) if isinstance(command, NewKey) else answer

    def _talked(self, talking, over_the_line):
        reply = None
        while True:
            try:
                request = talking.send(reply)
            except StopIteration as end:
                return end.value
            answer = self.hsm.answer(request)
            over_the_line += request, answer
            reply = told(request, answer)
            assert reply is not None

    def knows(self, format_):
        """See SoftRoom."""
        return format_ in PIN_FORMATS

    def fits_by_chance(self, wrapped, clear):
        """Whether a key opens to another one under some type's master key: parity is all that it looks at."""
        return any(self._opened(kind, wrapped) not in (b"", clear) for kind in sorted(set(_TYPE_OF.values())))

    def _opened(self, kind, wrapped):
        try:
            return HsmBox._open(self.hsm, kind, wrapped)
        except _Refused:
            return b""

    def offers(self, name):
        """See SoftRoom; its office is elsewhere."""
        return False

    def wrap(self, usage, clear):
        """A key as an officer would have put it in, with odd parity."""
        return self.hsm.wrap(usage, clear), odd_parity(clear)
