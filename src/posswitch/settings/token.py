"""A PKCS#11 token that holds the key of the root secret: a copied disk opens nothing without it.

PKCS#11 knows no PIN translation and no POS MAC, so a token cannot do the work of an HSM here. What it can do
is to keep one AES-256 key that never leaves it, under which the root lies on the disk.
"""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from posswitch.base.errors import ConfigError
from posswitch.crypto.vault import ROOT_BYTES

if TYPE_CHECKING:
    from pkcs11 import Session

KEY_LABEL = "posswitch root"
_VERSION = b"\x01"
_BOUND = b"posswitch/root/1"
_NONCE_BYTES, _TAG_BYTES = 12, 16
BOX_BYTES = len(_VERSION) + _NONCE_BYTES + ROOT_BYTES + _TAG_BYTES
_PIN_BYTES_MAX = 255
_NAME = "posswitch token"
_WORDS_MAX = 200  # of a path or a label
_LINES = re.compile(
    rf"{_NAME} 1\n"
    rf"library (/[ -~]{{1,{_WORDS_MAX}}})\n"
    rf"token ([ -~]{{1,{_WORDS_MAX}}})\n"
    rf"pin-file (/[ -~]{{1,{_WORDS_MAX}}})\n"
    rf"box ([0-9a-f]{{{2 * BOX_BYTES}}})"
)

# What the library raises, by name: what is wrong, and what to do.
_REFUSALS = {
    "NoSuchToken": "there is no such token; look at its label, and whether it is plugged in",
    "MultipleTokensReturned": "there are several of this label; give each its own",
    "PinIncorrect": "does not take the PIN of pin_file; look at it, a few wrong ones lock the token",
    "PinLocked": "is locked after wrong PINs; its security officer can set a new one",
    "PinExpired": "wants a new PIN; set one",
    "MechanismInvalid": "does not know AES-GCM; take another token",
}
_OTHER = "does not do what it is asked"
_DAMAGED = "does not open the box: damaged, or sealed by another token's key"


class Token:
    """One token: the library that speaks to it, its label, and the file with its PIN (mode 0600)."""

    def __init__(self, library: Path, label: str, pin_file: Path) -> None:
        self.label = label
        self._library = library
        self._pin_file = pin_file

    def __repr__(self) -> str:
        return f"<token {self.label}>"

    def __str__(self) -> str:
        """As a secret file names it."""
        return f"library {self._library}\ntoken {self.label}\npin-file {self._pin_file}\n"

    def make_key(self) -> None:
        """A new key that never leaves the token, where there is none; ConfigError when it cannot be made."""
        with self._session(writes=True) as (library, session):
            if _keys(library, session):
                return
            attribute = library.Attribute
            kept = {
                attribute.SENSITIVE: True,
                attribute.EXTRACTABLE: False,
                attribute.WRAP: False,
                attribute.UNWRAP: False,
            }
            session.generate_key(library.KeyType.AES, 256, label=KEY_LABEL, store=True, template=kept)

    def seal(self, root: bytes) -> bytes:
        """The root in a box of BOX_BYTES; ConfigError, which never shows PIN or root."""
        if len(root) != ROOT_BYTES:
            raise ConfigError(f"the root secret must be {ROOT_BYTES} bytes")
        with self._session() as (library, session):
            nonce: bytes = session.generate_random(8 * _NONCE_BYTES)
            sealed: bytes = self._key(library, session).encrypt(root, **_how(library, nonce))
        return _VERSION + nonce + sealed

    def open(self, box: bytes) -> bytes:
        """The root that `seal` put in; ConfigError as there, or when box or token are not the right ones."""
        if len(box) != BOX_BYTES or not box.startswith(_VERSION):
            raise self._wrong(_DAMAGED)
        nonce, sealed = box[1 : 1 + _NONCE_BYTES], box[1 + _NONCE_BYTES :]
        with self._session() as (library, session):
            key = self._key(library, session)
            try:
                root: bytes = key.decrypt(sealed, **_how(library, nonce))
            except library.PKCS11Error:  # tokens differ in how they say so
                raise self._wrong(_DAMAGED) from None
        return root

    def _key(self, library: ModuleType, session: "Session") -> Any:  # noqa: ANN401 - it is what it can do
        """The key, if there is one, and one that cannot be read out."""
        keys = _keys(library, session)
        if not keys:
            raise self._wrong(f"has no key {KEY_LABEL!r}; bring back the token that has it")
        if len(keys) > 1:
            raise self._wrong(f"has several keys {KEY_LABEL!r}; keep the one that was used")
        key, attribute = keys[0], library.Attribute
        if not key[attribute.SENSITIVE] or key[attribute.EXTRACTABLE] or not key[attribute.NEVER_EXTRACTABLE]:
            raise self._wrong(f"would give its key {KEY_LABEL!r} away; make a new one on the token itself")
        return key

    @contextmanager
    def _session(self, *, writes: bool = False) -> Iterator[tuple[ModuleType, "Session"]]:
        """The library and an open session; what goes wrong inside is a ConfigError in words."""
        library, pin = _library(), self._pin()
        try:
            speaks = library.lib(str(self._library))
        except library.PKCS11Error:
            raise ConfigError(f"{self._library}: no PKCS#11 library can be loaded from it") from None
        try:
            with speaks.get_token(token_label=self.label).open(user_pin=pin, rw=writes) as session:
                yield library, session
        except library.PKCS11Error as error:
            name = type(error).__name__
            raise self._wrong(_REFUSALS.get(name, f"{_OTHER} ({name})")) from None

    def _pin(self) -> str:
        """The PIN, of a file that is its owner's alone."""
        path = self._pin_file
        try:
            mode = path.stat().st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{path}: is not a file; write the token's PIN into one")
            if stat.S_IMODE(mode) & 0o077:
                raise ConfigError(f"{path}: others may read the token's PIN; run: chmod 600 {path}")
            with path.open("rb") as file:
                pin = file.read(_PIN_BYTES_MAX + 1).decode("utf-8").strip("\r\n")
        except (OSError, UnicodeError):
            raise ConfigError(f"{path}: the token's PIN cannot be read") from None
        if not 0 < len(pin) <= _PIN_BYTES_MAX:
            raise ConfigError(f"{path}: must hold the token's PIN, in one line")
        return pin

    def _wrong(self, what: str) -> ConfigError:
        return ConfigError(f"token {self.label}: {what}")


