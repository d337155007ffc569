"""What a support bundle is made of: one function for each member, all of them text, nothing of a card."""

import json
import platform
import tomllib
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import apsw
import msgspec

from posswitch import __version__
from posswitch.base.errors import OfficeError, SecretShut
from posswitch.base.moment import NS_PER_S, clock_text
from posswitch.diagnose.incident import Incident, plain
from posswitch.diagnose.phrases import LANGS
from posswitch.diagnose.places import bank_of, contacts_of, names_of
from posswitch.diagnose.shelf import read_incident, read_incidents, read_now
from posswitch.diagnose.words import explained
from posswitch.edge.start import foreseen
from posswitch.journal.chain import HEAD_BYTES, Chain, read_head
from posswitch.journal.layout import HEAD, LAYOUT_VERSION
from posswitch.journal.story import view
from posswitch.journal.vitals import LAYOUT, VitalsReader
from posswitch.office.inspection import inspect, report
from posswitch.office.inspection_line import Line, Standing
from posswitch.office.inspection_scene import Scene
from posswitch.office.inventory import inventory
from posswitch.office.logbook import around, lines_of, logbook, words_of
from posswitch.office.logbook_sources import NODE_LOG, tail_of
from posswitch.office.masked import masked
from posswitch.office.places import KEYS
from posswitch.office.scan_results import last
from posswitch.office.scan_versions import holes, installed
from posswitch.settings.config import examine

INCIDENTS_MAX = 100
LOG_BYTES, LOG_LINES = 1 << 20, 3_000
GAUGES_EVERY_NS = 5 * NS_PER_S
_PERIODS_MAX = 2_400
_KEYS_MAX = 2_000
_DECIMALS, _LONG = 6, 10**12
_TABLES = ("journal", "payment", "batch", "difference", "counter", "snapshot")
_SCHEMA = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
_STATES = "SELECT state, count(*) FROM payment GROUP BY state ORDER BY state"
_ENDS = "SELECT seq, at_ns FROM journal ORDER BY seq DESC LIMIT 1"


class Subject:
    """What a bundle is about: the scene, and the incident that was named."""

    def __init__(self, scene: Scene, incident: int | None = None) -> None:
        self.scene, self.incident = scene, incident

    def __repr__(self) -> str:
        return f"<bundle of {self.scene!r}, incident {self.incident}>"

    @cached_property
    def lines(self) -> list[Line]:
        """The inspection, made once."""
        return inspect(self.scene)


def verdict(subject: Subject) -> str:
    """The sentence; of each incident what, to do and whom to call; what the inspection finds wrong."""
    lines: list[str] = []
    try:
        lines += _diagnosed(subject)
    except (apsw.Error, msgspec.MsgspecError) as error:
        lines += [f"{text} ({type(error).__name__})" for text in _UNREAD.values()]
    wrong = [line for line in subject.lines if line.standing is Standing.WRONG]
    for text, todo in (("zh", "do_zh"), ("en", "do_en")):
        lines += [""] * bool(wrong)
        lines += [f"{line.check}: {getattr(line, text)}; {getattr(line, todo)}" for line in wrong]
    return "\n".join(lines)


_NO_VERDICT = {"zh": "诊断从未运行，没有结论", "en": "diagnosis never ran here: there is no verdict"}
_UNREAD = {"zh": "诊断文件无法读取，没有结论", "en": "diagnosis.db cannot be read: there is no verdict"}
_CALL = {"zh": "联系人：{who} {circuits}", "en": "contact: {who} {circuits}"}


def _diagnosed(subject: Subject) -> Iterator[str]:
    scene = subject.scene
    now = read_now(scene.data)
    for lang in LANGS:
        yield now[1].get(f"sentence_{lang}", "") if now else _NO_VERDICT[lang]
    for one in read_incidents(scene.data, INCIDENTS_MAX):
        for lang in LANGS if one.open or one.number == subject.incident else ():
            yield ""
            yield from _told(scene, one, lang)


def _told(scene: Scene, one: Incident, lang: str) -> Iterator[str]:
    registry = scene.registry
    contacts = contacts_of(registry)
    said = explained(one, lang, names_of(registry, lang), contacts)
    yield f"#{one.number} {said.headline}"
    yield from filter(None, (said.sentence, *said.operator))
    call = contacts.get(bank_of(one.place))
    if call is not None and str(call):
        circuits = ", ".join(filter(None, call.circuits))
        yield _CALL[lang].format(who=call, circuits=circuits).rstrip()
    if said.bank:
        yield said.bank


def configuration(subject: Subject) -> str:
    """The file's values; in place of a key how long it is."""
    with subject.scene.path.open("rb") as file:
        values = tomllib.load(file)
    return _json(_veiled(values))


