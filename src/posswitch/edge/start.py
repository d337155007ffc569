"""What must agree before a node starts: its journal, its configuration, and the clock."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from posswitch.base.bounds import CONNECTIONS_MAX
from posswitch.base.errors import JournalError
from posswitch.base.moment import NS_PER_S
from posswitch.base.order import OFFICE
from posswitch.base.registry import Registry
from posswitch.crypto.vault import Vault
from posswitch.edge.orders import ORDERS_LABEL, OrderBox
from posswitch.engine.state import State
from posswitch.journal.disk import held
from posswitch.journal.layout import HEAD
from posswitch.journal.recovery import look
from posswitch.journal.vitals import VITALS
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config
from posswitch.settings.descriptors import DESCRIPTORS_NEEDED, connections_for, descriptors_allowed
from posswitch.settings.secret import read_secret

PID_FILE = "node.pid"
NOFILE_REMEDY = "raise LimitNOFILE (systemd) or `ulimit -Hn` of who starts it"
_CLOCK_BEHIND_S_MAX = 60
_TRACES = (PID_FILE, VITALS, OFFICE)
_LOCKS = Path("/proc/locks")  # a row: number, kind, mode, access, process, device:inode, from, to


class Obstacle(NamedTuple):
    """Why a node would not start: the key of `[node]` that it is about, what is wrong, the remedy.

    What does not stop it is only worth a look.
    """

    key: str
    what: str
    remedy: str
    stops: bool = True

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def identity_of(config: Config) -> str:
    """What a journal is kept under: banks know its payments by these numbers."""
    return f"{config.node}/{config.acquirer}/{config.centre}"


def registry_in_force(config: Config, state: State) -> Registry:
    """The rows of the configuration file with what the office has changed since."""
    registry = Registry(config.registry.rows)
    owed = _owed(state)
    registry.amend(
        [row for row in state.amended.values() if row is not None],
        [
            key
            for key, row in state.amended.items()
            if row is None and not (key[0] == "bank" and key[1] in owed)
        ],
    )
    return registry


def _owed(state: State) -> set[str]:
    """The banks with open payments."""
    return {flight.request.bank for flight in state.flights.values()}


def obstacles(config: Config, registry: Registry, state: State, now_ns: int) -> Iterator[Obstacle]:
    """What keeps a node with this configuration from going on where its journal ends."""
    identity = identity_of(config)
    if state.identity not in ("", identity):
        yield Obstacle(
            "data",
            f"the journal is of node/acquirer/centre {state.identity}, the configuration says {identity}",
            "banks would not know the payments: take another data folder",
        )
    behind_s = (state.at_ns - now_ns) // NS_PER_S
    if behind_s > _CLOCK_BEHIND_S_MAX:
        yield Obstacle("data", f"the clock is {behind_s} s behind the journal's last record", "set it first")
    for bank in sorted(_owed(state) - registry.banks.keys()):
        yield Obstacle("data", f"bank {bank} still has payments open", "keep it in the configuration")


def foreseen(config: Config, clock: Clock) -> Iterator[Obstacle]:
    """What a start would find, without starting: reads the data folder, also beside a running node."""
    yield from _descriptors()
    if serving(config):
        pid = serving_pid(config)
        what = "a switch runs on it" + (f" (process {pid})" if pid is not None else "")
        remedy = "this file counts when it is started again; a second one would not start"
        yield Obstacle("data", what, remedy, stops=False)
    vault = Vault(read_secret(config.secret), clock.entropy)
    try:
        state = look(config.data, journal_key(vault), config.node)
    except (JournalError, OSError) as error:
        what, _, remedy = str(error).partition("; ")
        yield Obstacle("data", what, remedy or "see docs/operating.md, When it does not start")
        return
    if state is None:
        yield from _traces(config)
    else:
        yield from obstacles(config, registry_in_force(config, state), state, clock.wall_ns())
    orders = OrderBox(config.data, vault.derive(ORDERS_LABEL))
    orders.poll(0 if state is None else state.registry)
    if orders.problem:
        what, _, remedy = orders.problem.partition("; ")
        yield Obstacle("data", what, remedy, stops=False)


def _descriptors() -> Iterator[Obstacle]:
    """Too few open files for all the connections that a node may have."""
    allowed = descriptors_allowed()
    if allowed < DESCRIPTORS_NEEDED:
        connections = connections_for(allowed)
        what = (
            f"{allowed} open files are allowed here, {DESCRIPTORS_NEEDED} are needed: of {CONNECTIONS_MAX} "
            f"terminal connections only {connections} could be served"
        )
        yield Obstacle("listen", what, NOFILE_REMEDY, stops=False)


def _traces(config: Config) -> Iterator[Obstacle]:
    """A folder without a journal in which a node has been: nothing can tell whether it took payments."""
    left = [name for name in _TRACES if (config.data / name).exists()]
    if left:
        yield Obstacle(
            "data",
            f"holds {', '.join(left)} and no journal",
            "bring back journal.db and journal.head; a start without them would give numbers away twice, "
            "unless it is the first one",
            stops=False,
        )


def serving(config: Config) -> bool:
    """Whether a switch runs on this data folder now: its journal has a writer."""
    return held(config.data / HEAD)


def serving_pid(config: Config) -> int | None:
    """The process of the switch that runs, when `node.pid` names the one that has the journal."""
    try:
        pid = (config.data / PID_FILE).read_text("ascii").strip()
        inode = (config.data / HEAD).stat().st_ino
        rows = [row.split() for row in _LOCKS.read_text("ascii").splitlines()]
    except (OSError, ValueError):
        return None
    fits = any(row[4] == pid and row[5].endswith(f":{inode}") for row in rows)
    return int(pid) if fits else None


def forget_pid(config: Config, pid: int) -> None:
    """Removes the pid file of a process that ended, not that of a node of somebody else."""
    file = config.data / PID_FILE
    with contextlib.suppress(OSError, ValueError):
        if file.read_text("ascii").strip() == str(pid):
            file.unlink()


def journal_key(vault: Vault) -> bytes:
    """The key of the journal's chain, derived from the node's secret."""
    return vault.derive("journal")
