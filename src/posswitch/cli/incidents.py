"""incidents, incident: what is wrong, where and why; and diagnosis itself, beside the node."""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Annotated

import apsw
import typer

from posswitch.base.errors import ConfigError, PosswitchError
from posswitch.base.moment import clock_text
from posswitch.base.registry import Registry
from posswitch.cli.options import AsJson, Lang, OrConfigFile, OrData, OrLang, settings_of, user
from posswitch.diagnose.acks import ACKS, Ack, acknowledge, read_acks
from posswitch.diagnose.headline import title
from posswitch.diagnose.incident import Incident, plain
from posswitch.diagnose.notify import ack_key
from posswitch.diagnose.phrases import LANGS
from posswitch.diagnose.places import contacts_of, names_of
from posswitch.diagnose.shelf import SHELF, STALE_NS, read_incident, read_incidents, read_now
from posswitch.diagnose.words import Explained, explained
from posswitch.edge.process import SUPERVISOR
from posswitch.office.acts import known_name
from posswitch.office.standing import desk_unasked
from posswitch.settings.clock import SystemClock
from posswitch.settings.config import Config

_NICE = 5  # payments first
_LOOK_S = 0.1
_BOTH = tuple(Lang)
_NONE = {"zh": "没有未结束的异常", "en": "no incident is open"}
_STALE = {"zh": "诊断没有运行，以下可能过时", "en": "diagnosis does not run: this may be out of date"}
_ACKED = ("有人在处理", "looked after by")
# What stands before each part of an explanation, in the order of its fields.
_PARTS = {
    "sentence": ("现象", "what"),
    "cashier": ("收银员", "cashier"),
    "customer": ("顾客", "customer"),
    "known": ("何时见分晓", "when it is known"),
    "likely": ("可能原因", "likely"),
    "supports": ("依据", "for"),
    "opposes": ("不符", "against"),
    "ruled_out": ("已排除", "ruled out"),
    "done": ("已做", "done"),
    "operator": ("请做", "to do"),
    "next": ("下一步", "next"),
    "never": ("不要", "do not"),
    "after": ("事后", "afterwards"),
    "bank": ("给银行或线路商", "to bank or carrier"),
}


def incidents(
    config: OrConfigFile = None,
    data: OrData = None,
    as_json: AsJson = False,
    lang: OrLang = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most, the newest first.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", help="Diagnose the node beside this, until stopped.")
    ] = False,
    test_notify: Annotated[
        bool, typer.Option("--test-notify", help="Send a test to everybody who is told of incidents.")
    ] = False,
) -> None:
    """Print what is wrong now, where and why: exit 1 when anything is."""
    settings = settings_of(config, data)
    if test_notify:
        raise typer.Exit(_test(settings))
    if follow:
        _follow(settings)
        return
    rows, fresh = _read(settings, most, open_only=not everything)
    if as_json:
        print(json.dumps({"fresh": fresh, "incidents": [plain(row) for row in rows]}, ensure_ascii=False))
    else:
        for line in _lines(settings, rows, lang, fresh=fresh):
            print(line)
    raise typer.Exit(1 if any(row.open for row in rows) else 0)


def incident(
    number: Annotated[int, typer.Argument(help="Its number, as `incidents` prints it.")],
    config: OrConfigFile = None,
    data: OrData = None,
    as_json: AsJson = False,
    lang: OrLang = None,
    ack: Annotated[
        bool, typer.Option("--ack", help="Say that somebody looks after it: nobody else is told.")
    ] = False,
    by: Annotated[str, typer.Option("--by", help="Who does; without it the user of this machine.")] = "",
) -> None:
    """Explain one incident: evidence for and against, what was done, what each person is to do."""
    settings = settings_of(config, data)
    try:
        found = read_incident(settings.data, number)
    except apsw.Error as error:
        raise _damaged(settings, error) from None
    if found is None:
        raise PosswitchError(f"no incident {number}; `posswitch incidents --all` lists them")
    one, steps = found
    if by and not ack:
        raise PosswitchError("--by belongs to --ack")
    if ack:
        _acknowledge(settings, one, known_name(by) if by else user())
    acked = _acked(settings, one)
    registry = _registry(settings)
    languages = [lang] if lang else list(_BOTH)
    told = {
        language.value: explained(
            one, language.value, names_of(registry, language.value), contacts_of(registry)
        )
        for language in languages
    }
    if as_json:
        words = {language: said._asdict() for language, said in told.items()}
        print(json.dumps({**plain(one), "words": words, "steps": [plain(step) for step in steps],
                          "acknowledged": acked and acked._asdict()}, ensure_ascii=False))  # fmt: skip
        return
    for language, said in told.items():
        for line in _explained(one, said, LANGS.index(language)):
            print(line)
        if acked is not None:
            print(f"  {_ACKED[LANGS.index(language)]}: {acked.by}, {clock_text(acked.at_ns)}")
    for step in steps:
        names = names_of(registry, languages[0].value)
        print(
            f"{clock_text(step.changed_ns, fine=True)} {step.phase}: {title(step, languages[0].value, names)}"
        )


