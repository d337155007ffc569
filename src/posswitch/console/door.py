"""The door of the screen: who may come in, from where, and what every answer says about itself."""

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from posswitch.console.refusal import PLAIN, page_of
from posswitch.console.sessions import SESSION_NS, Session, Sessions
from posswitch.console.words import LANGUAGES, chosen

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_READS = frozenset({"GET", "HEAD"})
_OURS = ("/_nicegui/", "/_nicegui_ws/")
_PAGES = frozenset({*(f"/{lang}" for lang in LANGUAGES), "/favicon.ico"})
_PREFETCH = ("sec-purpose", "purpose", "x-moz")  # a browser that guesses may not use a key up
_BRACKETED = re.compile(r"\[([^\]]*)\](?::[0-9]+)?")
_WS_REFUSED = 4401
_HEADERS = {
    # Vue compiles templates in the browser; nothing comes from or goes to anywhere else.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Door:
    """In front of everything; `port` names the cookie, so that two screens of a machine do not share one."""

    def __init__(self, app: App, sessions: Sessions, port: int) -> None:
        self._app, self._sessions = app, sessions
        self._cookie = f"posswitch-{port}"
        self._host = socket.gethostname().lower()

    def __repr__(self) -> str:
        return f"<door, {self._sessions!r}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection (ASGI 3)."""
        if scope["type"] == "http":
            await self._http(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        lang = chosen(headers.get("accept-language", ""))
        if not self._named_rightly(headers):
            await _answer(send, 403, page_of("wrong-host", lang))
            return
        key = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("key", [""])[0]
        if key and scope["path"] == "/" and scope["method"] == "GET":
            await self._login(key, headers, lang, send)
            return
        session = self._session(headers)
        if session is None:
            await _answer(send, 401, page_of("no-session", lang))
        elif scope["method"] not in _READS and not _same_origin(headers):
            await _answer(send, 403, page_of("wrong-origin", lang))
        elif scope["path"] == "/":
            await _answer(send, 303, "", ("location", f"/{lang}"))
        elif scope["path"] in _PAGES or scope["path"].startswith(_OURS):
            scope.setdefault("state", {})["session"] = session
            await self._app(scope, receive, send)
        else:
            await _answer(send, 404, page_of("no-page", lang))

    async def _login(self, key: str, headers: dict[str, str], lang: str, send: Send) -> None:
        """A page that leads on: a redirect after a link in a mail would come without the new cookie."""
        if any(headers.get(name) for name in _PREFETCH):
            await _answer(send, 503, page_of("no-session", lang))
            return
        cookie = self._sessions.begin(key)
        if cookie is None:
            if self._session(headers) is not None:  # the same link once more, in the same browser
                await _answer(send, 303, "", ("location", "/"))
                return
            await _answer(send, 401, page_of("bad-key", lang))
            return
        seconds = SESSION_NS // 1_000_000_000
        value = f"{self._cookie}={cookie}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"
        await _answer(send, 200, page_of("welcome", lang), ("set-cookie", value))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        session = self._session(headers) if self._named_rightly(headers) and _same_origin(headers) else None
        if session is None:
            await receive()
            if "websocket.http.response" in scope.get("extensions", {}):
                await send(
                    {"type": "websocket.http.response.start", "status": 401, "headers": _PLAIN_HEADERS}
                )
                await send({"type": "websocket.http.response.body", "body": PLAIN.encode()})
            else:
                await send({"type": "websocket.close", "code": _WS_REFUSED, "reason": "no session"})
            return

        async def while_it_stands() -> Message:
            message = await receive()
            if not self._sessions.stands(session):
                return {"type": "websocket.disconnect", "code": _WS_REFUSED}
            self._sessions.touch(session)
            return message

        await self._app(scope, while_it_stands, send)

    def _session(self, headers: dict[str, str]) -> Session | None:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return None
        return self._sessions.known(morsel.value) if morsel is not None else None

    def _named_rightly(self, headers: dict[str, str]) -> bool:
        """By an address or this machine's name: another name may have been made to lead here."""
        host = headers.get("host", "").lower()
        name = _BRACKETED.sub(r"\1", host) if host.startswith("[") else host.rpartition(":")[0] or host
        if name in ("localhost", self._host):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


_PLAIN_HEADERS = [(b"content-type", b"text/plain; charset=utf-8")]


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _same_origin(headers: dict[str, str]) -> bool:
    """Whether a page of our own asks; browsers name the page's origin with every such request."""
    return headers.get("origin", "").partition("://")[2] == headers.get("host", "") != ""


async def _answer(send: Send, status: int, body: str, *more: tuple[str, str]) -> None:
    data = body.encode()
    headers = [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store"), *more]
    coded = [
        (name.encode(), value.encode()) for name, value in (*headers, ("content-length", str(len(data))))
    ]
    await send({"type": "http.response.start", "status": status, "headers": coded})
    await send({"type": "http.response.body", "body": data})


def _with_headers(send: Send) -> Send:
    added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sending
