"""secret: the file of the root secret, made, sealed, opened for a check."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from posswitch.base.errors import ConfigError, CryptoError, SecretRefused
from posswitch.cli.typed import at_terminal, show_alone, typed
from posswitch.crypto.keyfile import PASSPHRASE_CHARS_MIN, Seal, Share, sealed_by_passphrase, sealed_by_shares
from posswitch.crypto.vault import Vault
from posswitch.settings.clock import SystemClock
from posswitch.settings.secret import (
    KEPT,
    SECRET_BYTES,
    read_secret,
    replace_secret,
    sealed_in,
    text_in,
    write_new,
    write_secret,
)
from posswitch.settings.token import Held, Token, held_text

secret = typer.Typer(
    name="secret",
    help="The file of the root secret: new, sealed with a passphrase, two shares or a token, checked.",
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The secret file, as [node] secret names it.")]
ByPassphrase = Annotated[bool, typer.Option("--passphrase", help="Sealed with a passphrase (the default).")]
ByShares = Annotated[bool, typer.Option("--shares", help="Sealed with two shares, each for one person.")]
Plain = Annotated[bool, typer.Option("--plain", help="Not sealed: for trials.")]
_CHECK_BYTES = 3
_DESTROY = "next: destroy every copy of the plain file; free blocks of the disk may hold it, too"


@secret.command("new")
def new(file: File, passphrase: ByPassphrase = False, shares: ByShares = False, plain: Plain = False) -> None:
    """Make a new root secret for a new switch; a file that is there is never overwritten."""
    _one_of(passphrase, shares, plain)
    if os.path.lexists(file):
        raise ConfigError(
            f"{file}: is there already, and another secret opens nothing of it; name a new file"
        )
    root = SystemClock().entropy(SECRET_BYTES)
    if plain:
        write_secret(file, root)
    else:
        _sealed(root, shares, lambda text: write_new(file, text))
    _say(file, root)


@secret.command("seal")
def seal(file: File, passphrase: ByPassphrase = False, shares: ByShares = False) -> None:
    """Seal a plain secret, or a sealed one anew: the root stays, so everything goes on."""
    _one_of(passphrase, shares)
    was, was_plain = text_in(file), sealed_in(file) is None
    root = read_secret(file)
    _sealed(root, shares, lambda text: replace_secret(file, text, was))
    _say(file, root)
    if was_plain:
        print(_DESTROY)


@secret.command("token")
def token(
    file: File,
    label: Annotated[str, typer.Option(help="The token's label.")],
    library: Annotated[Path, typer.Option(help="The PKCS#11 library that speaks to it.")],
    pin_file: Annotated[Path, typer.Option(help="The file with its PIN, of its owner alone.")],
) -> None:
    """Seal a secret with a key in a PKCS#11 token, made there if there is none: the root stays."""
    was, was_plain = text_in(file), sealed_in(file) is None
    root = read_secret(file)
    held_by = Token(library.absolute(), label, pin_file.absolute())
    held_by.make_key()
    replace_secret(file, held_text(held_by, root), was)
    _say(file, root)
    if was_plain:
        print(_DESTROY)


@secret.command("passphrase")
def passphrase_(file: File) -> None:
    """Change the passphrase of a sealed secret."""
    if sealed_in(file) is None:
        raise ConfigError(f"{file}: is a plain file; seal it: posswitch secret seal {file}")
    was, root = text_in(file), read_secret(file)
    _sealed(root, False, lambda text: replace_secret(file, text, was))
    _say(file, root)


@secret.command("check")
def check(file: File) -> None:
    """Open a secret file: how it is sealed, and the check value of its root."""
    _say(file, read_secret(file))


def _one_of(*chosen: bool) -> None:
    if sum(chosen) > 1:
        raise ConfigError("give only one of --passphrase, --shares and --plain")


def _sealed(root: bytes, by_shares: bool, put: Callable[[str], None]) -> None:
    """Seals a root and puts the text where it belongs; shares are shown before, each by itself."""
    entropy = SystemClock().entropy
    if by_shares:
        if not at_terminal():
            raise SecretRefused(
                "shares are shown at a terminal alone, each to one person; run it at a terminal"
            )
        text, *both = sealed_by_shares(root, entropy)
        for share in both:
            _show(share)
        put(text)
        return
    words = KEPT.asker.new(f"new passphrase, at least {PASSPHRASE_CHARS_MIN} characters")
    try:
        text = sealed_by_passphrase(root, words, entropy)
    except CryptoError as error:
        raise SecretRefused(f"the new passphrase {error}") from None
    put(text)


def _show(share: Share) -> None:
    """A share for one person, who says that he is alone; it is gone before the next is shown."""
    typed(f"share {share.number} of 2: its holder alone may look; press Enter", hidden=True)
    words = f"share {share.number} of 2, for one person alone; write it down:\n\n{share}\n\n"
    show_alone(bytearray(words, "ascii"), "Enter when it is written down and compared: ")


def _say(file: Path, root: bytes) -> None:
    seal = sealed_in(file)
    value = Vault(root, SystemClock().entropy).derive("check value")[:_CHECK_BYTES].hex().upper()
    print(f"{file}: {_how(seal)}, check value {value}")


def _how(seal: Seal | Held | None) -> str:
    if seal is None:
        return "plain: whoever reads the file has everything"
    if isinstance(seal, Held):
        return f"sealed by the token {seal.token.label}"
    if seal.cost is None:
        return "sealed with two shares"
    return f"sealed with a passphrase ({seal.cost})"
