"""Finds a secret in any file of a folder, however it was written down."""

import base64
from pathlib import Path


def spellings(secret: str | bytes) -> dict[str, bytes]:
    """How a secret may stand in a file: as it is, as hex, as base64 at each of its three alignments."""
    raw = secret.encode() if isinstance(secret, str) else secret
    found = {"raw": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode(), "reversed": raw[::-1]}
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw)
        whole = text[(shift * 8 + 5) // 6 : len(text) - 4]  # what the neighbours cannot change
        found[f"base64 at {shift}"] = whole
        found[f"base64url at {shift}"] = whole.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def leaks(folder: Path, secrets: dict[str, str | bytes]) -> list[str]:
    """A line for each secret in each file under `folder`; digits are also looked for as BCD at any nibble."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found += [f"{path.name}: {line}" for line in leaks_in(path.read_bytes(), secrets)]
    return found


def leaks_in(data: bytes, secrets: dict[str, str | bytes]) -> list[str]:
    """A line for each secret in `data`."""
    nibbles = data.hex()
    found = []
    for name, secret in secrets.items():
        found += [f"{name} as {how}" for how, spelt in spellings(secret).items() if spelt in data]
        if isinstance(secret, str) and secret.lower().replace("=", "d") in nibbles:
            found.append(f"{name} as BCD")
    return found
