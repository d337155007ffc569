"""The first five minutes in a real browser, in both languages, against a city that pretends and the real one.

All is well, a cable is pulled, a receipt is looked up, the node is killed and comes back, the cable is
plugged in. `POSSWITCH_PICTURES=DIR` keeps pictures of the real one; `pytest -rP` says how long each
step took.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time

import apsw
import pytest
from cities import Pretended, Real
from looks import hidden_focus, wrong_with

from posswitch.journal.disk import MACHINE
from posswitch.journal.story import PAYMENTS, case_of, view

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]  # root in a container can have neither
PICTURES = os.environ.get("POSSWITCH_PICTURES")
LOCALES = {"zh": "zh-CN", "en": "en-US"}
NORMAL = {"zh": re.compile("正常"), "en": re.compile("normal|well")}
BANK = {"zh": "乙银行", "en": "Bank B"}
WHY = {"zh": "为什么", "en": "Why"}
PULLED, CABLE = "90020000", "[data-drill='90020000/all']"
TURNS_S = 5.0  # issue 7: the sentence turns, with cause, evidence and action
TELLS_MS = 15_000
HEALS_MS = 100_000  # usually 30; where nothing comes any more diagnosis waits 45 s, and 10 s more
SIZE = {"width": 1440, "height": 900}
ALL_WELL = "() => document.querySelectorAll('main:has(.sentence.well) .tile.well').length === 10"
NONE_OPEN = "() => !document.querySelector('.recent .entry:not(.over)')"
TURNED = "(bank) => document.querySelector('.sentence.ill .said')?.textContent.includes(bank)"
TOLD = """(bank) => {
  const told = document.querySelector(".incident.open");
  return told?.querySelector("h3").textContent.includes(bank) && told.querySelector(".guess")
    && told.querySelector(".evidence.for li") && told.querySelector(".deed");
}"""


@pytest.fixture
def city(request, tmp_path):
    made = getattr(request, "param", Pretended)(tmp_path / "city")
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def visitor(browser):
    """Opens a link in a language; everybody leaves at the end."""
    with contextlib.ExitStack() as leaving:
        yield lambda link, lang: leaving.enter_context(contextlib.closing(Person(browser, link, lang)))


def failed_receipt(data):
    """A payment that was not paid."""
    with view(data, MACHINE) as db:
        sql = f"{PAYMENTS} WHERE state IN ('declined', 'reversed') ORDER BY payment DESC LIMIT 1"
        return case_of("1", db.execute(sql).fetchone())


class Person:
    """One browser in one language; whatever it asks of another address and every error is kept."""

    def __init__(self, browser, link, lang):
        self._context = browser.new_context(
            locale=LOCALES[lang], viewport=SIZE, color_scheme="light", reduced_motion="reduce"
        )
        self.page, self.lang = self._context.new_page(), lang
        self.elsewhere, self.errors = [], []
        own = link.partition("?")[0]
        self.page.on(
            "request", lambda one: None if one.url.startswith(own) else self.elsewhere.append(one.url)
        )
        self.page.on("websocket", lambda one: None if own[7:] in one.url else self.elsewhere.append(one.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(link)

    def close(self):
        self._context.close()

    def picture(self, name):
        """For people: a desk's and a phone's."""
        for kind, width, height in (("", 1280, 800), ("-phone", 390, 844)) if PICTURES else ():
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.evaluate("scrollTo(0, 0)")
            self.page.screenshot(path=f"{PICTURES}/{name}{kind}-{self.lang}.png")
        self.page.set_viewport_size(SIZE)

    def all_is_well(self):
        """Ten tiles, no link ill, and a sentence that says so."""
        self.page.wait_for_function(ALL_WELL, timeout=HEALS_MS)
        self.page.wait_for_function(
            "() => document.querySelectorAll('.bank .link i.up').length === 8", timeout=HEALS_MS
        )
        assert NORMAL[self.lang].search(self.page.inner_text(".sentence.well .said"))
        assert self.page.locator(".bank").count() == 4

    def numbers(self, kind):
        """Of the recent incidents that are of this kind."""
        rows = self.page.locator(f".recent .entry{kind}")
        return set(rows.evaluate_all("rows => rows.map(row => row.dataset.incident)"))

    def opens_the_incident(self):
        """Of the bank, whatever else is open."""
        bank = BANK[self.lang]
        self.page.locator(".recent .entry:not(.over)", has_text=bank).first.click(timeout=TELLS_MS)
        self.page.wait_for_function(TOLD, arg=bank, timeout=TELLS_MS)
        assert WHY[self.lang] in self.page.inner_text(".incident")

    def reads_a_receipt(self, case):
        self.page.fill("#receipt", case.rrn)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(".sheet.open .facts", timeout=TELLS_MS)
        told = self.page.inner_text(".sheet")
        assert case.rrn in told and case.stan in told
        self.page.wait_for_function("() => document.activeElement.matches('.sheet .close')")

    def closes_the_sheet(self):
        self.page.keyboard.press("Escape")
        self.page.wait_for_selector(".sheet:not(.open)", state="attached")
        self.page.wait_for_function("() => !document.activeElement.closest('.sheet')")


class Stopwatch:
    """What took how long, printed."""

    def __init__(self):
        self._began = time.monotonic()

    def took(self, what):
        seconds = time.monotonic() - self._began
        print(f"{what}: {seconds:.2f} s")
        return seconds


@pytest.mark.parametrize(
    ("city", "hand"), [(Pretended, "en"), (Real, "zh")], indirect=["city"], ids=["pretended", "real"]
)
def test_the_first_five_minutes(visitor, city, hand):
    """Two people look, each in their own language; one of them does it all."""
    watch = Stopwatch()
    links = {hand: city.link, next(lang for lang in LOCALES if lang != hand): city.another_link()}
    people = [visitor(link, lang) for lang, link in links.items()]
    page = people[0].page
    city.wait_until_it_knows()
    for one in people:
        one.all_is_well()
        assert one.page.url.endswith(f"/{one.lang}")
        assert one.page.get_attribute("html", "lang") == LOCALES[one.lang]
    watch.took("all is well")
    _pictures(city, people, "calm")
    before = [one.numbers("") for one in people]
    _a_cable_is_pulled(people)
    _pictures(city, people, "pulled")
    watch = Stopwatch()
    for one in people:
        one.reads_a_receipt(failed_receipt(city.data))
        _pictures(city, [one], "story")
        one.closes_the_sheet()
    watch.took("receipts")
    watch = Stopwatch()
    for _ in range(2):
        page.click("[data-drill=kill]")
    for one in people:
        one.page.wait_for_selector(".restart:not([hidden])", timeout=20_000)
        one.page.wait_for_selector(".centre.up", timeout=20_000)
    watch.took("the node is back")
    watch = Stopwatch()
    page.click(CABLE)
    for one, past in zip(people, before, strict=True):
        one.all_is_well()
        one.page.wait_for_function(NONE_OPEN, timeout=TELLS_MS)
        assert one.numbers(":has(.phase.resolved)") > past
    watch.took("all is well again")
    assert [(one.elsewhere, one.errors) for one in people] == [([], [])] * 2
    watch = Stopwatch()
    _verified(city)
    watch.took("verified")


def _pictures(city, people, name):
    if PICTURES and isinstance(city, Real):
        time.sleep(7)  # so that they show figures of more than a moment
        for one in people:
            one.picture(name)


def _a_cable_is_pulled(people):
    """The sentence turns, with cause, evidence and action; the bank's links are fenced."""
    watch = Stopwatch()
    people[0].page.click(CABLE)
    for one in people:
        one.page.wait_for_function(TURNED, arg=BANK[one.lang], timeout=1000 * TURNS_S)
        assert watch.took(f"the sentence names the bank ({one.lang})") <= TURNS_S
    for one in people:
        one.page.wait_for_selector(".tile.ill[data-tile=network]", timeout=TELLS_MS)
        one.opens_the_incident()
        assert watch.took(f"cause, evidence and action ({one.lang})") <= TURNS_S
        print(one.page.inner_text(".said"))
    for one in people:
        one.page.wait_for_selector(f"[data-bank='{PULLED}'] .link i.fenced", timeout=TELLS_MS)
    watch.took("the links are fenced")


