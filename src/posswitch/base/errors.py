"""The tree of errors.

PosswitchError            says what, where and what to do, in one line
├── CodecError            bytes that are not a message: field and offset
├── FrameError            bytes that are not a frame
├── CryptoError           a key, MAC or PIN block that cannot be used (never says its value)
│   └── HsmDown           the HSM does not answer, or not in time
├── ConfigError           a mistake in a configuration file: file, place, remedy
│   └── SecretShut        the root secret is sealed, and nobody is there to open it
├── SecretRefused         a passphrase or share that does not open the secret, or must not be taken
├── ArchiveError          a backup that cannot be written, read or trusted: which file, which record
├── OfficeError           the office's books cannot be used, or a change of the registry is refused
└── JournalError          the journal cannot be written or trusted
    └── JournalDamaged    a record that does not fit its chain: seq and reason
"""


class PosswitchError(Exception):
    """Base of every error that posswitch raises on purpose."""


class CodecError(PosswitchError):
    """Bytes or values that do not fit the dialect; carries field and offset, never content.

    `field` is the field number (0 = MTI, 1 = bitmap, None = header or frame), `offset` the index in
    the payload of the first byte that cannot be read (None when packing).
    """

    def __init__(self, reason: str, field: int | None = None, offset: int | None = None) -> None:
        super().__init__(reason, field, offset)
        self.reason = reason
        self.field = field
        self.offset = offset

    def __str__(self) -> str:
        where = {None: "header", 0: "MTI", 1: "bitmap"}.get(self.field, f"field {self.field}")
        at = "" if self.offset is None else f" at offset {self.offset}"
        return f"{where}{at}: {self.reason}"


class FrameError(PosswitchError):
    """A length prefix that is malformed or beyond the cap; the connection cannot go on."""


class CryptoError(PosswitchError):
    """A key, MAC or PIN block that cannot be used; never carries its value."""


class HsmDown(CryptoError):
    """The HSM does not answer, or not in time; nothing is known about what it was asked."""


class ConfigError(PosswitchError):
    """A mistake in a configuration file; the text names file, place and remedy."""


class SecretShut(ConfigError):
    """The root secret is sealed, and nobody is there to open it."""


class SecretRefused(PosswitchError):
    """A passphrase or share that does not open the root secret, or must not be taken; never carries it."""


class ArchiveError(PosswitchError):
    """A backup that cannot be written, read or trusted; the text names its file and what to do."""


class OfficeError(PosswitchError):
    """The office's books cannot be used, or a change of the registry is refused; the text says what to do."""


class JournalError(PosswitchError):
    """The journal cannot be written or opened."""


class JournalDamaged(JournalError):
    """A journal record that does not fit: `seq` names it, `reason` says why."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"record {seq}: {reason}")
        self.seq = seq
        self.reason = reason