def _veiled(value: object, name: str = "") -> object:
    if isinstance(value, dict):
        return {key: _veiled(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_veiled(inner, name) for inner in value]
    if name in KEYS:
        return f"[key, {len(str(value))} characters]"
    return value if isinstance(value, bool | int | float) else str(value)


def keys(subject: Subject) -> str:
    """The inventory: places, ends and check values; never a key."""
    desk = subject.scene.desk
    if desk is None:
        raise OfficeError("the secret is sealed, or the books cannot be used")
    lines = inventory(desk, desk.checks)
    return _json([one._asdict() for one in lines[:_KEYS_MAX]])


def check(subject: Subject) -> str:
    """What `check` says of file and data folder."""
    scene = subject.scene
    examined = examine(scene.path, serve=False)
    lines = [examined.line(finding) for finding in examined.findings]
    try:
        if scene.key is not None:
            lines += [str(one) for one in foreseen(scene.config, scene.clock)]
    except SecretShut:
        lines.append("the secret is sealed: nobody looked into the data folder")
    return "\n".join(lines or ["fine"])


def versions(subject: Subject) -> str:
    """Of this program, of what it runs on, of its files."""
    return _json({
        "posswitch": __version__,
        "configuration": subject.scene.config.version,
        "installed": [f"{one.name} {one.version}" for one in installed()],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "layouts": {"journal": LAYOUT_VERSION, "vitals": LAYOUT},
        "holes_as_of": str(holes().as_of),
    })  # fmt: skip


def inspection(subject: Subject) -> str:
    """The daily inspection, made now."""
    return _json(report(subject.scene, subject.lines))


def gauges(subject: Subject) -> str:
    """Ten minutes of what the node said of itself, one row in five seconds."""
    lines, last_ns = [], 0
    for period in VitalsReader(subject.scene.data).read(_PERIODS_MAX):
        if period.at_ns - last_ns >= GAUGES_EVERY_NS:
            last_ns = period.at_ns
            said = {"at": clock_text(period.at_ns, fine=True), **period.gauges}
            lines.append(json.dumps(_shown(said)))
    if not lines:
        raise OfficeError("no vitals: no node has run here lately")
    return "\n".join(lines)


def incidents(subject: Subject) -> str:
    """The newest incidents; with its steps the one that is named, or else those that are open."""
    data = subject.scene.data
    rows = read_incidents(data, INCIDENTS_MAX)
    shown = []
    for one in rows:
        wanted = one.number == subject.incident or (subject.incident is None and one.open)
        found = read_incident(data, one.number) if wanted else None
        shown.append(plain(one) | {"steps": [plain(step) for step in found[1]] if found else []})
    return _json(shown)


def logs(subject: Subject) -> str:
    """The newest lines of the node's log."""
    lines = tail_of(subject.scene.data / NODE_LOG, LOG_BYTES)[-LOG_LINES:]
    return "\n".join(lines)


def correlated(subject: Subject) -> str:
    """What everybody wrote around the incident, or in the last ten minutes."""
    config, now_ns = subject.scene.config, subject.scene.now_ns
    newest = subject.incident or next((one.number for one in read_incidents(subject.scene.data, 1)), None)
    if newest is None:
        raise OfficeError("there was no incident")
    one, span = around(config, newest, now_ns)
    return "\n".join(lines_of(logbook(config, span, LOG_LINES, words_of(one.place))))


def capacity(subject: Subject) -> str:
    """What is short and what is left."""
    return _json(msgspec.to_builtins(subject.scene.capacity))


def scan(subject: Subject) -> str:
    """The newest scan that was kept."""
    return _json(msgspec.to_builtins(last(subject.scene.data).newest))


def journal(subject: Subject) -> str:
    """Its tables, how many rows each has, how payments stand, its head; no record."""
    scene = subject.scene
    with view(scene.data, scene.disk) as db:
        found: dict[str, Any] = {
            "schema": [sql for (sql,) in db.execute(_SCHEMA)],
            "rows": {name: _count(db, name) for name in _TABLES},
            "payments": dict(db.execute(_STATES)),
        }
        newest = db.execute(_ENDS).fetchone()
    found["newest"] = {"record": newest[0], "at": clock_text(newest[1])} if newest else None
    if scene.key is not None:
        with (scene.data / HEAD).open("rb") as file:
            head = read_head(file.read(HEAD_BYTES), Chain(scene.key))
        found["head"] = {"record": head.seq, "link": head.link[:4].hex()}
    return _json(found)


def _count(db: apsw.Connection, table: str) -> int:
    row = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a name of _TABLES
    return int(row[0]) if row else 0


def _json(value: object) -> str:
    return json.dumps(_shown(value), ensure_ascii=False, indent=1)


def _at(at_ns: int) -> str:
    return clock_text(at_ns) if at_ns else ""


def _shown(value: object) -> object:
    """Times as text, and no number so long that it looks like a card's: it would be masked."""
    match value:
        case bool():
            return value
        case float():
            return round(value, _DECIMALS)
        case int() if abs(value) >= _LONG:
            return f"{value:,}"
        case list() | tuple():
            return [_shown(one) for one in value]
        case dict():
            return {
                name: _at(inner) if str(name).endswith("_ns") and isinstance(inner, int) else _shown(inner)
                for name, inner in value.items()
            }
    return value


def text_of(made: str) -> bytes:
    """A member as it is written: masked, whatever it is."""
    return "\n".join(masked(line) for line in made.splitlines()).encode("utf-8", "replace") + b"\n"
