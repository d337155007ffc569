"""An archive from its first record on: segments without a gap, records held against the chain."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from posswitch.archive.segment import JOURNAL, OFFICE, Head, Sealer
from posswitch.archive.shelf import Shelf, Span, office_name
from posswitch.base.errors import ArchiveError
from posswitch.journal.chain import GENESIS, Chain

_bodies = msgspec.msgpack.Decoder(list[bytes]).decode
_LISTINGS_MAX = 5  # a running backup may replace small segments by one while they are read


class Sealed(NamedTuple):
    """What opens an archive: the node it must be of, the sealer of its segments."""

    node: str
    sealer: Sealer


class Link(NamedTuple):
    """A record as it stands in the journal."""

    seq: int
    body: bytes
    link: bytes


def chosen(spans: list[Span]) -> list[Span]:
    """The segments to read, none of them twice; whether one is missing, their heads tell.

    What lies within a longer segment was replaced by it, and its removal cut short.
    """
    way: list[Span] = []
    last = 0
    for span in spans:
        if not 0 < span.first <= span.last:
            raise ArchiveError(f"{span.name}: is no name of a segment; move it elsewhere")
        if span.last <= last:
            continue
        if span.first <= last:
            raise ArchiveError(f"{span.name}: overlaps what comes before it; move it elsewhere")
        way.append(span)
        last = span.last
    return way


def way_of(shelf: Shelf, sealed: Sealed) -> list[Span]:
    """The segments to read; where their names contradict, the one that is not of this switch is named."""
    spans = shelf.spans()
    try:
        return chosen(spans)
    except ArchiveError:
        for span in spans:
            head_of(shelf, sealed, span)
        raise


def head_of(shelf: Shelf, sealed: Sealed, span: Span) -> Head:
    """The head of a segment, authentic and of this place; ArchiveError otherwise."""
    with shelf.opened(span.name) as file:
        head, _ = sealed.sealer.opened(file, span.name)
    return _fitting(head, span, sealed.node)


def segment_links(shelf: Shelf, sealed: Sealed, chain: Chain, span: Span) -> tuple[Head, Iterator[Link]]:
    """One segment alone: its head, then its records with their links."""
    head = head_of(shelf, sealed, span)
    return head, _linked(chain, head, _segment(shelf, sealed, span))


def read_links(shelf: Shelf, sealed: Sealed, chain: Chain) -> Iterator[Link]:
    """Every record and its link, in order; ArchiveError names the segment, and the record from which on."""
    last = Link(0, b"", GENESIS)
    for span in _way(shelf, sealed):
        head, links = segment_links(shelf, sealed, chain, span)
        before = Link(head.previous, b"", head.before)
        for before in islice(links, max(0, last.seq + 1 - span.first)):  # noqa: B007 - read already
            pass
        if wrong := misplaced(last.seq, last.link, before.seq, before.link, span):
            raise ArchiveError(f"{wrong}; bring back its copy")
        for last in links:
            yield last


def misplaced(last: int, link: bytes, previous: int, before: bytes, span: Span) -> str:
    """Why a segment that wants to follow record `previous` does not follow record `last`, or nothing."""
    if previous > last:
        return f"records {last + 1} to {previous}: the segment before {span.name} is missing"
    if previous < last or before != link:
        return f"record {span.first}: {span.name} does not follow what is before it"
    return ""


def read_bodies(shelf: Shelf, sealed: Sealed) -> Iterator[tuple[int, bytes]]:
    """Every record's number and bytes, in order; for whoever leaves the chain to another reader."""
    last = 0
    for span in _way(shelf, sealed):
        numbered = enumerate(_segment(shelf, sealed, span), span.first)
        yield from islice(numbered, max(0, last + 1 - span.first), None)
        last = span.last


def read_office(shelf: Shelf, sealed: Sealed, version: int) -> bytes:
    """The office's books of a version, as a database file."""
    name = office_name(version)
    with shelf.opened(name) as file:
        head, chunks = sealed.sealer.opened(file, name)
        _fitting_office(head, name, sealed.node, version)
        return b"".join(chunks)


def office_head(shelf: Shelf, sealed: Sealed, version: int) -> Head:
    """The head of a copy of the books; its `previous` says how many acts it has."""
    name = office_name(version)
    with shelf.opened(name) as file:
        head, _ = sealed.sealer.opened(file, name)
    _fitting_office(head, name, sealed.node, version)
    return head


def _fitting_office(head: Head, name: str, node: str, version: int) -> None:
    if (head.kind, head.node, head.last) != (OFFICE, node, version):
        raise ArchiveError(f"{name}: is another node's, or was given another name; bring back its copy")


def _way(shelf: Shelf, sealed: Sealed) -> Iterator[Span]:
    """Each segment in its turn; listed anew when one was replaced meanwhile."""
    last = listings = 0
    way = way_of(shelf, sealed)
    while way:
        span = way.pop(0)
        if shelf.has(span.name):
            yield span
            last, listings = span.last, 0
        elif listings < _LISTINGS_MAX:
            listings += 1
            way = [one for one in way_of(shelf, sealed) if one.last > last]
        else:
            raise ArchiveError(f"{shelf.folder}: its segments vanish while they are read; read it again")


def _segment(shelf: Shelf, sealed: Sealed, span: Span) -> Iterator[bytes]:
    """The records of one segment."""
    seq = span.first
    try:
        with shelf.opened(span.name) as file:
            head, chunks = sealed.sealer.opened(file, span.name)
            _fitting(head, span, sealed.node)
            for chunk in chunks:
                for body in _bodies(chunk):
                    yield body
                    seq += 1
    except ArchiveError as damage:
        raise ArchiveError(f"record {seq}: cannot be read: {damage}") from None
    except msgspec.DecodeError:
        raise ArchiveError(
            f"record {seq}: cannot be read: {span.name} is of another release; upgrade"
        ) from None


def _linked(chain: Chain, head: Head, bodies: Iterator[bytes]) -> Iterator[Link]:
    link, seq = head.before, head.first - 1
    for body in bodies:
        seq += 1
        link = chain.link(link, seq, body)
        yield Link(seq, body, link)
    if seq != head.last or link != head.after:
        name = Span(head.first, head.last).name
        raise ArchiveError(f"record {seq}: {name} does not end as its head says; bring back its copy")


def _fitting(head: Head, span: Span, node: str) -> Head:
    if head.node != node:
        raise ArchiveError(f"{span.name}: is of node {head.node}, not of {node}; name the folder of this one")
    if head.kind != JOURNAL or (head.first, head.last) != span:
        what = f"records {head.first} to {head.last}" if head.kind == JOURNAL else f"a copy of {head.kind}"
        raise ArchiveError(f"{span.name}: holds {what}, it was given another name; bring back its copy")
    return head
