"""The screen as a process: binds, prints a link that logs in once, serves until it is told to stop."""

import asyncio
import contextlib
import os
import signal
import socket
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from posswitch.base.errors import ConfigError, PosswitchError
from posswitch.console.door import Door
from posswitch.console.latch import latched, link_of_running
from posswitch.console.page import House, install
from posswitch.console.runner import Runner
from posswitch.console.sessions import KEY_NS, Sessions
from posswitch.console.watch import Watch
from posswitch.console.words import LANGUAGES, saying
from posswitch.edge.process import SUPERVISOR
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config

LOOPBACK = "127.0.0.1"
CONNECTIONS_MAX = 128  # HTTP and sockets together; more are told 503
_WS_BYTES_MAX = 1 << 16  # of one message of a browser
_NICE = 10  # payments first
_LOOK_S = 0.5
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" '
    'fill="#0a6b5b"/><path d="M7 10h8l3 6h7M7 22h8l3-6" fill="none" stroke="#fff" stroke-width="2.6"/></svg>'
)

Out = Callable[[str], None]


def serve(path: Path, host: str, port: int, *, browser: bool, out: Out) -> None:
    """Serves the screen of a configuration; with one running already it only gives a new link to that."""
    config = load_config(path, serve=False)
    link = link_of_running(config.data)
    if link is not None:
        _announce(link, out, again=True)
        _open(link, browser=browser)
        return
    if not config.data.is_dir():
        raise ConfigError(f"{config.data}: no data folder there; start the switch first (posswitch run)")
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    clock = SystemClock()
    sessions = Sessions(clock.wall_ns, clock.entropy)
    listening = _bound(host, port)
    shown = f"[{host}]" if ":" in host else host
    at = f"http://{LOOPBACK if host in ('0.0.0.0', '::') else shown}:{listening.getsockname()[1]}"  # noqa: S104

    def new_link() -> str:
        return f"{at}/?key={sessions.new_key()}"

    async def run() -> None:
        house = House(path, config, clock, Watch(path, config, clock), sessions, Runner())
        server = uvicorn.Server(_settings(Door(_site(house), sessions, listening.getsockname()[1])))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(
                number, lambda: setattr(server, "should_exit", True)
            )
        async with latched(config.data, new_link):
            serving = asyncio.create_task(server.serve([listening]))
            while not server.started and not serving.done():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
            if server.started:
                link = new_link()
                _announce(link, out, again=False)
                _open(link, browser=browser)
            await _until_orphaned(server, serving)
            await serving
        await house.runner.close()

    asyncio.run(run())


def _site(house: House) -> FastAPI:
    """NiceGUI in an application of ours; everything it serves lies on this disk."""

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(house.watch.run(), name="watch")
        yield
        watching.cancel()

    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=living)
    install(house)
    ui.run_with(
        site, title="posswitch", favicon=_ICON, dark=None, tailwind=False, binding_refresh_interval=None,
        show_welcome_message=False, reconnect_timeout=5.0, message_history_length=200,
    )  # fmt: skip
    return site


def _settings(app: Door) -> uvicorn.Config:
    return uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, date_header=False, proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX, ws_max_size=_WS_BYTES_MAX, timeout_keep_alive=10,
        timeout_graceful_shutdown=2, lifespan="on",
    )  # fmt: skip


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket, so that a port in use is said at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        why = error.strerror if isinstance(error, OSError) else "no such port"
        raise PosswitchError(f"{host}:{port}: cannot listen there ({why}); give another --port") from None
    return listening


def _announce(link: str, out: Out, *, again: bool) -> None:
    """The link and what it is, in both languages."""
    minutes = KEY_NS // 60_000_000_000
    out(link)
    for lang in LANGUAGES:
        out(saying(lang)("serve.again" if again else "serve.link", minutes=minutes))


def _open(link: str, *, browser: bool) -> None:
    """In a browser with a window; one of a terminal would take the terminal."""
    if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        with contextlib.suppress(webbrowser.Error, OSError):
            webbrowser.open(link)


async def _until_orphaned(server: uvicorn.Server, serving: "asyncio.Task[None]") -> None:
    """A companion does not outlive who started it."""
    supervisor = os.environ.get(SUPERVISOR)
    while supervisor and not serving.done():
        if str(os.getppid()) != supervisor:
            server.should_exit = True
            return
        await asyncio.sleep(_LOOK_S)
