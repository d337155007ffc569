"""An event loop in virtual time: nothing waits, everything happens in an order that the seed decides.

Each callback belongs to the life (one run of a process) in whose context it was made. A life that was ended
is never heard of again: what it still had to do is dropped, as the kernel does with a killed process.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from typing import Any, TypeVar

from posswitch.sim.world.net import Net, Server

Result = TypeVar("Result")
_LIFE: ContextVar[str] = ContextVar("life", default="world")


class Idle(Exception):
    """Nothing is left to do and what was waited for has not come: a life that waits for ever."""


class Gone(BaseException):
    """Ends whatever the running life does: it has died."""


class Handle:
    """A callback that waits for its turn."""

    __slots__ = ("args", "callback", "context", "life", "when")

    def __init__(
        self, callback: Callable[..., object] | None, args: tuple[Any, ...], context: Context, when: float
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.life = context.get(_LIFE, "world")
        self.when = when

    def cancel(self) -> None:
        """It will not be called."""
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        """Whether it was cancelled, or has been called."""
        return self.callback is None


class WorldLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in order of their virtual time, `ns` nanoseconds after the world's beginning."""

    def __init__(self) -> None:
        self.ns = 0
        self.net = Net(self)
        self.steps = 0
        self.surprises: list[str] = []  # exceptions that no task or callback took
        self._now = 0.0
        self._ready: deque[Handle] = deque()
        self._later: list[tuple[float, int, Handle]] = []
        self._pushed = 0
        self._ended: dict[str, None] = {}
        self._tasks: dict[asyncio.Task[Any], str] = {}  # strong: what a dead life left must not be collected

    def __repr__(self) -> str:
        return f"<world at {self._now:.3f} s, {len(self._ready)} ready, {len(self._later)} later>"

    # Lives

    def begin(self, life: str, main: Callable[[], Coroutine[Any, Any, Result]]) -> asyncio.Task[Result]:
        """A new life that runs `main`."""
        context = copy_context()
        context.run(_LIFE.set, life)
        return context.run(lambda: self.create_task(main(), context=context))

    def end(self, life: str) -> None:
        """Ends a life in the middle of whatever it does; its connections are the net's business."""
        self._ended[life] = None

    def lives(self, life: str) -> bool:
        """Whether a life was not ended."""
        return life not in self._ended

    @staticmethod
    def life() -> str:
        """The life that runs now."""
        return _LIFE.get()

    # Running

    def run(self, main: Coroutine[Any, Any, Result]) -> Result:
        """Runs `main` to its end; raises Idle when it waits for what can no longer come."""
        asyncio.events._set_running_loop(self)
        try:
            task = self.create_task(main)
            while not task.done():
                self._pass()
            result: Result = task.result()
            return result
        finally:
            asyncio.events._set_running_loop(None)

    def _pass(self) -> None:
        """What is ready now; when nothing is, time moves on to what is next."""
        ready, ended = self._ready, self._ended
        if not ready:
            if not self._later:
                raise Idle
            self._now = max(self._now, self._later[0][0])
            self.ns = round(self._now * 1e9)
            while self._later and self._later[0][0] <= self._now:
                ready.append(heappop(self._later)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            callback = handle.callback
            if callback is None or handle.life in ended:
                continue
            self.steps += 1
            handle.callback = None
            try:
                handle.context.run(callback, *handle.args)
            except Gone:
                pass
            except Exception as error:
                self.call_exception_handler({"message": "in a callback", "exception": error})

    # asyncio.AbstractEventLoop

    def time(self) -> float:
        """Seconds since the world began."""
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        """See asyncio."""
        handle = Handle(callback, args, copy_context() if context is None else context, self._now)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        """See asyncio."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        """See asyncio."""
        handle = Handle(callback, args, copy_context() if context is None else context, when)
        self._pushed += 1
        heappush(self._later, (when, self._pushed, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """See asyncio."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> Any:
        """See asyncio."""
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks[task] = self.life()
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Awaitable[Any]:
        """There are no threads here: done at once, told in its turn."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    async def create_connection(  # type: ignore[override]
        self, factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        """See asyncio; over the world's net."""
        return await self.net.connect(factory, host, port)

    async def create_server(  # type: ignore[override]
        self, factory: Any, host: Any = None, port: Any = None, **given: Any
    ) -> Any:
        """See asyncio; on the world's net."""
        server: Server = self.net.listen(factory, host, port)
        if given.get("start_serving", True):
            await server.start_serving()
        return server

    def get_debug(self) -> bool:
        """Never: debugging would look at the real clock."""
        return False

    def is_running(self) -> bool:
        """Always: it exists for one run."""
        return True

    def is_closed(self) -> bool:
        """Never: see `is_running`."""
        return False

    def set_exception_handler(self, handler: Any) -> None:
        """Everybody's surprises are the world's."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keeps a surprise for the judge; what the dead leave behind is none."""
        error = context.get("exception")
        if error is not None and self.lives(self.life()):
            self.surprises.append(f"{context['message']}: {type(error).__name__}: {error}")

    def _timer_handle_cancelled(self, handle: object) -> None:
        """Cancelled timers are passed over when their time comes."""

    def close(self) -> None:
        """Lets the dead rest: their coroutines are closed without a word."""
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.clear()
        self._ready.clear()
        self._later.clear()
