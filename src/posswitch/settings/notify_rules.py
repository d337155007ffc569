"""What must hold within `[notify]` and its rows: each can be reached, by one way, about something."""

from collections.abc import Iterator

from posswitch.base.errors import ConfigError
from posswitch.settings.draft import Draft
from posswitch.settings.finding import WARNING, Fault, shown
from posswitch.settings.notify import ABOUT, RECEIVERS_MAX, minutes_of, read_url
from posswitch.settings.shape import did_you_mean

_TO = "notify.to"
_HOW = "write url_file, a file of mode 0600 with the address, or url"


def receivers_named_once(draft: Draft) -> Iterator[Fault]:
    """A name is one receiver's, and they are not too many."""
    first: dict[str, int] = {}
    for number, row in enumerate(draft.having(_TO, "name"), 1):
        before = first.setdefault(row.good["name"], number)
        if before != number:
            yield row.fault("name", f"stands twice, first as number {before}", "give each its own name")
        if number == RECEIVERS_MAX + 1:
            yield row.fault("name", f"is number {number}", f"keep at most {RECEIVERS_MAX}: address a group")


def receivers_reached(draft: Draft) -> Iterator[Fault]:
    """Each has one address, in the row or in a file that only its owner may read."""
    for row in draft.having(_TO):
        ways = [key for key in ("url", "url_file") if key in row.raw]
        if not ways and not draft.holes and not row.raw.keys() - row.good.keys():
            yield row.fault("url_file", "is missing", _HOW)
        if len(ways) > 1:
            yield row.fault("url", "stands beside url_file", "keep one of them, best url_file")
        elif row.good.get("url_file"):
            try:
                read_url(draft.file(row.good["url_file"]))
            except ConfigError as error:
                what, _, remedy = str(error).rpartition("; ")
                fault = row.fault("url_file", what, remedy)
                yield fault._replace(severity=WARNING)  # payments go on although somebody is not told


def subjects_known(draft: Draft) -> Iterator[Fault]:
    """What a receiver is told about is a cause or a tile."""
    for row in draft.having(_TO, "about"):
        for item, word in enumerate(row.good["about"]):
            if word not in ABOUT:
                what = f"{shown(word)} is neither a cause nor a tile"
                yield row.fault("about", what, did_you_mean(word, dict.fromkeys(ABOUT)), item)


def quiet_hours_end(draft: Draft) -> Iterator[Fault]:
    """Quiet hours begin and end at different times."""
    for row in draft.having(_TO, "quiet"):
        if row.good["quiet"] and len(set(minutes_of(row.good["quiet"]))) == 1:
            what = f"{shown(row.good['quiet'])} begins when it ends"
            yield row.fault("quiet", what, 'write when it is quiet, as "22:00-07:00", or leave it out')


NOTIFY_RULES = (receivers_named_once, receivers_reached, subjects_known, quiet_hours_end)
