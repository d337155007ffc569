"""An archive looked at by itself: every segment opens, every record fits the chain, nothing is missing."""

from collections.abc import Iterator

import msgspec

from posswitch.archive.reading import Sealed, misplaced, read_office, segment_links, way_of
from posswitch.archive.segment import JOURNAL, Head
from posswitch.archive.shelf import Shelf, Span
from posswitch.base.errors import ArchiveError
from posswitch.journal.chain import GENESIS, Chain

FINDINGS_MAX = 100


class Inspection(msgspec.Struct):
    """What is wrong, a line each, and how far the archive goes."""

    findings: list[str]
    segments: int = 0
    records: int = 0
    last: int = 0
    at_ns: int = 0
    office: int = 0


def inspect(shelf: Shelf, sealed: Sealed, chain: Chain) -> Inspection:
    """Reads all of an archive; raises ArchiveError when there is none."""
    seen = Inspection([])
    shelf.spans()  # a folder that cannot be listed is no finding
    try:
        way = way_of(shelf, sealed)
    except ArchiveError as damage:
        return Inspection([str(damage)])
    if not way:
        raise ArchiveError(f"{shelf.folder}: no backup there; name its folder")
    for finding in _findings(shelf, sealed, chain, way, seen):
        seen.findings.append(finding)
        if len(seen.findings) >= FINDINGS_MAX:
            break
    return seen


def _findings(shelf: Shelf, sealed: Sealed, chain: Chain, way: list[Span], seen: Inspection) -> Iterator[str]:
    after = Head(JOURNAL, sealed.node, 0, 0, 0, b"", GENESIS, 0, 0, 0)
    torn = False  # after a damaged segment, what follows is not held against it
    for span in way:
        seen.segments += 1
        try:
            head, links = segment_links(shelf, sealed, chain, span)
            if not torn and (wrong := misplaced(after.last, after.after, head.previous, head.before, span)):
                yield wrong
            for _ in links:
                pass
            after, torn = head, False
            seen.records += head.last - head.first + 1
            seen.last, seen.at_ns = head.last, head.last_ns
        except ArchiveError as damage:
            torn = True
            yield str(damage)
    for version in shelf.office_versions():
        try:
            read_office(shelf, sealed, version)
            seen.office = version
        except ArchiveError as damage:
            yield str(damage)