def _verified(city):
    """Nothing is lost by the journal's own account."""
    words = [sys.executable, "-m", "posswitch", "verify", "-c", str(city.config)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout == "ok\n", done.stdout + done.stderr
    with apsw.Connection(str(city.data / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY) as db:
        assert db.execute("SELECT count(*) FROM payment WHERE state = 'needs-owner'").fetchone() == (0,)


def test_every_state_is_fit_for_eyes_and_for_the_keyboard(visitor, city):
    """In two sizes of an operations room and on a phone, by day and by night, in both languages."""
    for lang, link in (("zh", city.link), ("en", city.another_link())):
        person = visitor(link, lang)
        page, wrong = person.page, []

        def looked_at(state, person=person, wrong=wrong):
            wrong += [f"{person.lang}, {state}, {line}" for line in wrong_with(person.page)]
            person.page.set_viewport_size(SIZE)
            person.page.emulate_media(color_scheme="light")

        person.all_is_well()
        looked_at("calm")
        hidden, count = hidden_focus(page)
        assert not hidden and count >= 30
        page.click(CABLE)
        page.wait_for_function(TOLD, arg=BANK[lang], timeout=TELLS_MS)
        page.wait_for_selector(".deed.good", timeout=TELLS_MS)
        looked_at("pulled")
        person.reads_a_receipt(failed_receipt(city.data))
        looked_at("story")
        person.closes_the_sheet()
        page.click(CABLE)
        page.wait_for_selector(".recent .phase.resolved", timeout=TELLS_MS)
        page.click(".recent .entry")
        page.wait_for_selector(".incident.over", timeout=TELLS_MS)
        looked_at("resolved")
        assert wrong == []
        _night_is_the_systems_until_a_person_says(page)
        person.close()


def _night_is_the_systems_until_a_person_says(page):
    def is_night():
        shown = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", shown)[:3])) < 200

    assert not is_night()
    page.emulate_media(color_scheme="dark")
    assert is_night()
    page.press("button[onclick='posswitchTheme()']", "Enter")
    assert not is_night()
    page.reload()
    page.wait_for_selector(".sentence.well")
    assert not is_night()


def test_a_screen_that_stands_still_says_so(visitor, city):
    person = visitor(city.link, "zh")
    person.all_is_well()
    assert not person.page.is_visible(".stands-still")
    city.screen.kill()
    person.page.wait_for_selector(".stands-still", state="visible", timeout=12_000)
