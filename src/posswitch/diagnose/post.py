"""Letters on their way, through apprise: a thread for each receiver, so that nobody waits for a dead one.

Addresses hold secrets: what other packages say about a failure is never shown, only its kind.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from posswitch.base.errors import PosswitchError
from posswitch.base.moment import NS_PER_S
from posswitch.diagnose.letters import Worded
from posswitch.settings.notify import NotifyPlan, Receiver

if TYPE_CHECKING:
    from apprise import Apprise

QUEUE_MAX = 32  # letters to one receiver
PAUSES_S = (2.0, 5.0, 15.0, 60.0, 300.0)  # between tries; after the last the letter is given up
MISSING = "apprise is not installed: nobody is told of incidents"
INSTALL = "pip install apprise, or make setup"
_HEARTBEAT_S = 10.0
_CLOSE_S = 2.0
_LOUD = ("apprise", "urllib3", "requests", "httpx", "asyncio", "smtplib", "paho")  # they log addresses

Deliver = Callable[[str, Worded], bool]
Say = Callable[[str], None]


def apprise_there() -> bool:
    """Whether letters can be sent at all."""
    return find_spec("apprise") is not None


def address_known(url: str) -> bool:
    """Whether apprise can use an address; nothing is sent."""
    return _post_office(url) is not None


def deliver(url: str, letter: Worded) -> bool:
    """Sends one letter and waits for it: 4 s to connect and 4 s for each answer, as apprise has it."""
    office = _post_office(url)
    return office is not None and bool(
        office.notify(title=letter.title, body=letter.body, body_format="text")
    )


def _post_office(url: str) -> "Apprise | None":
    from apprise import Apprise, AppriseAsset, OverflowMode  # noqa: PLC0415 - an extra

    hush()
    office = Apprise(asset=AppriseAsset(app_id="posswitch", async_mode=False))
    if not office.add(url):
        return None
    for service in office:
        if "overflow=" not in url:  # a long letter comes in parts rather than not at all
            service.overflow_mode = OverflowMode.SPLIT
    return office


def hush() -> None:
    """What libraries log about a failure holds the address."""
    for name in _LOUD:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False


class Carrier:
    """Takes letters to one receiver, in order, each tried several times."""

    def __init__(self, receiver: Receiver, say: Say, send: Deliver, pauses_s: Iterable[float]) -> None:
        self._receiver = receiver
        self._say = say
        self._send = send
        self._pauses_s = tuple(pauses_s)
        self._letters: deque[Worded] = deque()
        self._wake = threading.Condition()
        self._stop = threading.Event()
        self.delivered = self.given_up = self.overflown = 0
        self._thread = threading.Thread(target=self._run, name=f"notify {receiver.name}", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        counts = f"{self.delivered} delivered, {self.given_up} given up, {self.overflown} overflown"
        return f"<carrier to {self._receiver.name}: {len(self._letters)} waiting, {counts}>"

    def take(self, letter: Worded) -> None:
        """Puts it into the queue, at once; the oldest makes room."""
        with self._wake:
            if len(self._letters) >= QUEUE_MAX:
                self._letters.popleft()
                self.overflown += 1
            self._letters.append(letter)
            self._wake.notify()

    def close(self) -> None:
        """Tries no letter again."""
        with self._wake:
            self._stop.set()
            self._wake.notify()

    def join(self, until_s: float) -> None:
        """Waits for what is on its way, not beyond a time of `time.monotonic`."""
        self._thread.join(max(until_s - time.monotonic(), 0.0))

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._letters and not self._stop.is_set():
                    self._wake.wait()
                if not self._letters:
                    return
                letter = self._letters.popleft()
            self._carry(letter)

    def _carry(self, letter: Worded) -> None:
        why = ""
        for tries, pause_s in enumerate((*self._pauses_s, 0.0), 1):
            why = tried(self._receiver, letter, self._send)
            if not why:
                self.delivered += 1
                return
            if tries == 1 and self._pauses_s and not self._stop.is_set():
                self._say(f"notify {self._receiver.name}: not delivered ({why}); it is tried again")
            if self._stop.wait(pause_s):
                break
        self.given_up += 1
        self._say(f"notify {self._receiver.name}: a letter was given up ({why}); see `posswitch incidents`")


def tried(receiver: Receiver, letter: Worded, send: Deliver = deliver) -> str:
    """One try; empty when it arrived, else why it did not, without any address."""
    try:
        return "" if send(receiver.url(), letter) else "the service cannot be reached or refuses it"
    except PosswitchError as error:  # its file; the address is never in it
        return str(error)
    except Exception as error:  # whatever a service's plug-in raises, with who knows what in it
        return type(error).__name__


class Post:
    """Takes letters to everybody; never waits."""

    def __init__(
        self, plan: NotifyPlan, say: Say, send: Deliver = deliver, pauses_s: Iterable[float] = PAUSES_S
    ) -> None:
        pauses = tuple(pauses_s)
        self._carriers = {one.name: Carrier(one, say, send, pauses) for one in plan.to}

    def __repr__(self) -> str:
        return f"<post: {', '.join(map(repr, self._carriers.values())) or 'nobody'}>"

    def send(self, name: str, letter: Worded) -> None:
        """Puts a letter on its way."""
        self._carriers[name].take(letter)

    def close(self) -> None:
        """Gives what is on its way a moment, and tries nothing again."""
        until_s = time.monotonic() + _CLOSE_S
        for carrier in self._carriers.values():
            carrier.close()
        for carrier in self._carriers.values():
            carrier.join(until_s)


class Heartbeat:
    """Tells a watchdog outside that diagnosis and node live, by a GET; who is dead says nothing."""

    def __init__(self, url: str, every_s: float, say: Say) -> None:
        self._url = url
        self._every_ns = int(every_s * NS_PER_S)
        self._say = say
        self._last_ns: int | None = None
        self._due = threading.Event()
        self._stopped = False
        self._failed = False
        self.beats = 0  # that were heard
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def __repr__(self) -> str:
        return f"<heartbeat, {self.beats} heard{', the last one not' if self._failed else ''}>"

    def beat(self, now_ns: int, *, alive: bool) -> None:
        """Sends one when it is time and the node lives; never waits."""
        if alive and (self._last_ns is None or now_ns - self._last_ns >= self._every_ns):
            self._last_ns = now_ns
            self._due.set()

    def close(self) -> None:
        """Sends none any more."""
        self._stopped = True
        self._due.set()

    def _run(self) -> None:
        from urllib.request import urlopen  # noqa: PLC0415 - no other command waits for it

        while True:
            self._due.wait()
            self._due.clear()
            if self._stopped:
                return
            try:
                with urlopen(self._url, timeout=_HEARTBEAT_S) as answer:  # noqa: S310 - http only
                    answer.read(1)
            except Exception as error:  # an error's text may hold the address
                if not self._failed:
                    self._say(f"notify: the watchdog does not hear the heartbeat ({type(error).__name__})")
                self._failed = True
            else:
                self.beats += 1
                self._failed = False
