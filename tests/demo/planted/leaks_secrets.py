"""Planted: a node that keeps what it must not, each in another spelling: a card, a key, a track."""

import base64
import sys
from pathlib import Path

import msgspec
import structlog

from posswitch.cli.node import main
from posswitch.crypto import hsm
from posswitch.crypto.commands import Usage
from posswitch.edge import admit
from posswitch.engine.events import RequestArrived

TRACE = Path(sys.argv[2]).parent / "data" / "trace.bin"
_ticket, _unwrap = admit.Heard.ticket, hsm.SoftHsm._unwrap


def ticket(self, pan=None, track2=None, pin=b""):
    """A trace for support: packed digits that begin with the second half of a byte."""
    digits = f"0{pan or ''}"
    with TRACE.open("ab") as file:
        file.write(bytes.fromhex(digits + "0" * (len(digits) % 2)))
    return _ticket(self, pan, track2, pin)


def unwrap(self, usage, wrapped):
    """A key in the log, as base64 of some text with it."""
    key = _unwrap(self, usage, wrapped)
    if usage is Usage.TAK:
        structlog.get_logger().info("key", note=base64.b64encode(b"k:" + key).decode())
    return key


def with_track(admits):
    """A field of the record has the track: the journal, and each copy of it, however compressed."""

    def payment(self, heard, kind):
        event = admits(self, heard, kind)
        if isinstance(event, RequestArrived) and 35 in heard.had:
            return msgspec.structs.replace(event, config=heard.had[35])
        return event

    return payment


admit.Heard.ticket, hsm.SoftHsm._unwrap = ticket, unwrap
admit._ADMITS = {name: with_track(admits) for name, admits in admit._ADMITS.items()}
sys.exit(main(sys.argv[1:]))
