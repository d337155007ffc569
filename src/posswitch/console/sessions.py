"""Who may look: keys that work once and for ten minutes, and the sessions they begin; all in memory."""

import hashlib
import hmac
from collections.abc import Callable
from typing import NamedTuple

from posswitch.base.moment import NS_PER_S

KEY_NS = 600 * NS_PER_S
SESSION_NS = 12 * 3600 * NS_PER_S  # a shift
IDLE_NS = 2 * 3600 * NS_PER_S
KEYS_MAX = 8  # that wait to be used; the oldest leaves
SESSIONS_MAX = 16  # the one that was idle for longest leaves
_ID_BYTES, _SIGN_BYTES = 16, 32


class Session(NamedTuple):
    """One browser that is logged in."""

    id: str
    began_ns: int


class Sessions:
    """Draws keys, turns one into a session, knows sessions again by their signed cookie."""

    def __init__(self, now_ns: Callable[[], int], entropy: Callable[[int], bytes]) -> None:
        self._now_ns, self._entropy = now_ns, entropy
        self._sign = entropy(_SIGN_BYTES)  # sessions end with this process
        self._keys: dict[bytes, int] = {}  # hashes
        self._sessions: dict[str, Session] = {}
        self._seen_ns: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<{len(self._sessions)} sessions, {len(self._keys)} keys>"

    def new_key(self) -> str:
        """A key for one login."""
        self._forget()
        while len(self._keys) >= KEYS_MAX:
            del self._keys[next(iter(self._keys))]
        key = self._entropy(_ID_BYTES).hex()
        self._keys[_hash(key)] = self._now_ns() + KEY_NS
        return key

    def begin(self, key: str) -> str | None:
        """The cookie of a new session; None when the key is wrong, used, or too old."""
        self._forget()
        if self._keys.pop(_hash(key), None) is None:
            return None
        while len(self._sessions) >= SESSIONS_MAX:
            self.end(self._sessions[min(self._seen_ns, key=self._seen_ns.__getitem__)])
        session = Session(self._entropy(_ID_BYTES).hex(), self._now_ns())
        self._sessions[session.id], self._seen_ns[session.id] = session, session.began_ns
        return f"{session.id}.{self._mac(session.id)}"

    def known(self, cookie: str) -> Session | None:
        """The session of a cookie, which is awake again."""
        self._forget()
        name, _, mac = cookie.partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(name).encode()):
            return None
        session = self._sessions.get(name)
        if session is not None:
            self._seen_ns[name] = self._now_ns()
        return session

    def stands(self, session: Session) -> bool:
        """Whether it has not ended."""
        self._forget()
        return session.id in self._sessions

    def touch(self, session: Session) -> None:
        """Its browser has said something."""
        if session.id in self._sessions:
            self._seen_ns[session.id] = self._now_ns()

    def end(self, session: Session) -> None:
        """Logs out."""
        self._sessions.pop(session.id, None)
        self._seen_ns.pop(session.id, None)

    def _mac(self, name: str) -> str:
        return hmac.new(self._sign, name.encode(), hashlib.sha256).hexdigest()

    def _forget(self) -> None:
        now_ns = self._now_ns()
        self._keys = {key: until_ns for key, until_ns in self._keys.items() if until_ns > now_ns}
        for session in list(self._sessions.values()):
            too_long = now_ns - session.began_ns > SESSION_NS
            if too_long or now_ns - self._seen_ns[session.id] > IDLE_NS:
                self.end(session)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
