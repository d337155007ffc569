"""What the buttons of the ten tiles run: a row a button; commands of this program that only look or copy."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from posswitch.console.scene import Scene
from posswitch.settings.config import Config

BANKS_MAX, CODES_MAX = 16, 6  # buttons of one row
_ALWAYS_CODES = ("96", "91", "98")


class Remedy(NamedTuple):
    """A button: `label` is a key of the words, `command` has braces, `each` says what it is repeated for."""

    label: str
    command: str
    each: str = ""  # "bank" or "code"


REMEDIES: dict[str, tuple[Remedy, ...]] = {
    "network": (
        Remedy("ping", "ping {bank} -c {config} --lang {lang}", "bank"),
        Remedy("check", "check -c {config}"),
    ),
    "overload": (
        Remedy("capacity", "capacity -c {config} --lang {lang}"),
        Remedy("route", "route -c {config} --lang {lang}"),
    ),
    "faults": (
        Remedy("verify", "verify -c {config}"),
        Remedy("backup", "backup -c {config}{to}"),
        Remedy("rehearse", "backup -c {config}{to} --rehearse"),
        Remedy("unknowns", "unknowns -c {config} --lang {lang}"),
    ),
    "data": (
        Remedy("drift", "registry drift -c {config} --lang {lang}"),
        Remedy("registry-check", "registry check -c {config}"),
        Remedy("verify", "verify -c {config}"),
    ),
    "attack": (
        Remedy("scan", "scan -c {config} --lang {lang}"),
        Remedy("guards", "guards -c {config} --lang {lang}"),
        Remedy("firewall", "firewall -c {config}"),
    ),
    "stability": (
        Remedy("inspect", "scan -c {config} --last --lang {lang}"),
        Remedy("backup", "backup -c {config}{to}"),
        Remedy("capacity", "capacity -c {config} --lang {lang}"),
    ),
    "transmission": (
        Remedy("ping", "ping {bank} -c {config} --lang {lang}", "bank"),
        Remedy("keys", "keys list -c {config}"),
    ),
    "limits": (
        Remedy("limits", "limits -c {config} --lang {lang}"),
        Remedy("bank-limits", "limits bank list -c {config}"),
    ),
    "orders": (
        Remedy("unknowns", "unknowns -c {config} --lang {lang}"),
        Remedy("differing", "batches -c {config} --differing"),
    ),
    "feedback": (Remedy("explain", "explain {code} --lang {lang}", "code"),),
}


class Button(NamedTuple):
    """A remedy made ready: its words and what it is about, which stands beside its label."""

    label: str
    words: tuple[str, ...]
    about: str = ""


class Remedies:
    """Makes buttons for one configuration file."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path, self._config = path, config

    def __repr__(self) -> str:
        return f"<remedies for {self._path.name}>"

    def buttons(self, tile: str, scene: Scene, lang: str) -> list[Button]:
        """Those of a tile; what an incident of it is about comes first."""
        return [button for remedy in REMEDIES[tile] for button in self._of(remedy, tile, scene, lang)]

    def first(self, tile: str, scene: Scene, lang: str) -> Button:
        """The one that stands on the tile itself."""
        return self.buttons(tile, scene, lang)[0]

    def _of(self, remedy: Remedy, tile: str, scene: Scene, lang: str) -> list[Button]:
        if remedy.each == "bank":
            names = {bank.id: (bank.name_zh, bank.name_en)[lang == "en"] for bank in scene.banks}
            banks = list(dict.fromkeys([*_suspected(tile, scene), *_ailing(scene), *names]))
            return [
                Button(remedy.label, self._words(remedy, lang, bank=bank), names[bank])
                for bank in banks[:BANKS_MAX]
                if bank in names
            ]
        if remedy.each == "code":
            seen = [code for code, _ in scene.codes if code and code != "00"]
            codes = list(dict.fromkeys([*seen, *_ALWAYS_CODES]))[:CODES_MAX]
            return [Button(remedy.label, self._words(remedy, lang, code=code), code) for code in codes]
        return [Button(remedy.label, self._words(remedy, lang))]

    def _words(self, remedy: Remedy, lang: str, **values: str) -> tuple[str, ...]:
        """The command's words; each brace fills one of them, whatever a path or a name contains."""
        filled = {"config": str(self._path), "lang": lang, **values}
        words = [word.format(**filled) for word in remedy.command.replace("{to}", "").split()]
        if "{to}" in remedy.command and self._config.backup is None:
            words += ["--to", str(self._config.data.resolve().parent / "backup")]
        return tuple(words)


def _suspected(tile: str, scene: Scene) -> Sequence[str]:
    """Banks that open incidents of a tile are about."""
    _, numbers = scene.diagnosis.tiles.get(tile, (True, ()))
    chosen = [one for one in scene.incidents if one.open and (one.number in numbers or not numbers)]
    places = (one.place.get("bank") or one.place.get("link", "").partition("/")[0] for one in chosen)
    return [bank for bank in places if bank]


def _ailing(scene: Scene) -> Sequence[str]:
    """Banks with a link that is not well."""
    return [bank.id for bank in scene.banks if bank.worst not in ("up", "unknown")]
