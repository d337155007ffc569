"""A second process for half of the work: a copy of this one at the other end of a line."""

import contextlib
import gc
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

from posswitch.base.errors import JournalError, PosswitchError


class Line:
    """This process's end."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def tell(self, what: object) -> None:
        """Says something to the second process."""
        with contextlib.suppress(OSError):  # it has gone: the next `hear` says so
            self._line.send(what)

    def hear(self) -> object:
        """What the second process says next; JournalError when it ended instead."""
        try:
            return self._line.recv()
        except (EOFError, OSError):
            raise JournalError("the second process that reads the journal ended early; try again") from None


@contextlib.contextmanager
def second(work: Callable[[Connection], None]) -> Iterator[Line]:
    """Runs `work` beside this process, which must not have other threads; kills it at the end."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run() -> None:
        ours.close()
        gc.disable()  # millions of small values and no circles among them
        # Nobody listens any more; or what cannot be read is said by the first process.
        with contextlib.suppress(EOFError, BrokenPipeError, PosswitchError):
            work(theirs)

    child = context.Process(target=run, daemon=True)
    child.start()
    theirs.close()
    try:
        yield Line(ours)
    finally:
        ours.close()
        child.kill()
        child.join()
