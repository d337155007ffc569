"""A letter in words: what has happened, what each is to do, how to say that one looks after it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from posswitch.base.card import scrub
from posswitch.base.moment import clock_text
from posswitch.diagnose.headline import first_screen
from posswitch.diagnose.incident import Incident
from posswitch.diagnose.notify import SILENT, Item, What
from posswitch.diagnose.phrases import LANGS
from posswitch.diagnose.places import NO_CONTACTS, NO_NAMES, Contacts, Names
from posswitch.diagnose.words import Explained, explained
from posswitch.settings.notify import BOTH

LISTED_MAX = 10
TITLE_MAX, BODY_MAX = 250, 3000  # characters of each language
_LINES_MAX = 3  # of each part
_BEGINS = {
    What.NEEDS: ("需要人工。", "A person is needed. "),
    What.CHANGED: ("原因已更新。", "Known better now. "),
}
_HEADS = {
    "likely": ("可能原因", "Likely"),
    "done": ("已做", "Done"),
    "operator": ("请做", "To do"),
    "never": ("不要", "Do not"),
    "next": ("下一步", "Next"),
}
_AFTER = ("事后", "Afterwards")
_SPEAKS = ("已恢复：节点又有动静了", "Over: the node speaks again")
_LOOK = ("查看：posswitch incident {0}；我来处理：posswitch incident {0} --ack --by 姓名",
         "More: posswitch incident {0}; I look after it: posswitch incident {0} --ack --by NAME")  # fmt: skip
_SEVERAL = ("{} 件事有变化", "{} things have changed")
_MORE = ("另有 {} 件：posswitch incidents", "{} more: posswitch incidents")
_TEST = ("测试：异常通知能送到这里", "A test: news of incidents reaches this place")
_TEST_BODY = (
    "这是人工试发的，不用处理。",
    "Sent by a person who tries it out; nothing is to be done.",
)


class Worded(NamedTuple):
    """A title of one line and a body of some."""

    title: str
    body: str


class Speaker:
    """Puts letters of one node into words."""

    def __init__(
        self, node: str, names: Mapping[str, Names] | None = None, contacts: Contacts = NO_CONTACTS
    ) -> None:
        self._node = node
        self._names = names or {}
        self._contacts = contacts

    def __repr__(self) -> str:
        return f"<speaker of node {self._node}>"

    def worded(self, items: Sequence[Item], tongue: str, at_ns: int) -> Worded:
        """A letter in one language or both; card numbers are masked, whatever wrote them."""
        return self._joined([self._in(items, lang) for lang in LANGS if tongue in (lang, BOTH)], at_ns)

    def test(self, tongue: str, at_ns: int) -> Worded:
        """A letter that only tries the way."""
        sides = [side for side, lang in enumerate(LANGS) if tongue in (lang, BOTH)]
        return self._joined([Worded(_TEST[side], _TEST_BODY[side]) for side in sides], at_ns)

    def _joined(self, said: Sequence[Worded], at_ns: int) -> Worded:
        """With the time at the end: a letter may be on its way for minutes."""
        title = " / ".join(one.title for one in said)
        body = "\n\n".join([*(_cut(one.body, BODY_MAX) for one in said if one.body), clock_text(at_ns)])
        return Worded(_cut(scrub(f"[posswitch {self._node}] {title}"), TITLE_MAX * len(said)), scrub(body))

    def _in(self, items: Sequence[Item], lang: str) -> Worded:
        side = LANGS.index(lang)
        if len(items) == 1:
            (item,) = items
            said = self._explained(item.incident, lang)
            body = "\n".join(_body(item, said, side))
            return Worded(self._line(item, said, side), body)
        lines = [self._line(item, self._explained(item.incident, lang), side) for item in items[:LISTED_MAX]]
        if len(items) > LISTED_MAX:
            lines.append(_MORE[side].format(len(items) - LISTED_MAX))
        return Worded(_SEVERAL[side].format(len(items)), "\n".join(lines))

    def _explained(self, incident: Incident, lang: str) -> Explained:
        return explained(incident, lang, self._names.get(lang, NO_NAMES), self._contacts)

    def _line(self, item: Item, said: Explained, side: int) -> str:
        if item.incident.number == SILENT:
            silent: str = first_screen([], {}, speaks=False)[f"sentence_{LANGS[side]}"]
            return _SPEAKS[side] if item.what is What.OVER else silent
        begin = _BEGINS.get(item.what, ("", ""))[side]
        return f"#{item.incident.number} {begin}{said.headline}"


def _body(item: Item, said: Explained, side: int) -> Iterator[str]:
    """The parts that matter to whoever is on duty."""
    if item.incident.number == SILENT:
        return
    if item.what is What.OVER:
        yield from _part(_AFTER[side], said.after)
        return
    yield said.sentence
    for name, heads in _HEADS.items():
        yield from _part(heads[side], getattr(said, name))
    yield _LOOK[side].format(item.incident.number)


def _part(head: str, lines: Sequence[str]) -> Iterator[str]:
    yield from (f"{head}: {line}" for line in [*filter(None, lines)][:_LINES_MAX])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
