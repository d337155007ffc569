"""Tokens of SoftHSM in a folder of their own, and a process that speaks to them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from posswitch.settings.token import KEY_LABEL

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "493817"


def needs_softhsm() -> None:
    """Skips where the library is missing; CI has it."""
    if not (LIBRARY.exists() and shutil.which("softhsm2-util")):
        assert not os.environ.get("CI"), "CI installs softhsm2"
        pytest.skip("a software token is needed: apt-get install softhsm2")


class Tokens:
    """A folder of tokens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tokens"
        self.folder.mkdir(mode=0o700)
        self._settings = folder / "softhsm2.conf"
        self._settings.write_text(f"directories.tokendir = {self.folder}\nlog.level = ERROR\n")
        self.pin_file = folder / "pin"
        self.write_pin(PIN)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find them."""
        return {**os.environ, "SOFTHSM2_CONF": str(self._settings)}

    def write_pin(self, pin: str, mode: int = 0o600) -> None:
        """The file with the PIN, anew."""
        self.pin_file.unlink(missing_ok=True)
        self.pin_file.touch(mode)
        self.pin_file.write_text(pin + "\n")

    def add(self, label: str) -> None:
        """A new token."""
        words = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "87654321"]
        subprocess.run(["softhsm2-util", *words], env=self.environment, check=True, capture_output=True)

    def ask(self, label: str, call: str) -> str:
        """What a call on a token comes to, in a process of its own: bytes in hex, or its one-line error."""
        return self._run(f"""
from pathlib import Path
from posswitch.base.errors import ConfigError
from posswitch.settings.token import Token, held_text, read_held
token = Token(Path({str(LIBRARY)!r}), {label!r}, Path({str(self.pin_file)!r}))
try:
    said = {call}
    print(said.hex() if isinstance(said, bytes) else said)
except ConfigError as error:
    print(error)
""")

    def plant_key(self, label: str, attributes: str) -> None:
        """A key that somebody else has made."""
        self._run(f"""
import pkcs11
from pkcs11 import Attribute
token = pkcs11.lib({str(LIBRARY)!r}).get_token(token_label={label!r})
with token.open(user_pin={PIN!r}, rw=True) as session:
    session.generate_key(
        pkcs11.KeyType.AES, 256, label={KEY_LABEL!r}, store=True, template={attributes}
    )
""")

    def _run(self, program: str) -> str:
        words = [sys.executable, "-c", program]
        run = subprocess.run(
            words, env=self.environment, check=False, capture_output=True, text=True, timeout=60
        )
        assert run.returncode == 0, run.stderr
        assert run.stderr == "", run.stderr
        assert PIN not in run.stdout
        return run.stdout.removesuffix("\n")
