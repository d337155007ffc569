"""Without a session nothing passes, not even the websocket; with one only what our own pages ask."""

import asyncio

import pytest

from posswitch.base.moment import NS_PER_S
from posswitch.console.door import Door
from posswitch.console.sessions import Sessions
from posswitch.settings.clock import SystemClock

HOST = "127.0.0.1:8080"


async def inside(scope, receive, send):
    """What the door guards."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        await send({"type": "left"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-inside", b"yes")]})
    await send({"type": "http.response.body", "body": scope["state"]["session"].id.encode()})


class Visitor:
    """Knocks."""

    def __init__(self):
        self.clock_ns = [SystemClock().wall_ns()]
        self.sessions = Sessions(lambda: self.clock_ns[0], SystemClock().entropy)
        self.door = Door(inside, self.sessions, 8080)
        self.cookie = ""

    def login(self):
        status, headers, _ = self.get("/", query=f"key={self.sessions.new_key()}")
        assert status == 200
        self.cookie = headers["set-cookie"].partition(";")[0]
        return headers["set-cookie"]

    def scope(self, kind, path, query, method, more):
        headers = (
            {"host": HOST, "accept-language": "en"} | ({"cookie": self.cookie} if self.cookie else {}) | more
        )
        return {
            "type": kind, "path": path, "query_string": query.encode(), "method": method,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()], "extensions": {},
        }  # fmt: skip

    def get(self, path, query="", method="GET", **more):
        more = {name.replace("_", "-"): value for name, value in more.items()}
        sent = []

        async def send(message):
            sent.append(message)

        asyncio.run(self.door(self.scope("http", path, query, method, more), None, send))
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, b"".join(one.get("body", b"") for one in sent[1:]).decode()

    def socket(self, messages, **more):
        sent, coming = [], iter(messages)

        async def receive():
            message = next(coming)
            return message() if callable(message) else message

        async def send(message):
            sent.append(message)

        asyncio.run(
            self.door(self.scope("websocket", "/_nicegui_ws/socket.io/", "", "", more), receive, send)
        )
        return sent


CONNECT = {"type": "websocket.connect"}
PING = {"type": "websocket.receive", "text": "3"}
ORIGIN = {"origin": f"http://{HOST}"}


@pytest.mark.parametrize(
    "path", ["/", "/zh", "/en", "/favicon.ico", "/_nicegui/x.js", "/nothing", "/_nicegui_ws/"]
)
def test_without_a_session_every_path_is_refused_in_a_plain_sentence(path):
    status, headers, body = Visitor().get(path)
    assert status == 401 and "posswitch console -c FILE" in body and "一次性链接" in body
    assert headers["cache-control"] == "no-store" and "x-inside" not in headers


def test_the_readers_language_comes_first():
    en = Visitor().get("/")[2]
    zh = Visitor().get("/", accept_language="zh-CN")[2]
    assert en.index("This screen") < en.index("这个屏幕") and zh.index("这个屏幕") < zh.index("This screen")


def test_a_link_logs_in_once():
    visitor = Visitor()
    key = visitor.sessions.new_key()
    status, headers, body = visitor.get("/", query=f"key={key}")
    assert status == 200 and 'content="0;url=/"' in body and key not in body
    cookie = headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"))
    assert visitor.get("/", query=f"key={key}")[0] == 401
    visitor.cookie = cookie.partition(";")[0]
    assert visitor.get("/", query=f"key={key}")[:1] == (303,)  # the same browser once more
    assert visitor.get("/zh")[0] == 200


def test_a_browser_that_only_guesses_does_not_use_the_key_up():
    visitor = Visitor()
    key = visitor.sessions.new_key()
    assert visitor.get("/", query=f"key={key}", sec_purpose="prefetch")[0] == 503
    assert visitor.get("/", query=f"key={key}", method="HEAD")[0] == 401
    assert visitor.get("/", query=f"key={key}")[0] == 200


def test_the_language_of_the_browser_chooses_the_page():
    visitor = Visitor()
    visitor.login()
    assert visitor.get("/")[1]["location"] == "/en"
    assert visitor.get("/", accept_language="zh")[1]["location"] == "/zh"


def test_what_is_served_says_that_nothing_comes_from_elsewhere():
    visitor = Visitor()
    visitor.login()
    _, headers, _ = visitor.get("/en")
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "http" not in policy
    assert headers["referrer-policy"] == "no-referrer" and headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[::1"])
def test_another_name_that_leads_here_is_refused(host):
    visitor = Visitor()
    visitor.login()
    assert visitor.get("/en", host=host)[0] == 403
    assert visitor.socket([CONNECT], host=host, origin=f"http://{host}")[0]["type"] == "websocket.close"


@pytest.mark.parametrize("host", ["localhost:9", "[::1]:8080", "10.0.0.7"])
def test_addresses_and_tunnels_are_let_in(host):
    visitor = Visitor()
    visitor.login()
    assert visitor.get("/en", host=host)[0] == 200


@pytest.mark.parametrize("origin", ["", "http://evil.example", "http://127.0.0.1:9999", "null"])
def test_another_page_can_neither_post_nor_open_the_socket(origin):
    visitor = Visitor()
    visitor.login()
    assert visitor.get("/_nicegui_ws/socket.io/", method="POST", origin=origin)[0] == 403
    assert visitor.socket([CONNECT], origin=origin)[0]["type"] == "websocket.close"


def test_our_own_page_opens_the_socket_only_with_a_session():
    visitor = Visitor()
    assert visitor.socket([CONNECT], **ORIGIN)[0]["type"] == "websocket.close"
    visitor.login()
    sent = visitor.socket([CONNECT, {"type": "websocket.disconnect"}], **ORIGIN)
    assert sent[0]["type"] == "websocket.accept"


def test_a_refused_socket_hears_the_plain_sentence_where_the_server_can_say_it():
    visitor = Visitor()
    scope = visitor.scope("websocket", "/_nicegui_ws/", "", "", ORIGIN)
    scope["extensions"] = {"websocket.http.response": {}}
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return CONNECT

    asyncio.run(visitor.door(scope, receive, send))
    assert sent[0]["status"] == 401 and b"posswitch console" in sent[1]["body"]


def test_a_socket_ends_with_its_session():
    visitor = Visitor()
    visitor.login()

    def later():
        visitor.clock_ns[0] += 13 * 3600 * NS_PER_S
        return PING

    sent = visitor.socket([CONNECT, PING, later], **ORIGIN)
    assert [one["type"] for one in sent] == ["websocket.accept", "left"]


def test_a_path_that_is_not_ours():
    visitor = Visitor()
    visitor.login()
    assert visitor.get("/../etc/passwd")[0] == 404
    assert visitor.get("/docs")[0] == 404
