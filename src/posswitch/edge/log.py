"""The node's log: JSON lines, scrubbed of card numbers in one place."""

import time
from pathlib import Path

import structlog
from structlog.processors import JSONRenderer
from structlog.typing import EventDict

from posswitch.base.card import scrub
from posswitch.base.moment import clock_text


def log_to(path: Path) -> None:
    """JSON lines; every value is scrubbed of card numbers."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def scrubbed(_logger: object, _method: str, line: EventDict) -> EventDict:
        return {key: scrub(value) if isinstance(value, str) else value for key, value in line.items()}

    def dated(_logger: object, _method: str, line: EventDict) -> EventDict:
        return {**line, "timestamp": clock_text(time.time_ns(), fine=True).replace(" ", "T")}

    structlog.configure(
        processors=[
            scrubbed,
            dated,
            JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(path.open("a", buffering=1, encoding="utf-8")),
    )
