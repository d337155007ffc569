"""Planted: messages leave before their record is durable; a kill -9 forgets them all."""

import sys
import time

from posswitch.cli.node import main
from posswitch.journal.sqlite import Journal

_LAZY_S = 60.0
_begin, _commit, _close, _snapshot = Journal.begin, Journal.commit, Journal.close, Journal.snapshot
_open = {"since": 0.0}


def begin(self):
    if not _open["since"]:
        _begin(self)
        _open["since"] = time.monotonic()


def commit(self):
    if time.monotonic() - _open["since"] > _LAZY_S:
        write_down(self)


def write_down(self):
    if _open["since"]:
        _commit(self)
        _open["since"] = 0.0


def close(self):
    write_down(self)
    _close(self)


def snapshot(self, state):
    write_down(self)
    _snapshot(self, state)


Journal.begin, Journal.commit, Journal.close, Journal.snapshot = begin, commit, close, snapshot
sys.exit(main(sys.argv[1:]))
