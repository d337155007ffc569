"""The node's log: JSON lines, scrubbed of card numbers in one place."""

from pathlib import Path

import structlog
from structlog.processors import JSONRenderer, TimeStamper
from structlog.typing import EventDict

from posswitch.base.card import scrub


def log_to(path: Path) -> None:
    """JSON lines; every value is scrubbed of card numbers."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def scrubbed(_logger: object, _method: str, line: EventDict) -> EventDict:
        return {key: scrub(value) if isinstance(value, str) else value for key, value in line.items()}

    structlog.configure(
        processors=[
            TimeStamper(fmt="iso"),
            scrubbed,
            JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(path.open("a", buffering=1, encoding="utf-8")),
    )
