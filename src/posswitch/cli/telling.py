"""Notifications wired: what diagnosis finds goes to who wants to know it, and a heartbeat to a watchdog."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator

from posswitch.base.errors import ConfigError, PosswitchError
from posswitch.base.moment import NS_PER_S
from posswitch.base.registry import Registry
from posswitch.diagnose.acks import AckReader
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.letters import Speaker
from posswitch.diagnose.notify import Notices
from posswitch.diagnose.phrases import LANGS
from posswitch.diagnose.places import contacts_of, names_of
from posswitch.diagnose.post import INSTALL, MISSING, Heartbeat, Post, address_known, apprise_there, tried
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config
from posswitch.settings.finding import WARNING, Fault

_LOOK_NS = NS_PER_S // 2


class Teller:
    """Told of each look of diagnosis; never waits for anybody."""

    def __init__(self, notices: Notices, speaker: Speaker, post: Post, acks: AckReader) -> None:
        self._notices = notices
        self._speaker = speaker
        self._post = post
        self._acks = acks
        self._changed: dict[int, Incident] = {}
        self._looked_ns = 0

    def __repr__(self) -> str:
        return f"<teller, {self._notices!r}, {self._post!r}>"

    def tell(self, now_ns: int, changed: Iterable[Incident], *, speaks: bool) -> None:
        """Twice a second, whatever has changed since becomes letters."""
        self._changed.update({incident.number: incident for incident in changed})
        if now_ns - self._looked_ns < _LOOK_NS:
            return
        self._looked_ns = now_ns
        acked = self._acks.read() if self._changed or self._notices.waiting else {}
        letters = self._notices.look(now_ns, self._changed.values(), acked, speaks=speaks)
        self._changed.clear()
        for letter in letters:
            self._post.send(letter.to.name, self._speaker.worded(letter.items, letter.to.tongue, now_ns))


@contextlib.contextmanager
def telling(settings: Config, registry: Registry) -> Iterator[Callable[..., None]]:
    """What is to be called with the time, the incidents that have changed, and whether the node speaks."""
    plan = settings.notify
    there = apprise_there()
    if plan.to and not there:
        _say(f"notify: {MISSING}; {INSTALL}")
    heartbeat = Heartbeat(plan.heartbeat_url, plan.heartbeat_every_s, _say) if plan.heartbeat_url else None
    post = Post(plan, _say) if plan.to and there else None
    teller = None
    if post is not None:
        names = {lang: names_of(registry, lang) for lang in LANGS}
        speaker = Speaker(settings.node, names, contacts_of(registry))
        teller = Teller(Notices(plan, settings.node), speaker, post, AckReader(settings.data))

    def tell(now_ns: int, changed: Iterable[Incident], *, speaks: bool) -> None:
        if teller is not None:
            teller.tell(now_ns, changed, speaks=speaks)
        if heartbeat is not None:
            heartbeat.beat(now_ns, alive=speaks)

    try:
        yield tell
    finally:
        for one in (heartbeat, post):
            if one is not None:
                one.close()


def test_letters(settings: Config) -> Iterator[tuple[str, str]]:
    """Sends a test to each; its name, and why it did not arrive. ConfigError when there is nobody."""
    if not settings.notify.to:
        raise ConfigError("nobody is told of incidents; write [[notify.to]] (see docs/notify.md)")
    if not apprise_there():
        raise ConfigError(f"{MISSING}; {INSTALL}")
    speaker, now_ns = Speaker(settings.node), SystemClock().wall_ns()
    for receiver in settings.notify.to:
        yield receiver.name, tried(receiver, speaker.test(receiver.tongue, now_ns))


def untold(config: Config) -> Iterator[Fault]:
    """Who of the configuration cannot be told, as far as can be seen without sending anything."""
    if config.notify.to and not apprise_there():
        yield Fault(("notify", "to", 0), "[[notify.to]]", MISSING, INSTALL, WARNING)
        return
    for index, receiver in enumerate(config.notify.to):
        key = "url" if isinstance(receiver.where, str) else "url_file"
        with contextlib.suppress(PosswitchError):  # a file that cannot be read has its own line
            if not address_known(receiver.url()):
                name = f"notify.to {receiver.name}: {key}"
                what = "is no address that apprise can use"
                remedy = "write it as `apprise --details` shows for this service"
                yield Fault(("notify", "to", index, key), name, what, remedy, WARNING)


def _say(line: str) -> None:
    print(f"posswitch: {line}", file=sys.stderr, flush=True)