def _read(settings: Config, most: int, *, open_only: bool) -> tuple[list[Incident], bool]:
    """Incidents, and whether diagnosis runs; ConfigError where it never did."""
    if not (settings.data / SHELF).exists():
        raise ConfigError(f"{settings.data}: diagnosis has never run here; `posswitch run` starts it")
    try:
        now = read_now(settings.data)
        rows = read_incidents(settings.data, most, open_only=open_only)
    except apsw.Error as error:
        raise _damaged(settings, error) from None
    return rows, now is not None and SystemClock().wall_ns() - now[0] <= STALE_NS


def _acknowledge(settings: Config, one: Incident, by: str) -> None:
    if not one.open:
        raise PosswitchError(f"incident {one.number} is over; `posswitch incidents` lists what is open")
    try:
        acknowledge(settings.data, one, by, SystemClock().wall_ns())
    except apsw.Error as error:
        raise _no_acks(settings, error) from None


def _acked(settings: Config, one: Incident) -> Ack | None:
    try:
        return read_acks(settings.data).get(ack_key(one))
    except apsw.Error as error:
        raise _no_acks(settings, error) from None


def _no_acks(settings: Config, error: apsw.Error) -> ConfigError:
    return ConfigError(f"{settings.data / ACKS}: cannot be used ({error}); move it away: it is made anew")


def _test(settings: Config) -> int:
    """Sends a test to each, one after another; 1 when one does not arrive."""
    from posswitch.cli.telling import test_letters  # noqa: PLC0415 - only those who tell wait for it

    failed = 0
    for name, why in test_letters(settings):
        print(f"{name}: {why or 'sent'}")
        failed += bool(why)
    return 1 if failed else 0


def _damaged(settings: Config, error: apsw.Error) -> ConfigError:
    path = settings.data / SHELF
    return ConfigError(f"{path}: cannot be read ({error}); stop diagnosis, move it away: it is made anew")


def _lines(settings: Config, rows: list[Incident], lang: Lang | None, *, fresh: bool) -> Iterator[str]:
    registry = _registry(settings)
    for language in [lang] if lang else _BOTH:
        if not fresh:
            yield _STALE[language.value]
        if not any(row.open for row in rows):
            yield _NONE[language.value]
        for row in rows:
            said = explained(row, language.value, names_of(registry, language.value))
            yield f"{row.number:>5} {clock_text(row.since_ns)} {row.phase:<11} {said.headline}"


def _explained(one: Incident, said: Explained, side: int) -> Iterator[str]:
    yield f"#{one.number} {said.headline}"
    for name, heads in _PARTS.items():
        text = getattr(said, name)
        for part in [text] if isinstance(text, str) else text:
            if part:
                yield f"  {heads[side]}: {part}"


def _registry(settings: Config) -> Registry:
    """As it stands, or as the configuration has it while nobody may be asked for the secret."""
    desk = desk_unasked(settings, SystemClock())
    return desk.registry if desk is not None else settings.registry


def _follow(settings: Config) -> None:
    """Looks ten times a second, as long as the supervisor lives."""
    from posswitch.cli.telling import telling  # noqa: PLC0415 - only diagnosis tells
    from posswitch.cli.watching import watching  # noqa: PLC0415 - numpy: only diagnosis waits for it

    os.nice(_NICE)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    supervisor = os.environ.get(SUPERVISOR)
    registry, clock = _registry(settings), SystemClock()
    with watching(settings, registry, clock) as watch, telling(settings, registry) as tell:
        while not stop.wait(_LOOK_S) and (supervisor is None or os.getppid() == int(supervisor)):
            try:
                tell(now := clock.wall_ns(), watch.look(), speaks=watch.hears(now))
            except apsw.Error as error:  # a full disk: the next look may find room
                print(f"posswitch: diagnosis: {error}", file=sys.stderr, flush=True)
                stop.wait(1.0)
