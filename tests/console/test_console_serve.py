"""The screen as a process: its link, its end, its port, beside whom it lives; orders to a city."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from posswitch.console import city
from posswitch.console.beside import Screen
from posswitch.console.city import CityRefused, order
from posswitch.console.latch import link_of_running

LINK = re.compile(r"http://127\.0\.0\.1:\d+/\?key=[0-9a-f]{32}")


def command(folder, *more):
    return [
        sys.executable,
        "-m",
        "posswitch",
        "console",
        "-c",
        str(folder / "posswitch.toml"),
        "--no-browser",
        *more,
    ]


@pytest.fixture
def folder(puppet):
    return puppet.config.data.parent


@pytest.fixture
def running(folder):
    """A screen and its first link."""
    process = subprocess.Popen(command(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    link = process.stdout.readline().strip()
    yield process, link
    process.kill()
    process.communicate()


def login(link):
    client = httpx.Client(headers={"accept-language": "en"})
    client.get(link).raise_for_status()
    return client


def test_a_link_is_printed_that_logs_in_once(running):
    process, link = running
    assert LINK.fullmatch(link)
    base = link.partition("?")[0]
    assert httpx.get(base).status_code == 401 and httpx.get(f"{base}en").status_code == 401
    page = login(link).get(base, follow_redirects=True)
    assert page.status_code == 200 and str(page.url).endswith("/en") and 'lang="en-US"' in page.text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)  # nothing from anywhere else
    assert httpx.get(link).status_code == 401
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_it_listens_on_the_loopback_alone_and_runs_behind_payments(running):
    process, link = running
    port = int(link.rpartition(":")[2].partition("/")[0])
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]
    assert listening == [f"0100007F:{port:04X}"]
    assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10


def test_the_websocket_is_refused_without_a_session(running):
    _, link = running
    host, _, port = link.removeprefix("http://").partition("/")[0].partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(
            f"GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Origin: http://{host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        answer = client.recv(4096).decode()
        while "\r\n\r\n" not in answer or "posswitch" not in answer:
            more = client.recv(4096)
            assert more, answer
            answer += more.decode()
    assert answer.startswith("HTTP/1.1 401") and "posswitch console -c FILE" in answer


def test_a_second_one_only_gives_a_new_link_to_the_first(running, folder):
    _, link = running
    done = subprocess.run(command(folder), check=False, capture_output=True, text=True, timeout=30)
    other = done.stdout.splitlines()[0]
    assert done.returncode == 0 and LINK.fullmatch(other) and other != link
    assert other.partition("?")[0] == link.partition("?")[0]
    login(link), login(other)
    assert (folder / "data" / "console.sock").stat().st_mode & 0o077 == 0


def test_after_a_kill_it_starts_again(running, folder):
    process, _ = running
    process.kill()
    process.wait()
    assert link_of_running(folder / "data") is None
    with subprocess.Popen(command(folder), stdout=subprocess.PIPE, text=True) as second:
        assert LINK.fullmatch(second.stdout.readline().strip())
        second.terminate()


def test_a_port_in_use_is_one_line(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command(folder, "--port", str(port)), check=False, capture_output=True, text=True, timeout=30
        )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and f"127.0.0.1:{port}: cannot listen there" in done.stderr


def test_an_address_that_is_none_is_one_line(folder):
    done = subprocess.run(
        command(folder, "--host", "nowhere"), check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "cannot listen" in done.stderr


def test_without_a_data_folder_it_says_what_to_start(folder, tmp_path):
    other = tmp_path / "other.toml"
    text = (folder / "posswitch.toml").read_text()
    other.write_text(text.replace('data = "data"', 'data = "nothing-here"'))
    (tmp_path / "secret.key").write_bytes((folder / "secret.key").read_bytes())
    (tmp_path / "secret.key").chmod(0o600)
    words = [*command(folder)[:5], str(other), "--no-browser"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "no data folder there" in done.stderr


def test_a_companion_passes_its_link_on_and_comes_back(folder):
    async def play():
        lines = asyncio.Queue()
        screen = Screen(folder / "posswitch.toml", lines.put_nowait)
        screen.start()
        first = await asyncio.wait_for(lines.get(), 30)
        assert LINK.fullmatch(first)
        pid = screen._child.pid
        os.kill(pid, signal.SIGKILL)
        while not LINK.fullmatch(again := await asyncio.wait_for(lines.get(), 30)):
            pass
        assert again != first and screen.deaths == 1
        await screen.stop()
        assert screen._child.returncode == 0
        assert link_of_running(folder / "data") is None

    asyncio.run(play())


def test_a_companion_that_was_used_wrongly_is_not_started_again(tmp_path, capfd):
    async def play():
        screen = Screen(tmp_path / "none.toml", lambda line: None)
        screen.start()
        await asyncio.wait_for(screen._task, 30)
        assert screen.deaths == 0 and screen._child.returncode == 2

    asyncio.run(play())
    assert "none.toml" in capfd.readouterr().err


def test_it_ends_when_who_started_it_is_gone(folder):
    script = (
        "import asyncio, sys; from pathlib import Path; from posswitch.console.beside import Screen\n"
        "async def go():\n"
        "    screen = Screen(Path(sys.argv[1]), lambda line: print(line, flush=True))\n"
        "    screen.start(); await asyncio.sleep(99)\n"
        "asyncio.run(go())"
    )
    words = [sys.executable, "-c", script, str(folder / "posswitch.toml")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        assert LINK.fullmatch(parent.stdout.readline().strip())
        parent.kill()
        ends = time.monotonic() + 10
        while link_of_running(folder / "data") and time.monotonic() < ends:
            time.sleep(0.1)
        assert link_of_running(folder / "data") is None


def answered(folder, answer):
    """What a city's answer makes of an order."""

    async def play():
        heard = []

        async def hear(reader, writer):
            heard.append(json.loads(await reader.readline()))
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(hear, str(folder / "city.sock"))
        async with server:
            return await order(folder, "pull", bank="90010000", link=None), heard

    return asyncio.run(play())


def test_an_order_is_one_line_and_its_answer_another(tmp_path):
    said, heard = answered(tmp_path, b'{"ok": true, "in_flight": 3}\n')
    assert said == {"ok": True, "in_flight": 3} and heard == [{"do": "pull", "bank": "90010000"}]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"ok": false, "error": "no such bank"}\n', "no such bank"),
        (b'{"ok": false}\n', "refused"),
        (b"nonsense\n", "cannot be reached"),
        (b"", "cannot be reached"),
        (b"[1]\n", "cannot be reached"),
    ],
)
def test_a_city_that_refuses_or_babbles(tmp_path, answer, words):
    with pytest.raises(CityRefused, match=words):
        answered(tmp_path, answer)


def test_a_city_that_is_not_there(tmp_path):
    with pytest.raises(CityRefused, match="cannot be reached"):
        asyncio.run(order(tmp_path, "kill"))
    with pytest.raises(CityRefused, match="cannot be reached"):
        asyncio.run(order(tmp_path / "none", "kill"))


def test_a_deep_folder_is_no_trouble(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    monkeypatch.setattr(city, "_PATIENCE_S", 0.3)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("city.sock")
        server.listen()
        with pytest.raises(CityRefused, match="does not answer"):
            asyncio.run(order(deep, "state"))
