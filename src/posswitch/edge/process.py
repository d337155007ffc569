"""A node as a process of its own: no core files, a log, a pid file, an end when its supervisor is gone."""

import asyncio
import gc
import os
import signal
import sys
import traceback
from typing import Any

import structlog

from posswitch.base.bounds import CONNECTIONS_MAX
from posswitch.base.card import scrub
from posswitch.base.errors import ConfigError
from posswitch.base.registry import Address
from posswitch.crypto.commands import Hsm
from posswitch.crypto.hsm import SoftHsm
from posswitch.crypto.vault import Vault
from posswitch.edge.hsm_link import NetworkHsm
from posswitch.edge.log import log_to
from posswitch.edge.loop import run_fast
from posswitch.edge.node import Node, Ports
from posswitch.edge.start import NOFILE_REMEDY, PID_FILE, forget_pid, identity_of, journal_key
from posswitch.edge.vitals import Vitals
from posswitch.journal.disk import MACHINE
from posswitch.journal.verify import verify
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config
from posswitch.settings.descriptors import connections_for, descriptors_raised
from posswitch.settings.memory import dumpable, keep_private, lock_memory
from posswitch.settings.secret import read_secret

READY = "ready"
SUPERVISOR = "POSSWITCH_SUPERVISOR"  # the environment variable with the supervisor's process id
_LOOK_S = 0.02
_EXIT_BROKEN = 3
_GC_THRESHOLDS = (50_000, 20, 50)  # what a payment leaves is freed by counting; cycles are rare

log = structlog.get_logger()


def verify_journal(config: Config) -> list[str]:
    """What `verify` finds in a node's journal; it may be running. Raises JournalError, ConfigError."""
    vault = Vault(read_secret(config.secret), SystemClock().entropy)
    return verify(config.data, journal_key(vault), config.node, identity=identity_of(config))


def _note(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What escapes a connection's callback: the loop has closed the connection, the node goes on."""
    error = context.get("exception")
    log.error("connection", error=type(error).__name__, text=str(context.get("message", "")))


def die(error: BaseException) -> None:
    """The journal failed, or the engine broke a rule of its own: nothing more may leave this process."""
    print(f"fatal: {type(error).__name__}: {scrub(str(error))}", file=sys.stderr, flush=True)  # noqa: T201
    if os.environ.get("POSSWITCH_DEBUG"):
        traceback.print_exception(error)
    os._exit(_EXIT_BROKEN)


def node_here(config: Config, software: type[SoftHsm] = SoftHsm) -> Node:
    """A node on the disk and the clock of this machine; `software` keeps the keys that no HSM has."""
    clock = SystemClock()
    root = read_secret(config.secret)
    hsm: Hsm = software(root, clock.entropy)
    if config.hsm is not None:
        hsm = NetworkHsm(config.hsm.links, config.hsm.timeout_s, clock.tick_ns)
    connections_max = connections_for(descriptors_raised())
    if connections_max < CONNECTIONS_MAX:
        log.warning("descriptors", connections=connections_max, wanted=CONNECTIONS_MAX, remedy=NOFILE_REMEDY)
    ports = Ports(clock, MACHINE, Vitals(config.data), die, connections_max)
    return Node(config, hsm, Vault(root, clock.entropy), ports)


def run_node(config: Config, software: type[SoftHsm] = SoftHsm) -> None:
    """Serves one node on this thread until it is told to stop; `software` as of `node_here`."""
    os.umask(0o077)
    keep_private(children=True)
    locked = lock_memory()
    try:
        config.data.mkdir(parents=True, exist_ok=True)
        config.data.chmod(0o700)
    except OSError as error:
        raise ConfigError(f"node.data: {config.data} cannot be used ({error.strerror})") from None
    log_to(config.data / "node.log")
    log.info("memory", dumpable=dumpable(), locked=locked)
    node = node_here(config, software)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    run_fast(_served(node, config))


async def _served(node: Node, config: Config) -> None:
    """Until SIGTERM or SIGINT, or until the supervisor is gone: a node does not live on its own."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_note)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pid_file = config.data / PID_FILE
    pid_file.unlink(missing_ok=True)  # of one that died; this node has the journal now

    def ready(at: Address) -> None:
        pid_file.write_text(f"{os.getpid()}\n", "ascii")
        print(f"{READY} {at}", flush=True)  # noqa: T201 - the supervisor waits for this line

    following = asyncio.create_task(_follow_supervisor(stop))
    await node.serve(stop, ready)
    following.cancel()
    forget_pid(config, os.getpid())


async def _follow_supervisor(stop: asyncio.Event) -> None:
    supervisor = os.environ.get(SUPERVISOR)
    while supervisor and str(os.getppid()) == supervisor:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(_LOOK_S)
    if supervisor:
        stop.set()
