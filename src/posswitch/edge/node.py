"""A node: everything wired once, served until told to stop, drained before it ends."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import structlog

from posswitch.base.bounds import CONNECTIONS_MAX
from posswitch.base.errors import ConfigError, PosswitchError
from posswitch.base.moment import NS_PER_MS, NS_PER_S, business_day, stamp
from posswitch.base.registry import Address, Bank, Change
from posswitch.codec import Message
from posswitch.crypto.commands import Hsm
from posswitch.crypto.vault import Vault
from posswitch.edge.admit import Admission, Dropped
from posswitch.edge.connector import Link, Links, key_of
from posswitch.edge.dress import Dresser
from posswitch.edge.exchange import Exchange
from posswitch.edge.front import TerminalFront
from posswitch.edge.gate import Allowed, Gate
from posswitch.edge.guards import Guards
from posswitch.edge.headroom import Headroom
from posswitch.edge.hear import ANSWERS, Hearing
from posswitch.edge.key_uses import KeyUses
from posswitch.edge.listener import Listener
from posswitch.edge.mistrust import Mistrust
from posswitch.edge.orders import ORDERS_LABEL, OrderBox
from posswitch.edge.runtime import Runtime
from posswitch.edge.sealed import Tickets
from posswitch.edge.start import identity_of, journal_key, obstacles, registry_in_force
from posswitch.edge.terminal_keys import TerminalKeys
from posswitch.edge.tls import Tls
from posswitch.edge.turnaway import TurnAway
from posswitch.edge.vitals import Vitals
from posswitch.edge.voice import Voices
from posswitch.edge.wire import Wire
from posswitch.edge.zone import Zone
from posswitch.engine.decide import Rules
from posswitch.engine.events import (
    AnswerArrived,
    AnswerSpoiled,
    Event,
    NodeRestarted,
    RegistryChanged,
    ReturnedUnread,
)
from posswitch.journal.disk import Disk
from posswitch.journal.sqlite import Journal
from posswitch.journal.vitals import PERIOD_NS
from posswitch.scheme.kinds import KEY_EXCHANGE_CODE, answer_mti, text
from posswitch.scheme.numbers import next_stan
from posswitch.settings.clock import Clock
from posswitch.settings.config import Config

_TICK_S = 0.02
_TICK_NS = int(_TICK_S * NS_PER_S)
_SWEEP_NS = NS_PER_S // 2
_ORDERS_S = 1.0
_HEAD_SYNC_NS = 60 * NS_PER_S

log = structlog.get_logger()


class Ports(NamedTuple):
    """The world around a node: the simulated one brings its own."""

    clock: Clock
    disk: Disk
    vitals: Vitals
    die: Callable[[BaseException], None]  # does not return
    connections_max: int = CONNECTIONS_MAX


class Node:
    """The switch as one process, and the Back of its links."""

    def __init__(self, config: Config, hsm: Hsm, vault: Vault, ports: Ports) -> None:
        self._config = config
        self._hsm = hsm
        self._clock = clock = ports.clock
        self._die = ports.die
        self._journal = Journal(config.data, journal_key(vault), ports.disk)
        self._state = self._journal.recover(config.node)
        if self._journal.frames_cut:
            log.warning("torn tail", record=self._state.seq, frames_cut=self._journal.frames_cut)
        self._tickets = Tickets(int(config.timers.terminal * NS_PER_S))
        self._registry = registry_in_force(config, self._state)
        for obstacle in obstacles(config, self._registry, self._state, clock.wall_ns()):
            raise ConfigError(str(obstacle))
        self._voices = Voices(self._registry, config.centre)
        self._vitals = ports.vitals
        self._mistrust = Mistrust(clock.wall_ns, config.keys.misfits)
        self._key_uses = KeyUses()
        self._vitals.beside += [self._mistrust.beside.write, self._key_uses.write]
        zone = Zone(self._registry, self._state, clock.wall_ns, config.keys.overlap)
        self._dresser = Dresser(config, self._registry, self._voices, vault, zone)
        keys = TerminalKeys(self._registry, clock, config.keys.overlap, self._mistrust)
        sessions, noted = self._state.sessions, self._note_drift
        self._admission = Admission(
            config, self._registry, vault, sessions, self._tickets, keys, clock, noted
        )
        self._hearing = Hearing(self._registry, self._voices, vault, self._state, self._tickets, zone)
        self._gate = self._gate_of(ports.connections_max)
        self._vitals.beside.append(self._guards.write)
        self._dirty: dict[Wire, None] = {}
        self._headroom = Headroom(ports.disk, config.data)
        self._headroom.look()
        self._runtime = self._runtime_of()
        self._runtime.release.amend = self._amend
        self._exchange = self._exchange_of(zone)
        self._hearing.fitted = self._exchange.fitted
        self._runtime.release.offer = self._exchange.release
        self._tls = Tls(config.tls, clock.wall_ns)
        self._front = self._front_of()
        self._listener = self._listener_of()
        self._runtime.links.update((bank.id, self._links(bank)) for bank in self._registry.banks.values())
        self._tasks: list[asyncio.Task[None]] = []  # the look for orders, links that are being closed
        self._orders = OrderBox(config.data, vault.derive(ORDERS_LABEL))
        self._order_problem = ""
        self._management_stan = 0
        self._next_vitals_ns = self._next_sweep_ns = self._next_sync_ns = 0
        self._began_s = clock.wall_ns() / NS_PER_S
        self._beat_ns = self._lag_ns = 0  # the last beat, and how late the latest of this period was

    def __repr__(self) -> str:
        return f"<node {self._config.node} {self._runtime!r} {len(self._gate)} connections>"

    @property
    def open_payments(self) -> int:
        """How many are under way, or owed to a bank."""
        return len(self._state.flights)

    @property
    def frames_unaccounted(self) -> int:
        """See Runtime."""
        return self._runtime.frames_unaccounted

    async def serve(self, stop: asyncio.Event, ready: Callable[[Address], None]) -> None:
        """Runs until `stop`, then drains; `ready` hears where it listens once it does."""
        at = await self._listener.open(self._config.listen)
        self._hsm.start()
        for links in self._runtime.links.values():
            links.start()
        self._runtime.start(
            NodeRestarted(
                business_day(self._clock.wall_ns(), self._config.cutover_s),
                self._config.version,
                identity_of(self._config),
            )
        )
        await self._listener.serve()
        self._tasks.append(asyncio.create_task(self._follow_orders(), name="orders"))
        log.info("ready", listen=str(at), record=self._state.seq)
        ready(at)
        while not stop.is_set():
            self._beat_or_die()
            await asyncio.sleep(_TICK_S)
        await self._drain()

    async def _drain(self) -> None:
        """No new payment; those under way get their answer, for as long as the drain timer allows."""
        self._runtime.draining = True
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        end_ns = self._clock.tick_ns() + int(self._config.timers.drain * NS_PER_S)
        while self._owes_answers and self._clock.tick_ns() < end_ns:
            self._beat_or_die()
            await asyncio.sleep(_TICK_S)
        self._hsm.stop()
        for links in self._runtime.links.values():
            await links.stop()
        self._gate.cut_all()
        self._runtime.finish()
        self._journal.snapshot(self._state)
        self._key_uses.collect(self._hsm.uses.taken(), self._clock.wall_ns())
        self._vitals.write(self._clock.wall_ns(), self._runtime.gauges())
        self._vitals.close()
        self._journal.close()
        log.info("stopped", record=self._state.seq, open=len(self._state.flights))

    @property
    def _owes_answers(self) -> bool:
        return any(self._state.forwarded.values()) or self._hsm.under_way > 0

    def _beat_or_die(self) -> None:
        try:
            self._beat()
        except Exception as error:
            self._die(error)

    def _beat(self) -> None:
        """Fifty times a second: timers; less often sweeps, vitals, the head's fsync."""
        self._runtime.tick()
        tick_ns = self._clock.tick_ns()
        self._lag_ns = max(self._lag_ns, tick_ns - (self._beat_ns or tick_ns) - _TICK_NS)
        self._beat_ns = tick_ns
        if tick_ns >= self._next_vitals_ns:
            self._next_vitals_ns = tick_ns + PERIOD_NS
            gauges = self._runtime.gauges()
            gauges |= {"began_s": self._began_s, "loop_lag_ms": self._lag_ns / NS_PER_MS}
            gauges["ticks_s"] = tick_ns / NS_PER_S  # of the clock that nobody sets
            self._lag_ns = 0
            gauges |= {"connections": len(self._gate), "connections_cap": self._gate.cap}
            gauges |= self._tls.expiry.gauges()
            gauges |= self._guards.gauges(tick_ns)
            gauges |= {f"misfit_{scope}s": count for scope, count in self._mistrust.standing().items()}
            for name, count in (*self._gate.counts.items(), *self._exchange.counts.items()):
                gauges[f"count.{name}"] = count
            self._vitals.write(self._clock.wall_ns(), gauges)
        if tick_ns >= self._next_sweep_ns:
            self._next_sweep_ns = tick_ns + _SWEEP_NS
            self._gate.sweep(tick_ns)
            self._headroom.look()
            self._exchange.beat()
            for links in self._runtime.links.values():
                links.sweep(tick_ns)
        if tick_ns >= self._next_sync_ns:
            self._next_sync_ns = tick_ns + _HEAD_SYNC_NS
            self._runtime.expire()
            self._key_uses.collect(self._hsm.uses.taken(), self._clock.wall_ns())
            self._tls.refresh()
            self._journal.sync_head()

    def _runtime_of(self) -> Runtime:
        return Runtime(
            self._journal,
            self._state,
            Rules(self._config.timers, self._config.limits, self._registry),
            self._clock,
            self._hsm,
            self._dresser,
            self._tickets,
            self._vitals,
            self._dirty,
            self._die,
            self._headroom,
            self._config.acquirer,
            self._config.cutover_s,
        )

    def _gate_of(self, connections_max: int) -> Gate:
        firewall = self._config.firewall
        allowed = Allowed(firewall.known)
        self._guards = Guards(self._config.guards, self._clock.wall_ns, allowed)
        return Gate(connections_max, allowed=allowed, guards=self._guards, reserve=firewall.reserve)

    def _listener_of(self) -> Listener:
        return Listener(self._front, self._gate, self._clock.tick_ns, self._dirty, self._tls, self._registry)

    def _front_of(self) -> TerminalFront:
        return TerminalFront(
            self._admission,
            self._guards,
            self._runtime,
            self._registry,
            self._hsm,
            self._dresser,
            self._clock,
            self._config.acquirer,
            TurnAway(self._registry, self._state.sessions),
            self._vitals,
        )

    def _exchange_of(self, zone: Zone) -> Exchange:
        return Exchange(
            self._config.keys,
            self._registry,
            self._state,
            zone,
            self._mistrust,
            self._hsm,
            self._dresser,
            self._hearing,
            self._clock,
            self._runtime.submit,
            self._runtime.links,
            self._config.timers.centre,
            self._next_stan,
        )

    # The registry

    def _links(self, bank: Bank) -> Links:
        return Links(bank, self, self._config.timers, self._clock.tick_ns, self._dirty, self._tls)

    def _amend(self, change: Change) -> None:
        """A new version of the registry is in force: links of new and changed banks are opened."""
        gone = [key for key in change.drop if key[0] != "bank"]  # a bank leaves at the next start
        self._registry.amend(change.put, gone)
        self._dresser.amended()
        for table, name in change.drop:
            self._tls.expiry.forget(f"{table} {name}")
        for row in change.put:
            if isinstance(row, Bank):
                self._voices.pop(row.id, None)
                old = self._runtime.links.get(row.id)
                if old is not None:
                    self._tasks.append(asyncio.create_task(old.stop()))
                links = self._runtime.links[row.id] = self._links(row)
                links.start()
        log.info("registry", version=change.version, put=len(change.put), dropped=len(change.drop))

    def _note_drift(self, terminal: str, what: str, registered: str, sent: str) -> None:
        """A terminal sends something else than is registered of it: reported, not guessed."""
        self._runtime.counts[f"drift-{what}"] += 1
        self._vitals.drift.note(terminal, what, registered, sent, self._clock.wall_ns())

    async def _follow_orders(self) -> None:
        """Looks for the office's orders, off the loop, and hands them on as events."""
        while True:
            await asyncio.sleep(_ORDERS_S)
            changes = await asyncio.to_thread(self._orders.poll, self._state.registry)
            for change in changes:
                self._runtime.submit(RegistryChanged(change))
            if self._orders.problem != self._order_problem:
                self._order_problem = self._orders.problem
                log.warning("orders", problem=self._order_problem or "none any more")

    # Back: what banks send

    def from_bank(self, bank: str, payload: bytes, link: Link) -> None:
        """Takes one payload of a bank: management stays at the link, answers become events."""
        read = self._hearing.read(bank, payload)
        if isinstance(read, Dropped):
            self._runtime.links[bank].counts[read.why] += 1
            return
        message, unread = read
        if unread:
            self._returned(bank, message)
        elif message.mti in ("0820", "0800") and 70 in message.fields:
            link.send(self._answer_management(bank, message))
            self._runtime.wake()
        elif message.mti in ("0830", "0810"):
            link.managed(message)
            if text(message, 70) == KEY_EXCHANGE_CODE:
                self._exchange.answered(bank, message)
        elif message.mti in ANSWERS and not self._runtime.flooded:
            unverified = partial(self._unverified, bank, message)
            self._hsm.run(self._hearing.verified(bank, message), self._heard, unverified)
        else:
            self._runtime.counts["bank-message-dropped"] += 1

    def _heard(self, event: Event | Dropped) -> None:
        if isinstance(event, Dropped):
            self._runtime.counts[event.why] += 1
            return
        if isinstance(event, AnswerArrived | AnswerSpoiled):
            self._runtime.links[event.bank].heard((event.stan, event.f7))
        if isinstance(event, AnswerArrived):
            self._exchange.heard(event)
        self._runtime.submit(event)

    def _unverified(self, bank: str, message: Message, _: PosswitchError) -> None:
        """An answer that the HSM cannot verify now proves nothing: its timer decides.

        But it came: that our HSM is ill is not the fault of the line.
        """
        self._runtime.counts["answer-unverified"] += 1
        self._runtime.links[bank].heard(key_of(message))

    def _returned(self, bank: str, message: Message) -> None:
        """Our message came back unread: a request is reversed at once, anything else waits for its timer."""
        self._runtime.counts["returned-unread"] += 1
        unverified = partial(self._unverified, bank, message)
        self._hsm.run(self._hearing.returned(bank, message), self._taken_back, unverified)

    def _taken_back(self, payment: int) -> None:
        if payment:
            self._runtime.submit(ReturnedUnread(payment))

    def overdue(self, bank: str, key: tuple[int, str]) -> None:
        """A request that a link keeps waiting: diagnosis hears of it long before its timer."""
        self._runtime.release.overdue(bank, key)

    def management(self, bank: str, code: str) -> tuple[bytes, tuple[int, str]]:
        """An 0820 for a link, with STAN and F7; its trace numbers are not those of payments."""
        now = stamp(self._clock.wall_ns())
        stan = self._next_stan()
        return self._dresser.management(bank, "0820", stan, now, code), (int(stan), now.f7)

    def _next_stan(self) -> str:
        self._management_stan = next_stan(self._management_stan)
        return f"{self._management_stan:06d}"

    def _answer_management(self, bank: str, message: Message) -> bytes:
        now = stamp(self._clock.wall_ns())
        mti, stan, code = answer_mti(message.mti), text(message, 11) or "000000", text(message, 70)
        answer = "00"
        if code == KEY_EXCHANGE_CODE:  # keys are made here: a bank may ask for one, and bring none
            answer = self._exchange.asked(bank, message) if message.mti == "0820" else "40"
        return self._dresser.management(bank, mti, stan, now, code, answer)
