"""Incidents reach people: diagnosis over a real ring, letters over real HTTP; acknowledgements; the page."""

import contextlib
import http.server
import json
import re
import shlex
import socket
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from random import Random

import pytest
from cli_runs import one_line, posswitch
from msgspec.structs import replace

from one_sale import sale
from posswitch.base.moment import NS_PER_S, of_iso
from posswitch.cli.telling import telling
from posswitch.cli.watching import watching
from posswitch.diagnose.acks import ACKS, read_acks
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.notify import SILENCE_NS, ack_key
from posswitch.diagnose.post import MISSING, address_known
from posswitch.diagnose.shelf import Shelf, read_incidents
from posswitch.edge.vitals import Vitals
from posswitch.journal.vitals import How
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import load_config
from posswitch.settings.notify import NotifyTable, ToTable
from posswitch.sim.city import build_city

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "notify.md").read_text("utf-8")
KEY = "S3cretT0kenOfTheService"
START_NS = of_iso("2026-11-02T12:00:00")
PERIOD_NS = NS_PER_S // 4


class House:
    """Keeps what it is sent."""

    def __init__(self):
        heard = self.heard = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                heard.append(json.loads(body) if body else self.path)
                self.send_response(200)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.at = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def titles(self):
        return [one["title"] for one in self.heard]


def heard():
    one = House()
    yield one
    one.server.shutdown()
    one.server.server_close()


house = pytest.fixture(heard, name="house")
watchdog = pytest.fixture(heard, name="watchdog")


@pytest.fixture
def city(tmp_path):
    one = build_city(tmp_path / "mine", 1, 24)
    one.data.mkdir(mode=0o700, exist_ok=True)
    return one


def add(city, text):
    with city.config.open("a", encoding="utf-8") as file:
        file.write(text)


def to(at, name="duty", more=""):
    return f'\n[[notify.to]]\nname = "{name}"\nurl = "json://{at}/{KEY}"\n{more}\n'


def dead():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def until(true, patience_s=20.0):
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.01)


