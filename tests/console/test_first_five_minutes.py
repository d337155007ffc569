"""The first five minutes in a real browser, in both languages, against a city that pretends and the real one.

All is well, a cable is pulled, a receipt is looked up, the node is killed and comes back, the cable is
plugged in. `POSSWITCH_PICTURES=DIR` keeps pictures of them.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from posswitch.diagnose.shelf import read_now
from posswitch.journal.disk import MACHINE
from posswitch.journal.story import PAYMENTS, case_of, view

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium")
PICTURES = os.environ.get("POSSWITCH_PICTURES")
LOCALES = {"zh": "zh-CN", "en": "en-US"}
NORMAL = {"zh": re.compile("正常"), "en": re.compile("normal|well")}
BANK = {"zh": "乙银行", "en": "Bank B"}
WHY = {"zh": "为什么", "en": "Why"}
TURNS_MS = 5_000  # issue 7: the sentence turns within five seconds
HEALS_MS = 60_000
ALL_WELL = "main:has(.sentence.well) .tile.well"
LEARNS_S = 40  # diagnosis raises nothing before it knows what is usual
LINK = re.compile(r"http://127\.0\.0\.1:\d+/\?key=[0-9a-f]{32}")


class Pretended:
    """The puppet, and a screen before it."""

    def __init__(self, folder):
        words = [sys.executable, str(HERE / "puppet.py"), str(folder)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"
        self.config, self.data = folder / "posswitch.toml", folder / "data"
        words = [sys.executable, "-m", "posswitch", "console", "-c", str(self.config), "--no-browser"]
        self.screen = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.link = self.screen.stdout.readline().strip()

    def close(self):
        self.screen.terminate()
        self.screen.communicate(timeout=10)
        self._process.communicate("", timeout=20)


class Real:
    """`make run`: a calm city, its switch, diagnosis and the screen beside it."""

    def __init__(self, folder):
        words = [sys.executable, "-m", "posswitch", "demo", "--calm", "--tps", "150", "--data", str(folder)]
        self._log = folder.parent / "demo.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
        self.config, self.data = folder / "posswitch.toml", folder / "data"
        ends = time.monotonic() + 60
        while not (found := LINK.search(self._log.read_text())) or not self._diagnosed():
            assert time.monotonic() < ends and self._process.poll() is None, self._log.read_text()[-2000:]
            time.sleep(0.2)
        self.link = found[0]
        time.sleep(LEARNS_S)

    def _diagnosed(self):
        with contextlib.suppress(apsw.Error):  # its tables are being made
            return read_now(self.data) is not None

    def close(self):
        """Nothing is lost by the books of banks and terminals."""
        self._process.terminate()
        try:
            self._process.wait(100)
        finally:
            self._process.kill()
        counted = json.loads(self._log.read_text().partition("\n{")[2].join(("{", "")))
        assert (counted["lost"], counted["duplicated"], counted["unknown"]) == (0, 0, 0)
        assert counted["verify"] == "ok"


@pytest.fixture(params=[Pretended, Real])
def city(request, tmp_path):
    made = request.param(tmp_path / "city")
    yield made
    made.close()


@pytest.fixture
def browser():
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


def failed_receipt(data):
    """Reference number of a payment that was not paid."""
    with view(data, MACHINE) as db:
        sql = f"{PAYMENTS} WHERE state IN ('declined', 'reversed') ORDER BY payment DESC LIMIT 1"
        return case_of("1", db.execute(sql).fetchone())


class Minutes:
    """One person, one browser, one language."""

    def __init__(self, browser, link, lang, name):
        size = {"width": 1280, "height": 800}
        self._context = browser.new_context(locale=LOCALES[lang], viewport=size, color_scheme="light")
        self.page, self.lang, self._name = self._context.new_page(), lang, name
        self.elsewhere, self.errors = [], []
        own = link.partition("?")[0]
        self.page.on(
            "request", lambda one: None if one.url.startswith(own) else self.elsewhere.append(one.url)
        )
        self.page.on("websocket", lambda one: None if own[7:] in one.url else self.elsewhere.append(one.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(link)

    def picture(self, name):
        if PICTURES and self._name == "Pretended":
            time.sleep(2.5)
            self.page.screenshot(path=f"{PICTURES}/{name}-{self.lang}.png")

    def sentence(self, tone, timeout):
        self.page.wait_for_selector(f".sentence.{tone}", timeout=timeout)
        return self.page.inner_text(".said")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_first_five_minutes(city, browser, lang):
    person = Minutes(browser, city.link, lang, type(city).__name__)
    page = person.page
    # All is normal; ten tiles, no link ill.
    page.wait_for_function(f"document.querySelectorAll('{ALL_WELL}').length === 10", timeout=HEALS_MS)
    assert NORMAL[lang].search(person.sentence("well", TURNS_MS)) and page.url.endswith(f"/{lang}")
    assert page.locator(".bank").count() == 4 and page.locator(".bank .link i.up").count() == 8
    person.picture("normal")
    # Pull a bank's cable: the sentence turns, with cause, evidence and action.
    began = time.monotonic()
    page.click("[data-drill='90020000/all']")
    turned = person.sentence("ill", TURNS_MS)
    assert time.monotonic() - began <= TURNS_MS / 1000
    assert BANK[lang] in turned
    page.wait_for_selector(".tile.ill[data-tile=network]", timeout=TURNS_MS)
    page.wait_for_selector(".incident.open .guess", timeout=15_000)
    page.wait_for_selector(".incident.open .evidence.for li", timeout=15_000)
    page.wait_for_selector(".incident.open .deed", timeout=15_000)
    assert WHY[lang] in page.inner_text(".incident")
    page.wait_for_selector("[data-bank='90020000'] .link i.fenced", timeout=15_000)
    person.picture("pulled")
    # Type a failed receipt and read its story.
    case = failed_receipt(city.data)
    page.fill("#receipt", case.rrn)
    page.keyboard.press("Enter")
    page.wait_for_selector(".sheet.open .facts", timeout=10_000)
    assert case.rrn in page.inner_text(".sheet") and case.stan in page.inner_text(".sheet")
    page.keyboard.press("Escape")
    page.wait_for_selector(".sheet:not(.open)", state="attached")
    # Kill the node: the screen says so, and it comes back with nothing lost.
    for _ in range(2):
        page.click("[data-drill=kill]")
    page.wait_for_selector(".restart:not([hidden])", timeout=20_000)
    page.wait_for_selector(".centre.up", timeout=20_000)
    # Plug the cable in: resolved.
    page.click("[data-drill='90020000/all']")
    assert NORMAL[lang].search(person.sentence("well", HEALS_MS))
    page.wait_for_selector(".recent .phase.resolved", timeout=10_000)
    assert not person.elsewhere and not person.errors
    _verified(city)


def _verified(city):
    """Nothing is lost by the journal's own account."""
    words = [sys.executable, "-m", "posswitch", "verify", "-c", str(city.config)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout == "ok\n", done.stdout + done.stderr
    with apsw.Connection(str(city.data / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY) as db:
        assert db.execute("SELECT count(*) FROM payment WHERE state = 'needs-owner'").fetchone() == (0,)


@pytest.mark.parametrize("city", [Pretended], indirect=True)
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_operations_room_and_a_phone(city, browser, width, height, scheme):
    context = browser.new_context(
        locale="zh-CN",
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        device_scale_factor=2,
    )
    page = context.new_page()
    page.goto(city.link)
    page.wait_for_selector(".sentence.well", timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shown = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", shown)[:3])) < 200) is (scheme == "dark")
    small = page.evaluate(
        "[...document.querySelectorAll('.page *')].filter(e => e.childNodes.length && "
        "[...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && "
        "parseFloat(getComputedStyle(e).fontSize) < 11).length"
    )
    assert small == 0
    if PICTURES and (width, scheme) in ((1280, "dark"), (390, "light")):
        page.click("[data-drill='90020000/1']", force=True)
        page.wait_for_selector(".sentence.ill", timeout=10_000)
        time.sleep(3)
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=f"{PICTURES}/{'phone' if width < 1000 else 'night'}.png")


@pytest.mark.parametrize("city", [Pretended], indirect=True)
def test_a_screen_that_stands_still_says_so(city, browser):
    page = browser.new_context(locale="zh-CN").new_page()
    page.goto(city.link)
    page.wait_for_selector(".sentence.well", timeout=30_000)
    assert not page.is_visible(".stands-still")
    city.screen.kill()
    page.wait_for_selector(".stands-still", state="visible", timeout=12_000)
