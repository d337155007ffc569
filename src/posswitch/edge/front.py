"""What terminals send: admitted and handed on, or answered here; the guards are told of all of it."""

from functools import partial

from msgspec.structs import replace

from posswitch.base.errors import PosswitchError
from posswitch.base.moment import stamp
from posswitch.base.registry import Registry
from posswitch.codec import Message
from posswitch.crypto.commands import Hsm
from posswitch.edge.admit import Admission, Direct, Dropped
from posswitch.edge.dress import Dresser
from posswitch.edge.guards import Guards
from posswitch.edge.identity import may_speak
from posswitch.edge.overload import Rank, key_of, rank_of
from posswitch.edge.runtime import Runtime
from posswitch.edge.sealed import Reply, Ticket
from posswitch.edge.turnaway import TurnAway
from posswitch.edge.vitals import Vitals
from posswitch.engine.effects import SendResponse
from posswitch.engine.events import Event, RequestArrived, ReversalArrived
from posswitch.journal.vitals import How
from posswitch.scheme.kinds import batch_of, is_declared_repeat, text, texts
from posswitch.scheme.numbers import batch_prefix
from posswitch.settings.clock import Clock

_STRANGE = frozenset({"97", "03"})  # no terminal of ours, or not at its merchant


class TerminalFront:
    """The Front of a node's listener."""

    def __init__(
        self,
        admission: Admission,
        guards: Guards,
        runtime: Runtime,
        registry: Registry,
        hsm: Hsm,
        dresser: Dresser,
        clock: Clock,
        acquirer: str,
        turnaway: TurnAway,
        vitals: Vitals,
    ) -> None:
        self._admission = admission
        self._guards = guards
        self._runtime = runtime
        self._registry = registry
        self._hsm = hsm
        self._dresser = dresser
        self._clock = clock
        self._acquirer = acquirer
        self._turnaway = turnaway
        self._vitals = vitals
        runtime.release.told = self._told

    def __repr__(self) -> str:
        return f"<front, {self._guards!r}>"

    def from_terminal(self, payload: bytes, reply: Reply) -> bool:
        """Admits one payload; False when nobody can read it."""
        runtime = self._runtime
        counts = runtime.counts
        counts["frames-received"] += 1
        crowded = runtime.crowded
        if crowded and self._turned_away(payload, reply):
            return True
        read = self._admission.read(payload)
        if isinstance(read, Dropped):
            counts[read.why] += 1
            counts["frames-dropped"] += 1
            return False
        if not may_speak(self._registry, reply.certificate, text(read, 41)):
            counts["source-refused"] += 1
            self._answer(Direct("97", read), reply)
        elif runtime.refusals and runtime.refusals.knows(read, self._clock.tick_ns()):
            self._answer(self._admission.refusal(read, "00" if read.mti[1] == "4" else "96"), reply)
        elif crowded and (rank := self._refused_rank(read)) is not None:
            self._shed(read, rank, reply)
        else:
            work = self._admission.admitted(read, payload, reply)
            self._hsm.run(work, partial(self._admitted, reply), partial(self._refuse, read, reply))
        return True

    def _admitted(self, reply: Reply, admitted: Event | Direct) -> None:
        if isinstance(admitted, Direct):
            self._answer(admitted, reply)
            return
        if isinstance(admitted, RequestArrived):
            tick_ns = self._clock.tick_ns()
            self._runtime.refusals.admitted(admitted)
            self._guards.paid(reply.peer, tick_ns)
            barred = self._guards.asked(admitted, admitted.bin, tick_ns)
            if barred:
                admitted = replace(admitted, barred=barred)
        self._runtime.submit(admitted)

    def _told(self, effect: SendResponse, ticket: Ticket) -> None:
        """A terminal was given its answer: approvals and refusals are what guards count."""
        request, tick_ns = effect.request, self._clock.tick_ns()
        code = "" if effect.answer.says else effect.answer.code  # our own limits are no customer's doing
        if isinstance(request, RequestArrived):
            self._guards.answered(request, code, request.bin, self._place_of(ticket.reply), tick_ns)
        elif isinstance(request, ReversalArrived):
            self._guards.reversed(request, code, tick_ns)

    def _place_of(self, reply: Reply) -> str:
        """How people call where a connection comes from."""
        source = self._registry.source_of(reply.certificate) if reply.certificate else None
        return source.id if source is not None else reply.peer

    def _answer(self, direct: Direct, reply: Reply) -> None:
        """Ends a request at the edge; without a MAC when there is no HSM to make one."""
        self._runtime.counts[f"direct-{direct.code}"] += 1
        self._runtime.counts["frames-answered"] += 1
        terminal, merchant = text(direct.message, 41), text(direct.message, 42)
        if direct.code in _STRANGE:
            self._guards.strange(reply.peer, terminal, self._clock.tick_ns())
            terminal = terminal if terminal in self._registry.terminals else ""  # a stranger says anything
            merchant = merchant if merchant in self._registry.merchants else ""
        self._vitals.other(terminal, merchant, direct.message.mti, direct.code, How.EDGE)
        now = stamp(self._clock.wall_ns())

        def without_mac(_: PosswitchError) -> None:
            bare = self._dresser.refusal(direct.message, direct.code, None, now)
            self._hsm.run(bare, partial(self._reply, reply), _pass_over)

        signed = self._dresser.refusal(direct.message, direct.code, direct.keys, now)
        self._hsm.run(signed, partial(self._reply, reply), without_mac)

    def _reply(self, reply: Reply, payload: bytes) -> None:
        reply.send(payload)
        self._runtime.wake()

    def _refused_rank(self, message: Message) -> Rank | None:
        """The rank of what is refused now; None for what is taken, or was taken before."""
        rank = rank_of(message)
        refused = message.mti[1] != "8" and not self._runtime.admits(rank) and self._is_new(message)
        return rank if refused else None

    def _is_new(self, message: Message) -> bool:
        """Whether nothing under its repeat key was admitted: else its first answer stands."""
        if message.mti[1] not in "12":
            return True
        if is_declared_repeat(message.mti) and self._runtime.in_doubt:
            return False  # a restore may have lost it: its reversal must find an owner, and not end here
        had = texts(message)
        return self._is_new_payment(had.get(41, ""), batch_of(had), had.get(11, ""))

    def _is_new_payment(self, terminal: str, batch: str, stan: str) -> bool:
        return not self._runtime.refusals.may_repeat(terminal, batch, stan, self._last_stan)

    def _last_stan(self, terminal: str, batch: str) -> str:
        """The highest trace number that the journal has of a terminal's batch."""
        prefix = batch_prefix(self._acquirer, terminal, batch)
        return self._runtime.last_key(prefix)[len(prefix) :].partition("|")[0]

    def _turned_away(self, payload: bytes, reply: Reply) -> bool:
        """Refuses a new payment at a glance, while there is no room; False where that cannot be told."""
        runtime = self._runtime
        if runtime.admits(Rank.INQUIRY):  # then there is room for more than that
            return False
        sales = not runtime.admits(Rank.PURCHASE)
        turned = self._turnaway.seen(payload, reply.certificate, sales=sales)
        if turned is None:
            return False
        tick_ns = self._clock.tick_ns()
        known = runtime.refusals.has(turned.key, tick_ns)
        if not known and not self._is_new_payment(turned.terminal, turned.batch, turned.stan):
            return False
        runtime.overload.refused(Rank.PURCHASE)
        runtime.refusals.remember(turned.key, tick_ns)
        runtime.counts["direct-96"] += 1
        runtime.counts["frames-answered"] += 1
        work = self._turnaway.refusal(turned, "96", stamp(self._clock.wall_ns()))
        self._hsm.run(work, partial(self._reply, reply), partial(self._unsigned, payload, reply))
        return True

    def _unsigned(self, payload: bytes, reply: Reply, _: PosswitchError) -> None:
        """There is no HSM to sign a refusal: it is told without a MAC."""
        read = self._admission.read(payload)
        if isinstance(read, Message):
            bare = self._dresser.refusal(read, "96", None, stamp(self._clock.wall_ns()))
            self._hsm.run(bare, partial(self._reply, reply), _pass_over)

    def _shed(self, message: Message, rank: Rank, reply: Reply) -> None:
        """Refused for want of time: a payment of which nothing was recorded is remembered."""
        self._runtime.overload.refused(rank)
        # The key of a reversal is that of its payment, which may be posted: its repeat must be decided.
        if rank is not Rank.REVERSAL and (key := key_of(message)):
            self._runtime.refusals.remember(key, self._clock.tick_ns())
        self._refuse(message, reply)

    def _refuse(self, message: Message, reply: Reply, _: PosswitchError | None = None) -> None:
        """Overloaded, or without keys: everybody is told so."""
        self._answer(self._admission.refusal(message, "96"), reply)


def _pass_over(_: PosswitchError) -> None:
    """Nothing can be said: whoever waits finds out by himself."""
