"""The small language of scenario lines: each line becomes steps, and an unknown word is an error naming it.

README.txt of this folder explains the words to whoever writes a line.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from posswitch.scheme.kinds import PAYMENT_KINDS

ORDINALS = {"first": 0, "second": 1, "third": 2}
OPTIONS = frozenset(
    {
        "pin",
        "declared",
        "manual",
        "no-card",
        "no-track",
        "other-track",
        "no-mac",
        "bad-mac",
        "old-mac",
        "same-trace",
        "lost",
    }
)
_AMOUNT = re.compile(r"\d+\.\d\d")
_SIDE = re.compile(r"\d+/\d+\.\d\d")
_AMOUNT_OR_NONE = re.compile(r"\d+\.\d\d|none")
CHOICES = {
    "card": re.compile(r"expired|bad-luhn|unknown-bin|another|short|long|foreign|same"),
    "by": re.compile(r"neighbour|stranger|restricted"),
    "trace": re.compile(r"[1-9]\d{0,5}"),
    "why": re.compile(r"98|96|A0|06"),
    "debits": _SIDE,
    "credits": _SIDE,
    "foreign-debits": _SIDE,
    "foreign-credits": _SIDE,
    "ours": _AMOUNT_OR_NONE,
    "theirs": _AMOUNT_OR_NONE,
    "count": re.compile(r"\d{1,4}"),
}
# What the centre does not offer, as (MTI, F3, F25, F60.1) or (MTI, "", "", F60.3).
NOT_OFFERED = {
    "instalment": ("0200", "000000", "64", "54"),
    "points": ("0200", "000000", "65", "53"),
    "reservation": ("0200", "000000", "67", "53"),
    "moto": ("0200", "000000", "08", "22"),
    "increment": ("0100", "030000", "60", "10"),
    "adjustment": ("0220", "000000", "00", "32"),
    "tip": ("0220", "000000", "00", "34"),
    "cash-offline": ("0220", "000000", "00", "36"),
    "cash-load": ("0200", "600000", "91", "45"),
    "cash-advance": ("0200", "010000", "00", "22"),
    "reversal-of-a-refund": ("0400", "200000", "00", "25"),
    "reversal-of-a-balance": ("0400", "310000", "00", "01"),
    "script-result": ("0620", "000000", "00", "22"),
    "parameter-download": ("0800", "", "", "360"),
    "key-download": ("0800", "", "", "370"),
    "blacklist": ("0800", "", "", "390"),
    "terminal-status": ("0820", "", "", "362"),
}
# What happens at the bank, on its line or in the house: no terminal waits for a word.
QUIET = frozenset(
    {"fresh", "answer", "bank-hears", "differs", "stands", "cut", "join", "kill", "hang-up", "dial"}
)
ASKING = frozenset(
    {
        "reverse",
        "repeat",
        "told",
        "sign-on",
        "sign-off",
        "echo",
        "settle",
        "upload",
        "upload-end",
        "bank-sends",
    }
)
VERBS = QUIET | ASKING | PAYMENT_KINDS.keys() | NOT_OFFERED.keys()
SAYS = frozenset({"silent", "holds", "garbage", "returned"})
_SAY_OPTIONS = frozenset({"bad-mac", "no-mac"})
_TOLD_OPTIONS = frozenset({"balanced", "differs", "foreign-differs", "repeats-F42", "unable", "unsigned"})
_OWN_WORDS = {
    "bank-hears": re.compile(r"0[24]2[01]|of"),
    "bank-sends": re.compile(r"08[02]0|\d{3}"),
    "stands": re.compile(r"approved|declined|reversed|advising|reversing|needs-owner"),
}
_FIELD = re.compile(r"F(\d{1,3})")
_CHANGE = re.compile(r"F(\d{1,3})=(\S*)")
_CODE = re.compile(r"[0-9A-Z]{2}")

Changes = dict[int, str | None]  # field → its value, None = left out


class LineError(ValueError):
    """A line that says something nobody has defined."""


class Ref(NamedTuple):
    """`the second sale`: a payment of this line; the last of its kind without a number."""

    kind: str
    place: int = -1


class Say(NamedTuple):
    """What a bank says: a code or one of SAYS, fields changed, a wrong or missing MAC."""

    word: str
    changes: Changes
    options: frozenset[str]


class Told(NamedTuple):
    """What the terminal is told: field 39, fields with their values or None, other facts, the batch."""

    code: str
    fields: Changes
    options: frozenset[str]
    batch: int


class Step(NamedTuple):
    """One thing that happens; `told` None: nobody waits at the terminal yet."""

    text: str
    verb: str
    ref: Ref | None
    amount_minor: int | None
    words: tuple[str, ...]
    options: frozenset[str]
    choices: dict[str, str]
    changes: Changes
    bank: tuple[Say, ...]
    told: Told | None


class Line(NamedTuple):
    """A whole scenario; `found`: why it fails as the product stands."""

    text: str
    place: str
    steps: tuple[Step, ...]
    found: str

    def __str__(self) -> str:
        return self.text


def minor(amount: str) -> int:
    """`100.00` in minor units."""
    return int(amount.replace(".", ""))


def read_lines(path: Path) -> list[Line]:
    """Every scenario of a file; below `# found` stand those that wait for the product."""
    lines: list[Line] = []
    found = False
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = raw.strip()
        if text.startswith("#"):
            found = text.strip("# ") == "found" or (found and not text.startswith("# "))
        elif text:
            lines.append(read_line(text, f"{path.name}:{number}", found=found))
    texts = [line.text for line in lines]
    for text in texts:
        if texts.count(text) > 1:
            raise LineError(f"{path.name}: stands twice: {text!r}")
    return lines


def read_line(text: str, place: str = "a line", *, found: bool = False) -> Line:
    """One scenario; LineError names the place and the word that nobody knows."""
    said, _, reason = (part.strip() for part in text.partition("##"))
    said = re.sub(r"\s+", " ", said)
    if bool(reason) != found:
        raise LineError(f"{place}: a reason stands behind ## in the section `found` and only there: {said!r}")
    try:
        steps = tuple(_step(part.strip()) for part in said.split(";"))
    except LineError as error:
        raise LineError(f"{place}: {error}: {said!r}") from None
    if all(step.told is None for step in steps):
        raise LineError(f"{place}: nobody is told anything: {said!r}")
    return Line(said, place, steps, reason)


def _step(text: str) -> Step:
    rest, arrow, told = text.partition("->")
    what, bar, bank = (part.strip() for part in rest.partition("|"))
    words = iter(what.split())
    verb = _next(words, "what happens")
    if verb == "bank":
        verb = f"bank-{_next(words, 'what the bank does')}"
    if verb not in VERBS:
        raise LineError(f"unknown word {verb!r}")
    ref, amount_minor, own = None, None, []
    options, choices, changes = set(), {}, {}
    for word in words:
        name, _, value = word.partition("=")
        if word == "the":
            ref = _ref(words)
        elif _AMOUNT.fullmatch(word):
            amount_minor = minor(word)
        elif word in OPTIONS:
            options.add(word)
        elif name in CHOICES and CHOICES[name].fullmatch(value):
            choices[name] = value
        elif verb in _OWN_WORDS and _OWN_WORDS[verb].fullmatch(word):
            own.append(word)
        else:
            changes.update(_change(word, words))
    if bar and not bank.startswith("bank "):
        raise LineError("behind | stands what the bank says: | bank 00")
    says = tuple(_say(part) for part in bank.removeprefix("bank ").split(" then ")) if bar else ()
    asks = verb not in PAYMENT_KINDS or not PAYMENT_KINDS[verb].advice  # an advice is accepted before
    waits = (asks and any(say.word == "holds" for say in says)) or "lost" in options or verb in QUIET
    answer = _told(told) if arrow else None if waits else Told("00", {}, frozenset(), 0)
    return Step(
        text, verb, ref, amount_minor, tuple(own), frozenset(options), choices, changes, says, answer
    )  # fmt: skip


def _next(words: Iterator[str], what: str) -> str:
    word = next(words, "")
    if not word:
        raise LineError(f"{what} is missing")
    return word


def _change(word: str, words: Iterator[str]) -> Changes:
    """`F39=00`, or `without F39`."""
    if word == "without":
        field = _FIELD.fullmatch(_next(words, "a field"))
        if field is None:
            raise LineError("behind `without` stands a field: F39")
        return {int(field[1]): None}
    found = _CHANGE.fullmatch(word)
    if found is None:
        raise LineError(f"unknown word {word!r}")
    return {int(found[1]): found[2]}


def _ref(words: Iterator[str]) -> Ref:
    word = _next(words, "which payment")
    kind = _next(words, "a kind") if word in ORDINALS else word
    if kind not in PAYMENT_KINDS:
        raise LineError(f"unknown kind {kind!r}")
    return Ref(kind, ORDINALS.get(word, -1))


def _say(text: str) -> Say:
    words = iter(text.split())
    word = _next(words, "what the bank says")
    if word not in SAYS and not _CODE.fullmatch(word):
        raise LineError(f"unknown word {word!r}")
    return Say(word, *_extras(words, _SAY_OPTIONS))


def _told(text: str) -> Told:
    words = iter(text.split())
    code = _next(words, "a code")
    if not _CODE.fullmatch(code):
        raise LineError(f"{code!r} is no code")
    batch = re.search(r" batch (\d+)$", text)
    left = text.split()[1 : -2 if batch else None]
    return Told(code, *_extras(iter(left), _TOLD_OPTIONS), int(batch[1]) if batch else 0)


def _extras(words: Iterator[str], known: frozenset[str]) -> tuple[Changes, frozenset[str]]:
    changes: Changes = {}
    options = set()
    for word in words:
        if word in known:
            options.add(word)
        else:
            changes.update(_change(word, words))
    return changes, frozenset(options)