class Held(NamedTuple):
    """A secret file that a token opens."""

    token: Token
    box: bytes

    def __repr__(self) -> str:
        return f"<secret held by {self.token!r}>"

    def opened(self) -> bytes:
        """The root; ConfigError as of `Token.open`."""
        return self.token.open(self.box)


def is_held(text: str) -> bool:
    """Whether a secret file is one that a token opens, of this or another version."""
    return text.startswith(_NAME)


def read_held(text: str) -> Held:
    """What such a file says; ConfigError when it is damaged."""
    found = _LINES.fullmatch(text.strip())
    if found is None:
        raise ConfigError("is damaged or of another release; bring back its copy, or upgrade")
    library, label, pin_file, box = found.groups()
    return Held(Token(Path(library), label, Path(pin_file)), bytes.fromhex(box))


def held_text(token: Token, root: bytes) -> str:
    """The text of a secret file that this token opens; ConfigError when a path or label does not fit in."""
    text = f"{_NAME} 1\n{token}box {token.seal(root).hex()}\n"
    if _LINES.fullmatch(text.strip()) is None:
        raise ConfigError("a token's paths must be absolute, paths and label short and in ASCII")
    return text


def _library() -> ModuleType:
    try:
        return import_module("pkcs11")
    except ImportError:
        raise ConfigError("PKCS#11 tokens need python-pkcs11; install posswitch[pkcs11]") from None


def _keys(library: ModuleType, session: "Session") -> list[Any]:
    attribute = library.Attribute
    wanted = {attribute.CLASS: library.ObjectClass.SECRET_KEY, attribute.LABEL: KEY_LABEL}
    return list(session.get_objects(wanted))


def _how(library: ModuleType, nonce: bytes) -> dict[str, Any]:
    """AES-256-GCM, bound to what it is for."""
    params = import_module("pkcs11.mechanisms").GCMParams(nonce, _BOUND, 8 * _TAG_BYTES)
    return {"mechanism": library.Mechanism.AES_GCM, "mechanism_param": params}
