"""Echoes to a bank (0820, F70 = 301) over a connection of their own: never a payment, never a node's link."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator

import msgspec

from posswitch.base.bounds import FRAME_BYTES_MAX
from posswitch.base.errors import CodecError, FrameError
from posswitch.base.moment import stamp
from posswitch.base.registry import Bank
from posswitch.codec import BUILT_IN, Framer, framed
from posswitch.edge.bank_reach import ms_since, sent_and_acknowledged
from posswitch.edge.path_facts import Echo
from posswitch.edge.voice import Voice
from posswitch.scheme.kinds import ECHO_CODE, SIGN_ON_CODE, answer_mti, text

ECHO_SECONDS_MAX = 6.0
_FIRST_SECONDS_MAX, _NEXT_SECONDS_MAX, _OTHER_SECONDS_MAX = 2.5, 2.0, 0.7
_ALERT_SECONDS_MAX = 0.4
_ECHOES = 10
_PAUSE_S = 0.02
_STAN_FROM = 999_001
_DONE = "00"
_MTI = "0820"
_TERMINALS = "pos"


class _Asking:
    """One connection, questions by their trace numbers, answers as they come."""

    def __init__(self, line: socket.socket, bank: Bank, centre: str, now_ns: Callable[[], int]) -> None:
        self._line, self._bank, self._centre, self._now_ns = line, bank, centre, now_ns
        self._voice = Voice(bank, centre)
        self._framer = Framer(bank.framing, FRAME_BYTES_MAX)
        self._asked: dict[str, tuple[str, float]] = {}  # trace number → field 70, when
        self.answers: dict[str, str] = {}  # trace number → field 39
        self.echoes_ms: list[float] = []
        self.why = ""
        self.heard = False
        self.unreadable = False

    def listen(self, seconds: float) -> None:
        """What the other side says unasked: in TLS 1.3 that is when it refuses our certificate."""
        self._line.settimeout(seconds)
        self._take()

    def ask(self, code: str, seconds: float) -> str:
        """Field 39 of the answer; empty when there is none in time, or when the connection has ended."""
        if self.why == "closed" or seconds <= 0:
            return ""
        stan = f"{_STAN_FROM + len(self._asked):06d}"
        fields: dict[int, str | bytes] = {7: stamp(self._now_ns()).f7, 11: stan, 33: self._centre, 70: code}
        self._asked[stan] = code, time.monotonic()
        try:
            self._line.sendall(framed(self._bank.framing, self._voice.pack(_MTI, fields)))
        except ssl.SSLError:
            raise
        except OSError:
            self.why = "closed"
        end = time.monotonic() + seconds
        while stan not in self.answers and self.why != "closed" and (left := end - time.monotonic()) > 0:
            self._line.settimeout(left)
            self._take()
        return self.answers.get(stan, "")

    def _take(self) -> None:
        try:
            data = self._line.recv(FRAME_BYTES_MAX)
        except TimeoutError:
            return
        except ssl.SSLError:
            raise
        except OSError:
            data = b""
        if not data:
            self.why = "closed"
            return
        self.heard = True
        try:
            payloads = self._framer.feed(data)
        except FrameError:
            self.why = "closed"  # nothing that follows can be cut
            self.unreadable = True
            return
        for payload in filter(None, payloads):
            self._read(payload)

    def _read(self, payload: bytes) -> None:
        try:
            message, returned = self._voice.unpack(payload)
        except CodecError:
            self.unreadable = True
            return
        stan = text(message, 11)
        code, asked = self._asked.get(stan, ("", 0.0))
        if returned:
            self.why = "returned"
        elif message.mti == answer_mti(_MTI) and text(message, 70) == code and stan not in self.answers:
            self.answers[stan] = text(message, 39) or "?"
            if code == ECHO_CODE:
                self.echoes_ms.append(round(ms_since(asked), 3))


def echo(line: socket.socket, bank: Bank, centre: str, now_ns: Callable[[], int], seconds: float) -> Echo:
    """Several echoes, after a sign-on where the bank wants one; raises SSLError when TLS ends it."""
    began = time.monotonic()

    def left(most: float) -> float:
        return min(most, began + seconds - time.monotonic())

    asking = _Asking(line, bank, centre, now_ns)
    if isinstance(line, ssl.SSLSocket):
        asking.listen(left(_ALERT_SECONDS_MAX))
        if asking.why:
            return Echo(why="closed-unasked", ms=ms_since(began))
    signed_on, code = False, asking.ask(ECHO_CODE, left(_FIRST_SECONDS_MAX))
    if code != _DONE:
        answer = asking.ask(SIGN_ON_CODE, left(_NEXT_SECONDS_MAX))
        signed_on = answer == _DONE
        code = asking.ask(ECHO_CODE, left(_NEXT_SECONDS_MAX)) if signed_on else answer or code
    acknowledged, resent = sent_and_acknowledged(line)
    asked = 1
    while code == _DONE and asked < _ECHOES and left(_NEXT_SECONDS_MAX) == _NEXT_SECONDS_MAX:
        time.sleep(_PAUSE_S)
        asking.ask(ECHO_CODE, left(_NEXT_SECONDS_MAX))
        asked += 1
        if asking.why == "closed":
            break
        acknowledged, resent = sent_and_acknowledged(line)
    if asking.echoes_ms and code in ("", _DONE):
        why = ""
    elif code not in ("", _DONE):
        why = "refused"
    elif asking.unreadable:
        why = "unreadable"
    else:
        why = asking.why or "silent"
    took_ms = ms_since(began)
    return Echo(
        tuple(asking.echoes_ms), why, code, signed_on, asking.heard, acknowledged, resent, "", took_ms, asked
    )


def spoken_instead(
    bank: Bank,
    opened: Callable[[], socket.socket | None],
    centre: str,
    now_ns: Callable[[], int],
    left: Callable[[], float],
) -> str:
    """The dialect and framing in which an echo is answered where ours was not; empty when in none."""
    for dialect, framing in _others(bank):
        if left() < _OTHER_SECONDS_MAX or (line := opened()) is None:
            break
        with line:
            try:
                other = msgspec.structs.replace(bank, dialect=dialect, framing=framing)
                if _Asking(line, other, centre, now_ns).ask(ECHO_CODE, _OTHER_SECONDS_MAX):
                    return f"{dialect} {framing}"
            except (CodecError, ssl.SSLError):
                continue
    return ""


def _others(bank: Bank) -> Iterator[tuple[str, str]]:
    """Our dialect behind the other usual prefix, then the built-in ones as they are usually framed."""
    yield bank.dialect, "bin2" if bank.framing == "ascii4" else "ascii4"
    for dialect in BUILT_IN:
        framing = "ascii4" if dialect == "cups" else "bin2"
        if dialect != _TERMINALS and (dialect, framing) != (bank.dialect, bank.framing):
            yield dialect, framing
