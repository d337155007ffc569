"""A configuration under examination: what its rows say, and the folder that its file names begin from."""

from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

from posswitch.base.registry import Address
from posswitch.codec import BUILT_IN
from posswitch.settings.address import read_address
from posswitch.settings.shape import Row


class Draft:
    """What the checks look at; only values of the right kind are in a row's `good`."""

    def __init__(self, base: File, holes: bool, *, asks: bool = True) -> None:
        self.base = base
        self.asks = asks  # for what opens a sealed secret
        self.holes = holes  # lines that could not be read: what is missing may stand there
        self.rows: dict[str, list[Row]] = {}

    def __repr__(self) -> str:
        return f"<draft: {', '.join(f'{len(rows)} {name}' for name, rows in self.rows.items())}>"

    def having(self, table: str, *keys: str) -> Iterator[Row]:
        """The rows of a table in which all these keys are of their kind."""
        wanted = frozenset(keys)
        for row in self.rows.get(table, ()):
            if row.good.keys() >= wanted:
                yield row

    @property
    def production(self) -> bool:
        """Whether real cards are paid with."""
        return any(row.good["production"] is True for row in self.having("node", "production"))

    @property
    def network_hsm(self) -> bool:
        """Whether keys lie in HSMs behind the network."""
        return any(row.good["links"] for row in self.having("hsm", "links"))

    def written(self, table: str, key: str) -> dict[Any, Row]:
        """The first row for each text that stands at a key, right or wrong."""
        found: dict[Any, Row] = {}
        for row in self.rows.get(table, ()):
            value = row.raw.get(key)
            if isinstance(value, str):
                found.setdefault(value, row)
        return found

    def lost(self, table: str, key: str, target: str) -> list[Row]:
        """The rows of a table that name a row of another one that is not there."""
        known = self.written(target, "id")
        return [row for row in self.having(table, key) if row.good[key] not in known]

    def links(self) -> Iterator[tuple[Row, int, Address]]:
        """Every link of every bank that is an address."""
        for row in self.having("bank", "links"):
            for item, text in enumerate(row.good["links"]):
                address, _ = read_address(text)
                if address is not None:
                    yield row, item, address

    def listen(self) -> tuple[Row, Address] | None:
        """Where the node listens, when that is an address."""
        for row in self.having("node", "listen"):
            address, _ = read_address(row.good["listen"])
            if address is not None:
                return row, address
        return None

    def file(self, name: str) -> File:
        """A file or folder as the configuration names it."""
        return self.base / name

    def dialect(self, name: str) -> str:
        """A dialect as `load_dialect` takes it."""
        return name if name in BUILT_IN else str(self.base / name)
