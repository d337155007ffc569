"""The page without a browser: what it says, what its buttons do, that it only tells what has changed."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

import pytest
from nicegui import Client
from nicegui.testing.user_simulation import user_simulation
from puppet import watching

from posswitch.base.codes import CODES
from posswitch.console import page as room
from posswitch.console.page import House, Page
from posswitch.console.runner import Runner
from posswitch.console.sessions import Sessions
from posswitch.console.words import LANGUAGES, saying
from posswitch.office.why_words import said
from posswitch.settings.clock import SystemClock


class Reader:
    """Somebody in front of the page."""

    def __init__(self, user, page, client):
        self.user, self.page, self.client = user, page, client

    def elements(self, name):
        return [one for one in self.client.elements.values() if name in one.classes]

    def text(self, name):
        return self.elements(name)[0].text

    def whole(self):
        return "\n".join(getattr(one, "text", "") or "" for one in self.client.elements.values())

    async def press(self, element, *said):
        args = [json.dumps(one) for one in said]
        for listener in list(element._event_listeners.values()):
            if listener.type in ("click", "submit"):
                self.client.handle_event({"id": element.id, "listener_id": listener.id, "args": args})
        await asyncio.sleep(0.05)

    def named(self, label):
        return next(one for one in self.client.elements.values() if getattr(one, "text", "") == label)

    def tile(self, name):
        return next(one for one in self.client.elements.values() if one.props.get("data-tile") == name)


def looked_at(puppet, lang, script, *, logged_in=True):
    """Opens the page in a language and plays `script` with its reader."""

    async def play():
        clock = SystemClock()
        sessions = Sessions(clock.wall_ns, clock.entropy)
        session = sessions.known(sessions.begin(sessions.new_key())) if logged_in else None
        path = puppet.config.data.parent / "posswitch.toml"
        house = House(path, puppet.config, clock, watching(puppet), sessions, Runner())
        made = []

        def root():
            made.append(Page(house, lang, session))
            made[0].show(house.watch.look())

        async with user_simulation(root) as user:
            client = await user.open("/")
            reader = Reader(user, made[0], client)
            reader.house, reader.session = house, session
            try:
                await script(reader)
            finally:
                await house.runner.close()
                Client.page_routes.clear()

    asyncio.run(play())


def again(reader):
    """A second later."""
    scene = reader.house.watch.look()
    reader.page.show(scene)
    return scene


WELL = {"zh": "交换中心正常", "en": "The switching centre is normal"}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_all_is_well(puppet, lang):
    async def script(reader):
        assert reader.text("said") == WELL[lang]
        assert "well" in reader.elements("sentence")[0].classes
        assert all("well" in one.classes for one in reader.elements("tile"))
        assert len(reader.elements("tile")) == 10 and len(reader.elements("bank")) == 4
        assert reader.elements("drill")[0].props.get("hidden")  # no city takes orders

    looked_at(puppet, lang, script)


@pytest.mark.parametrize(
    ("lang", "bank", "known"), [("zh", "乙银行", "单向不通"), ("en", "Bank B", "One-way line")]
)
def test_an_incident_is_told_with_everything(puppet, lang, bank, known):
    async def script(reader):
        number = puppet.noticed("90020000", [0])
        puppet.say()
        again(reader)
        assert bank in reader.text("said") and "ill" in reader.elements("sentence")[0].classes
        assert [one for one in ("network", "transmission") if "ill" in reader.tile(one).classes]
        whole = reader.whole()
        assert known in whole and "93%" in whole and f"#{number}" in whole
        message = next(one for one in reader.client.elements.values() if "message" in one.classes)
        assert "21" in message.props["value"]
        puppet.resolved(number)
        puppet.say()
        again(reader)
        assert reader.text("said") == WELL[lang] and "none" in reader.elements("incident")[0].classes
        row = next(one for one in reader.client.elements.values() if one.props.get("data-incident") == number)
        await reader.press(row)
        assert "over" in reader.elements("incident")[0].classes  # a person looks at one that is over

    looked_at(puppet, lang, script)


@pytest.mark.parametrize(
    ("lang", "words"), [("zh", "异常：交换中心停了"), ("en", "Abnormal: the centre is down")]
)
def test_a_dead_node_is_said_whatever_diagnosis_says(puppet, lang, words):
    async def script(reader):
        puppet.do({"do": "kill"})
        again(reader)
        assert reader.text("said") == words and "gone" in reader.elements("centre")[0].classes
        assert all("unknown" in one.classes for one in reader.elements("bank"))
        assert "ill" in reader.tile("faults").classes and "unknown" in reader.tile("network").classes
        puppet.start_node()
        puppet.period()
        again(reader)
        assert reader.text("said") == WELL[lang]
        assert not reader.elements("restart")[0].props.get("hidden")

    looked_at(puppet, lang, script)


@pytest.mark.parametrize(("lang", "words"), [("zh", "诊断已停"), ("en", "Diagnosis has been silent")])
def test_diagnosis_that_is_silent_is_not_believed(puppet, lang, words):
    async def script(reader):
        at_ns = SystemClock().wall_ns() - 60 * 10**9
        puppet.shelf.say(
            at_ns, {"sentence_zh": "好", "sentence_en": "good", "well": True, "open": [], "tiles": {}}
        )
        again(reader)
        assert words in reader.text("note") and "blind" in reader.elements("sentence")[0].classes
        assert all("unknown" in one.classes for one in reader.elements("tile"))

    looked_at(puppet, lang, script)


def test_a_damaged_diagnosis_breaks_nothing(puppet):
    puppet.shelf.close()
    (puppet.data / "diagnosis.db").write_bytes(b"no database at all" * 1000)

    async def script(reader):
        assert "blind" in reader.elements("sentence")[0].classes and len(reader.elements("bank")) == 4

    looked_at(puppet, "en", script)


def test_what_has_not_changed_is_not_told(puppet):
    async def script(reader):
        scene = again(reader)
        await asyncio.sleep(0.1)
        reader.client.outbox.updates.clear()
        reader.page.show(scene._replace(at_ns=scene.at_ns + 10**9))
        told = [element.text for element in reader.client.outbox.updates.values()]
        assert len(told) == 1  # the clock

    looked_at(puppet, "zh", script)


ANSWERS = {
    "96": (CODES["96"].meaning_zh, CODES["96"].meaning_en),
    "10000001 000003": (CODES["51"].meaning_zh.rstrip("。"), CODES["51"].meaning_en.rstrip(".")),
    "000003": (
        saying("zh")("story.trace-alone", stan="000003"),
        saying("en")("story.trace-alone", stan="000003"),
    ),
    "hello": (saying("zh")("story.not-understood"), saying("en")("story.not-understood")),
    "10000001 000777": said("find", "none"),
}


@pytest.mark.parametrize("typed", ANSWERS)
@pytest.mark.parametrize("place", [0, 1])
def test_a_receipt_is_answered(puppet, typed, place):
    async def script(reader):
        assert ANSWERS[typed][place] not in reader.whole()
        await reader.press(next(one for one in reader.client.elements.values() if one.tag == "form"), typed)
        for _ in range(100):
            if "open" in reader.elements("sheet")[0].classes:
                break
            await asyncio.sleep(0.05)
        assert ANSWERS[typed][place] in reader.whole()

    looked_at(puppet, LANGUAGES[place], script)


def test_a_remedy_shows_its_command_and_what_it_prints(puppet):
    async def script(reader):
        await reader.press(reader.named("Explain 51"))
        for _ in range(400):
            if "exit 0" in reader.whole():
                break
            await asyncio.sleep(0.05)
        assert reader.text("command").startswith("$ posswitch explain 51 --lang en")
        printed = next(one for one in reader.client.elements.values() if one.tag == "pre")
        assert printed.text.startswith("51:")
        await reader.press(reader.named("Close"))
        assert "open" not in reader.elements("sheet")[0].classes

    looked_at(puppet, "en", script)


@pytest.mark.parametrize("how", ["nobody", "logged out"])
def test_without_a_session_no_button_does_anything(puppet, how, monkeypatch):
    ordered = []
    monkeypatch.setattr(room, "order", lambda *words, **more: ordered.append(words))

    async def script(reader):
        if how == "logged out":
            reader.house.sessions.end(reader.session)
        await reader.press(reader.named("Explain 51"))
        await reader.press(next(one for one in reader.client.elements.values() if one.tag == "form"), "96")
        await reader.page._order("kill")
        assert "open" not in reader.elements("sheet")[0].classes and not ordered
        assert repr(reader.house.runner) == "<0 runs>"

    looked_at(puppet, "en", script, logged_in=how != "nobody")


def test_who_leaves_has_no_session_any_more(puppet):
    async def script(reader):
        await reader.press(reader.named("Log out"))
        assert not reader.house.sessions.stands(reader.session)

    looked_at(puppet, "en", script)


def test_cables_are_pulled_and_the_node_is_killed_only_at_the_second_press(puppet, monkeypatch):
    ordered = []

    async def order(folder, do, **more):
        ordered.append((do, more.get("bank"), more.get("link")))
        return puppet.do({"do": "state"}) if do == "state" else {}

    monkeypatch.setattr(room, "order", order)

    async def script(reader):
        reader.page.show(again(reader)._replace(city=True))
        await asyncio.sleep(0.05)
        pull = next(
            one for one in reader.client.elements.values() if one.props.get("data-drill") == "90020000/1"
        )
        assert pull.text == "Pull 1"
        await reader.press(pull)
        assert pull.text == "Plug in 1"
        await reader.press(pull)
        whole = next(
            one for one in reader.client.elements.values() if one.props.get("data-drill") == "90030000/all"
        )
        await reader.press(whole)
        assert whole.text == "Plug it in" and [one.text for one in reader.elements("out")][1:] == [
            "Plug in 1",
            "Plug in 2",
        ]
        kill = reader.named("Kill the node (kill -9)")
        await reader.press(kill)
        assert kill.text == "Press again to confirm" and "kill" not in [do for do, *_ in ordered]
        await reader.press(kill)
        told = [one for one in ordered if one[0] != "state"]
        assert told == [
            ("pull", "90020000", 0),
            ("plug", "90020000", 0),
            ("pull", "90030000", None),
            ("kill", None, None),
        ]

    looked_at(puppet, "en", script)


def test_one_page_that_fails_keeps_no_other_from_the_next_scene(puppet, capsys):
    watch, seen = watching(puppet), []
    watch.follow("bad", lambda scene: SimpleNamespace().nothing)
    watch.follow("good", seen.append)

    async def play():
        task = asyncio.create_task(watch.run())
        await asyncio.sleep(0.2)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(play())
    assert len(seen) == 1 and "AttributeError" in capsys.readouterr().err


def test_nobody_looks_and_nothing_is_read(puppet, monkeypatch):
    watch, looks = watching(puppet), []
    monkeypatch.setattr(watch, "look", lambda: looks.append(1))

    async def play():
        task = asyncio.create_task(watch.run())
        await asyncio.sleep(0.1)
        assert not looks
        watch.follow("page", lambda scene: None)
        await asyncio.sleep(0.1)
        assert looks
        task.cancel()

    asyncio.run(play())
