"""What the gate sees of a connection, and a listener in this process with a clock that the test turns."""

from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Address
from posswitch.edge.gate import Gate
from posswitch.edge.listener import Listener


class Connection:
    """What the gate sees."""

    def __init__(self, opened_s=1.0, heard_s=0.0, frame_s=0.0):
        self.opened_ns, self.heard_ns, self.frame_ns = (
            int(at * NS_PER_S) for at in (opened_s, heard_s, frame_s)
        )
        self.cuts = 0
        self.peer = "198.51.100.7"

    def cut(self):
        self.cuts += 1


class Door:
    """A listener on a real port, its gate and its clock; keeps what came in and answers with an echo."""

    def __init__(self, connections_max=8):
        self.now_ns = NS_PER_S
        self.gate = Gate(connections_max)
        self.heard = []
        self.readable = True
        self._dirty = {}
        self._listener = Listener(self, self.gate, lambda: self.now_ns, self._dirty)

    def from_terminal(self, payload, reply):
        self.heard.append(payload)
        if self.readable:
            reply.send(payload)
            for wire in self._dirty:
                wire.flush()
            self._dirty.clear()
        return self.readable

    async def __aenter__(self):
        self.at = await self._listener.open(Address("127.0.0.1", 0))
        await self._listener.serve()
        return self

    async def __aexit__(self, *_):
        self._listener.close()
        self.gate.cut_all()

    def later(self, seconds):
        self.now_ns += int(seconds * NS_PER_S)
        self.gate.sweep(self.now_ns)
