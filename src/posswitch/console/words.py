"""Every text of the screen, Chinese and English, in one table: `words.tsv`."""

from collections.abc import Callable
from importlib.resources import files

from posswitch.base.errors import PosswitchError

LANGUAGES = ("zh", "en")
_HEAD = ["key", *LANGUAGES]
_HEADER_CHARS_MAX = 200  # of Accept-Language; the rest is not read

Say = Callable[..., str]


def _read() -> dict[str, tuple[str, str]]:
    text = (files("posswitch.console") / "words.tsv").read_text(encoding="utf-8")
    head, *rows = (line.split("\t") for line in text.splitlines())
    assert head == _HEAD, "a key, Chinese, English"
    table = {key: (zh, en) for key, zh, en in rows}
    assert len(table) == len(rows), "a key has one row"
    return table


TEXTS = _read()


def known(key: str) -> bool:
    """Whether the table has a row for it."""
    return key in TEXTS


def saying(lang: str) -> Say:
    """What says a text of the table in a language; `values` fill its braces. KeyError for an unknown key."""
    if lang not in LANGUAGES:
        raise PosswitchError(f"language {lang!r} is not known: use zh or en")
    place = LANGUAGES.index(lang)

    def say(key: str, **values: object) -> str:
        text = TEXTS[key][place]
        return text.format(**values) if values else text

    return say


def chosen(accept_language: str) -> str:
    """The language that a browser asks for (RFC 9110, 12.5.4); Chinese where it names neither."""
    best, weight_of_best = LANGUAGES[0], 0.0
    for part in accept_language[:_HEADER_CHARS_MAX].lower().split(","):
        name, _, rest = part.strip().partition(";")
        weight = _weight(rest.strip().removeprefix("q="))
        lang = name.strip().partition("-")[0]
        if lang in LANGUAGES and weight > weight_of_best:
            best, weight_of_best = lang, weight
    return best


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0) if text else 1.0
    except ValueError:
        return 0.0
