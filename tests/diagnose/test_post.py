"""The sender against real HTTP servers: one that hears, one that is dead, one that only takes time."""

import contextlib
import http.server
import json
import logging
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from posswitch.diagnose import post as post_room
from posswitch.diagnose.acks import ACKS, KEPT_MAX, AckReader, acknowledge, read_acks
from posswitch.diagnose.incident import Incident, Phase
from posswitch.diagnose.letters import Worded
from posswitch.diagnose.notify import ack_key
from posswitch.diagnose.post import QUEUE_MAX, Heartbeat, Post, address_known, tried
from posswitch.settings.notify import NotifyPlan, Receiver

LETTER = Worded("标题 title", "第一行\nsecond line & <more>")
KEY = "S3cretT0kenOfTheService"
PATIENCE_S = 20.0


class Watchdog:
    """A server that keeps what it was sent; `answers` are the statuses of its first answers."""

    def __init__(self, answers=(), slow_s=0.0):
        self.heard, self.answers, self.slow_s = [], [*answers], slow_s
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                time.sleep(outer.slow_s)
                outer.heard.append((self.command, self.path, json.loads(body) if body else None))
                self.send_response(outer.answers.pop(0) if outer.answers else 200)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.at = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def watchdog():
    with contextlib.ExitStack() as stack:

        def made(*args, **more):
            one = Watchdog(*args, **more)
            stack.callback(one.server.server_close)
            stack.callback(one.server.shutdown)
            return one

        yield made


@pytest.fixture
def deaf():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as taken:
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def dead():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def receiver(at, name="duty"):
    return Receiver(name, f"json://{at}/{KEY}")


def posted(*to, pauses_s=(0.05, 0.05)):
    lines = []
    return Post(NotifyPlan(tuple(to)), lines.append, pauses_s=pauses_s), lines


def until(true, patience_s=PATIENCE_S):
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.01)


def test_a_letter_arrives_as_it_is(watchdog):
    house = watchdog()
    post, lines = posted(receiver(house.at))
    post.send("duty", LETTER)
    until(lambda: house.heard)
    method, path, said = house.heard[0]
    assert (method, path) == ("POST", f"/{KEY}")
    assert said["title"] == LETTER.title and said["message"] == LETTER.body
    post.close()
    assert lines == []


def test_letters_keep_their_order(watchdog):
    house = watchdog()
    post, _ = posted(receiver(house.at))
    for number in range(10):
        post.send("duty", Worded(f"number {number}", "x"))
    until(lambda: len(house.heard) == 10)
    assert [said["title"] for *_, said in house.heard] == [f"number {number}" for number in range(10)]
    post.close()


def test_a_letter_is_tried_again(watchdog):
    house = watchdog(answers=[500, 503])
    post, lines = posted(receiver(house.at))
    post.send("duty", LETTER)
    until(lambda: len(house.heard) == 3)
    until(lambda: "1 delivered" in repr(post))
    assert len(lines) == 1 and "tried again" in lines[0]
    post.close()


def test_in_the_end_it_is_given_up_and_the_next_one_goes(watchdog):
    house = watchdog(answers=[500] * 3)
    post, lines = posted(receiver(house.at))
    post.send("duty", LETTER)
    post.send("duty", Worded("next", "x"))
    until(lambda: len(house.heard) == 4)
    until(lambda: "1 delivered, 1 given up" in repr(post))
    assert "given up" in lines[-1] and house.heard[-1][2]["title"] == "next"
    post.close()


def test_pauses_grow():
    assert [*post_room.PAUSES_S] == sorted(set(post_room.PAUSES_S)) and sum(post_room.PAUSES_S) < 600


def test_a_dead_receiver_holds_nobody_up(watchdog, deaf):
    """Neither whoever sends nor the other receivers; its queue has an end."""
    house = watchdog()
    post, lines = posted(receiver(dead(), "dead"), receiver(deaf, "deaf"), receiver(house.at))
    began_s = time.monotonic()
    for number in range(10 * QUEUE_MAX):
        post.send("dead", LETTER)
        post.send("deaf", LETTER)
        if number < 5:
            post.send("duty", LETTER)
    assert time.monotonic() - began_s < 1.0
    until(lambda: len(house.heard) == 5)
    for name in ("dead", "deaf"):
        waiting, overflown = map(
            int, re.search(rf"to {name}: (\d+) waiting.*?(\d+) overflown", repr(post)).groups()
        )
        assert waiting <= QUEUE_MAX and overflown >= 9 * QUEUE_MAX - 5
    until(lambda: lines)
    assert not any(KEY in line or "127.0.0.1" in line for line in lines)
    began_s = time.monotonic()
    post.close()
    assert time.monotonic() - began_s < 2 * post_room._CLOSE_S


def test_a_deaf_receiver_is_left_after_some_seconds(deaf):
    began_s = time.monotonic()
    assert tried(receiver(deaf), LETTER)
    assert time.monotonic() - began_s < 10


