"""The page without a browser: what it says, what its buttons do, that it only tells what has changed."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from puppet import watching
from reader import again, looked_at

from posswitch.base.codes import CODES
from posswitch.console import page as room
from posswitch.console.words import LANGUAGES, saying
from posswitch.office.why_words import said
from posswitch.settings.clock import SystemClock

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


@pytest.mark.parametrize(
    ("lang", "words"),
    [("zh", "异常：乙银行没有可用的线路"), ("en", "Abnormal: no link to Bank B takes payments")],
)
def test_a_bank_without_links_is_said_before_diagnosis_has_judged_it(puppet, monkeypatch, lang, words):
    async def script(reader):
        monkeypatch.setattr(puppet, "fenced", lambda bank: bank == "90020000")
        puppet.since["90020000", 0] = puppet.since["90020000", 1] = 0.0
        puppet.pulled.add(("90020000", 0))
        puppet.period()
        again(reader)
        assert reader.text("said") == WELL[lang]  # the other link serves
        puppet.pulled.add(("90020000", 1))
        puppet.period()
        again(reader)
        assert reader.text("said") == words and "ill" in reader.elements("sentence")[0].classes
        assert "ill" in reader.tile("network").classes and "well" in reader.tile("faults").classes
        puppet.noticed("90020000", [0, 1])
        puppet.say()
        again(reader)
        assert reader.text("said") not in (words, WELL[lang])  # now diagnosis speaks

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


def incident_on(reader):
    """The number that the panel of the incident shows."""
    return next(one.text for one in reader.elements("number") if one.text.startswith("#"))


def test_what_is_open_comes_before_what_has_ended_though_that_was_chosen(puppet):
    async def script(reader):
        def chosen(number):
            return next(
                one for one in reader.client.elements.values() if one.props.get("data-incident") == number
            )

        first = puppet.noticed("90020000", [0])
        puppet.say()
        again(reader)
        await reader.press(chosen(first))
        puppet.resolved(first)
        puppet.say()
        again(reader)
        assert incident_on(reader) == "#1"  # nothing else is open: what was chosen stays
        second = puppet.noticed("90030000", [0])
        puppet.say()
        again(reader)
        assert incident_on(reader) == "#2" and "open" in reader.elements("incident")[0].classes
        await reader.press(chosen(first))  # somebody looks into the past, and knows what is open
        again(reader)
        assert incident_on(reader) == "#1" and second == 2
        puppet.noticed("90040000", [0])
        puppet.say()
        again(reader)
        assert incident_on(reader) in ("#2", "#3")

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