class Node(SystemClock):
    """What a node says of itself, as fast as it is asked to; the wall clock is its own."""

    def __init__(self, city):
        super().__init__()
        self.config = load_config(city.config, serve=False)
        self.vitals = Vitals(self.config.data)
        self.now_ns = START_NS
        self.random = Random(3)
        self.banks = [*self.config.registry.banks]

    def wall_ns(self):
        return self.now_ns

    def say(self, failing=""):
        for bank in self.banks:
            for _ in range(self.random.randrange(3, 8)):
                number = 10_000_001 + self.random.randrange(24)
                request = replace(
                    sale(1), bank=bank, bin=bank[:6], terminal=str(number), amount_minor=4200,
                    pan_print=self.random.randbytes(16),
                )  # fmt: skip
                wait_ns = int(self.random.lognormvariate(2.9, 0.3) * 1e6)
                if bank == failing:
                    self.vitals.payment(request, "98", How.OVERDUE, 900_000_000, 900_000_000)
                else:
                    code = "00" if self.random.random() < 0.95 else "51"
                    self.vitals.payment(request, code, How.BANK, wait_ns + NS_PER_S // 1000, wait_ns)
        self.vitals.write(self.now_ns, {"open_payments": 3, "queue": 0})


@contextlib.contextmanager
def diagnosed(city):
    """A node, and what makes time pass: so many seconds, one bank failing, or nothing said at all."""
    node = Node(city)
    registry = node.config.registry
    slowest = [0.0]

    def passes(seconds, failing="", *, silent=False):
        for _ in range(round(seconds * NS_PER_S / PERIOD_NS)):
            node.now_ns += PERIOD_NS
            if not silent:
                node.say(failing)
            changed = watch.look()
            began_s = time.perf_counter()
            tell(node.now_ns, changed, speaks=watch.hears(node.now_ns))
            slowest[0] = max(slowest[0], time.perf_counter() - began_s)

    with (
        watching(node.config, registry, node) as watch,
        telling(node.config, registry) as tell,
    ):
        yield node, passes, slowest


def test_from_the_ring_to_the_letter(city, house, capfd):
    """A bank fails, the duty desk is told, a dead receiver holds nothing up, it is over, they are told."""
    add(city, to(house.at) + to(dead(), "dead") + to(house.at, "boss", "after = 600"))
    with diagnosed(city) as (node, passes, slowest):
        passes(60)
        assert house.heard == []
        passes(10, node.banks[1])
        until(lambda: house.heard)
        (letter,) = house.heard
        bank = node.config.registry.banks[node.banks[1]]
        assert bank.name_zh in letter["title"] and bank.name_en in letter["title"]
        assert letter["title"].startswith("[posswitch 1] #1 ") and "--ack" in letter["message"]
        passes(60)
        until(lambda: len(house.heard) >= 2)
        assert "已恢复" in house.titles[-1] and "Over: " in house.titles[-1]
        assert len(house.heard) <= 3, "\n".join(house.titles)
        assert slowest[0] < 0.5
    said = capfd.readouterr().err
    assert "notify dead: not delivered" in said and KEY not in said
    assert not any(one.open for one in read_incidents(node.config.data))


def test_a_silent_node_has_no_heartbeat_and_is_told(city, house, watchdog):
    add(city, f'\n[notify]\nheartbeat_url = "http://{watchdog.at}/{KEY}"\nheartbeat_every = 10\n')
    add(city, to(house.at))
    with diagnosed(city) as (_, passes, _):
        passes(5)
        until(lambda: len(watchdog.heard) == 1)
        passes(10)
        until(lambda: len(watchdog.heard) == 2)
        passes(SILENCE_NS / NS_PER_S + 60, silent=True)
        until(lambda: house.heard)
        assert "没有动静" in house.titles[0] and "says nothing" in house.titles[0]
        assert len(watchdog.heard) == 2
        passes(1)
        until(lambda: len(watchdog.heard) == 3 and len(house.heard) == 2)
        assert "speaks again" in house.titles[1]


# acknowledgements


@pytest.fixture
def open_one(city):
    shelf = Shelf(city.data)
    place = {"bank": next(iter(load_config(city.config, serve=False).registry.banks))}
    one = Incident(7, Phase.CONFIRMED, "iss-slow", "bank", place, START_NS, START_NS, START_NS)
    shelf.keep([one])
    yield one, shelf
    shelf.close()


def test_acknowledged(city, open_one, capsys):
    one, shelf = open_one
    ended = posswitch(capsys, "incident", "7", "-c", city.config, "--ack", "--by", "Li Lei")
    assert ended.code == 0 and "looked after by: Li Lei" in ended.out and "有人在处理: Li Lei" in ended.out
    assert read_acks(city.data)[ack_key(one)].by == "Li Lei"
    ended = posswitch(capsys, "incident", "7", "-c", city.config, "--json")
    assert json.loads(ended.out)["acknowledged"]["by"] == "Li Lei"
    shelf.keep([replace(one, opened_again=1)])
    ended = posswitch(capsys, "incident", "7", "-c", city.config, "--json")
    assert json.loads(ended.out)["acknowledged"] is None


def test_acknowledged_in_vain(city, open_one, capsys):
    one, shelf = open_one
    for words in (("--by", "Li Lei"), ("--ack", "--by", "7")):
        ended = posswitch(capsys, "incident", "7", "-c", city.config, *words)
        assert ended.code == 2 and one_line(ended.err)
    shelf.keep([replace(one, phase=Phase.RESOLVED)])
    ended = posswitch(capsys, "incident", "7", "-c", city.config, "--ack", "--by", "Li Lei")
    assert ended.code == 2 and "is over" in ended.err and not (city.data / ACKS).exists()
    (city.data / ACKS).write_bytes(b"nonsense" * 1000)
    ended = posswitch(capsys, "incident", "7", "-c", city.config)
    assert ended.code == 2 and one_line(ended.err) and ACKS in ended.err


# commands


def test_a_test_to_each(city, house, capsys):
    ended = posswitch(capsys, "incidents", "-c", city.config, "--test-notify")
    assert ended.code == 2 and "docs/notify.md" in ended.err
    add(city, to(house.at))
    ended = posswitch(capsys, "incidents", "-c", city.config, "--test-notify")
    assert (ended.code, ended.out, ended.err) == (0, "duty: sent\n", "")
    assert "测试" in house.titles[0] and "A test" in house.titles[0]
    add(city, to(dead(), "dead"))
    ended = posswitch(capsys, "incidents", "-c", city.config, "--test-notify")
    assert ended.code == 1 and ended.out.splitlines()[0] == "duty: sent"
    assert "dead: the service cannot be reached" in ended.out and KEY not in ended.out + ended.err


def test_check_says_what_apprise_says(city, capsys):
    add(city, '\n[[notify.to]]\nname = "odd"\nurl = "nonsense://{KEY}"\n')
    line = city.config.read_text("utf-8").splitlines().index('url = "nonsense://{KEY}"') + 1
    ended = posswitch(capsys, "check", "-c", city.config)
    (said,) = [one for one in ended.out.splitlines() if "notify" in one]
    assert said.startswith(f"{city.config}:{line}:1: warning: ") and "apprise" in said and KEY not in said


def test_without_apprise_check_and_diagnosis_say_so(city, capsys, monkeypatch):
    add(city, to("127.0.0.1:1"))
    line = city.config.read_text("utf-8").splitlines().index("[[notify.to]]") + 1
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setattr("posswitch.cli.telling.apprise_there", lambda: False)
    ended = posswitch(capsys, "check", "-c", city.config)
    assert ended.code == 0 and f":{line}:1: warning: [[notify.to]]: {MISSING}; " in ended.out
    ended = posswitch(capsys, "incidents", "-c", city.config, "--test-notify")
    assert ended.code == 2 and one_line(ended.err) and MISSING in ended.err
    config = load_config(city.config, serve=False)
    with telling(config, config.registry) as tell:
        tell(1, [], speaks=True)
    assert MISSING in capsys.readouterr().err


# the page


def test_its_example_is_fine(city, capsys):
    (example,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    add(city, "\n" + example)
    for name in re.findall(r'url_file = "(.*)"', example):
        file = city.config.parent / name
        file.write_text("wecombot://12345678-abcd\n")
        file.chmod(0o600)
    ended = posswitch(capsys, "check", "-c", city.config)
    assert ended.code == 0 and "notify" not in ended.out
    plan = load_config(city.config, serve=False).notify
    assert [one.name for one in plan.to] == [row["name"] for row in tomllib.loads(example)["notify"]["to"]]


def test_its_commands_do_what_it_says(city, house, open_one, capsys, monkeypatch):
    monkeypatch.chdir(city.config.parents[1])
    add(city, '\n[[notify.to]]\nname = "duty"\nurl_file = "duty.url"\n')
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    ran = 0
    for line in "".join(blocks).replace("wecombot://KEY", f"json://{house.at}/{KEY}").splitlines():
        if line.startswith("umask"):
            subprocess.run(["sh", "-c", line], check=True)
            continue
        assert posswitch(capsys, *shlex.split(line)[1:]).code == 0, line
        ran += 1
    assert ran == 3 and len(house.heard) == 1 and len(read_acks(city.data)) == 1


def test_its_addresses_are_apprises_and_its_tables_name_every_key():
    shown = [one for one in re.findall(r"`([a-z]+://[^`]+)`", PAGE) if "(" not in one]
    real = {
        "KEY": "12345678-abcd", "SECRET": "SEC123456", "TOKEN": "a1b2c3d4e5f6", "/A/B/C/":
        "/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/",
    }  # fmt: skip
    assert len(shown) >= 5
    for one in shown:
        assert address_known(re.sub("|".join(real), lambda word: real[word[0]], one)), one
    for table in (NotifyTable, ToTable):
        for key in set(table.__struct_fields__) - {"to"}:
            assert re.search(rf"^\| .*`{key}`", PAGE, re.MULTILINE), key
    operating = (DOCS / "operating.md").read_text("utf-8")
    for heading, table in (("[notify]", NotifyTable), ("[[notify.to]]", ToTable)):
        (row,) = [line for line in operating.splitlines() if line.startswith(f"| `{heading}`")]
        assert {key for key in table.__struct_fields__ if key != "to" and f"`{key}`" not in row} == set()