def test_an_address_that_changes_in_its_file_is_used(watchdog, tmp_path):
    first, second = watchdog(), watchdog()
    file = tmp_path / "duty.url"
    file.write_text(f"json://{first.at}/{KEY}\n")
    file.chmod(0o600)
    one = Receiver("duty", file)
    assert tried(one, LETTER) == ""
    file.write_text(f"json://{second.at}/{KEY}\n")
    assert tried(one, LETTER) == ""
    assert len(first.heard) == len(second.heard) == 1
    file.chmod(0o644)
    assert "others may read" in tried(one, LETTER) and len(second.heard) == 1


@pytest.mark.parametrize(
    "at", ["json://127.0.0.1:1/", f"json://user:{KEY}@127.0.0.1:1/", "nonsense://", "slack://"]
)
def test_no_secret_comes_out_when_it_fails(at, capfd, caplog):
    """Not on either stream, in no log record, in no reason."""
    logging.getLogger().setLevel(logging.DEBUG)
    why = tried(Receiver("duty", f"{at}{KEY}"), LETTER)
    out, err = capfd.readouterr()
    assert why and KEY not in why + out + err + caplog.text


def test_whatever_a_plug_in_raises_is_only_named():
    def fails(url, _):
        raise ValueError(url)

    assert tried(receiver("127.0.0.1:1"), LETTER, fails) == "ValueError"


def test_nothing_shows_an_address(tmp_path):
    plan = NotifyPlan((receiver("127.0.0.1:1"),), heartbeat_url=f"http://127.0.0.1/{KEY}")
    post = Post(plan, lambda _: None)
    heartbeat = Heartbeat(plan.heartbeat_url, 60, lambda _: None)
    assert not any(KEY in repr(one) + str(one) for one in (plan, plan.to, post, heartbeat))
    post.close()
    heartbeat.close()


def test_addresses_that_apprise_knows():
    known = (
        "wecombot://12345678-abcd", "feishu://12345678", "dingtalk://12345678", "json://127.0.0.1/",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops", "mailtos://user:pass@example.com",
    )  # fmt: skip
    assert [one for one in known if not address_known(one)] == []
    assert not address_known("nonsense://x") and not address_known("slack://x")


# the heartbeat


def test_the_heartbeat_stops_with_the_node(watchdog):
    house, lines = watchdog(), []
    heartbeat = Heartbeat(f"http://{house.at}/{KEY}", 1, lines.append)
    second = 10**9
    for step in range(8):  # a quarter of a second each
        heartbeat.beat(step * second // 4, alive=True)
        time.sleep(0.05)
    until(lambda: heartbeat.beats == 2)
    for step in range(8, 40):
        heartbeat.beat(step * second // 4, alive=False)
    time.sleep(0.2)
    assert len(house.heard) == 2
    heartbeat.beat(40 * second // 4, alive=True)
    until(lambda: len(house.heard) == 3)
    assert [*{(method, path) for method, path, _ in house.heard}] == [("GET", f"/{KEY}")] and not lines
    heartbeat.close()


def test_a_watchdog_that_is_gone_is_said_once_and_holds_nobody_up(watchdog, deaf):
    lines = []
    heartbeat = Heartbeat(f"http://{dead()}/{KEY}", 1, lines.append)
    for step in range(5):
        heartbeat.beat(step * 10**9, alive=True)
        time.sleep(0.05)
    until(lambda: lines)
    assert len(lines) == 1 and KEY not in lines[0] and "the last one not" in repr(heartbeat)
    heartbeat.close()
    waiting = Heartbeat(f"http://{deaf}/{KEY}", 1, lines.append)
    began_s = time.monotonic()
    for step in range(1000):
        waiting.beat(step * 10**9, alive=True)
    assert time.monotonic() - began_s < 0.5
    waiting.close()


# acknowledgements


def incident(number=1, **more):
    return Incident(number, Phase.CONFIRMED, "", "", {}, 1, 2, 3, **more)


def test_acknowledgements(tmp_path):
    assert read_acks(tmp_path) == {} and AckReader(tmp_path).read() == {}
    acknowledge(tmp_path, incident(), "Li Lei", 5)
    reader = AckReader(tmp_path)
    assert reader.read()[ack_key(incident())].by == "Li Lei"
    acknowledge(tmp_path, incident(), "韩梅梅", 6)
    assert reader.read()[ack_key(incident())] == ("韩梅梅", 6)
    assert ack_key(incident(opened_again=1)) not in reader.read()
    assert (tmp_path / ACKS).stat().st_mode & 0o077 == 0


def test_old_acknowledgements_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr("posswitch.diagnose.acks.KEPT_MAX", 20)
    for number in range(50):
        acknowledge(tmp_path, incident(number), "Li Lei", number)
    assert sorted(number for number, *_ in read_acks(tmp_path)) == [*range(30, 50)] and KEPT_MAX == 1000


def test_a_damaged_file_stops_nothing(tmp_path):
    acknowledge(tmp_path, incident(), "Li Lei", 5)
    reader = AckReader(tmp_path)
    assert len(reader.read()) == 1
    Path(tmp_path / ACKS).write_bytes(b"nonsense" * 1000)
    assert len(reader.read()) == 1
