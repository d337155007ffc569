"""Starts a node whose decisions pass through a planted bug: `run_with(bug)`."""

import sys
from collections.abc import Callable

from posswitch.cli.node import main
from posswitch.edge import runtime
from posswitch.engine.effects import Decision


def run_with(bug: Callable[..., Decision]) -> None:
    """`bug(honest decision, state, event)` says what is decided instead."""
    honest = runtime.decide

    def decide(state, event, facts, at_ns, rules):
        return bug(honest(state, event, facts, at_ns, rules), state, event)

    runtime.decide = decide
    sys.exit(main(sys.argv[1:]))
