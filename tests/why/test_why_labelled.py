"""200 payments of every outcome on the real node: `why` against what the test did, banks' books, slips."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from edge_town import until
from why_label import read_labelled
from why_street import ToldStory, ToldStreet

from posswitch.office.why_evidence import Outcome

TOGETHER = read_labelled(Path(__file__).with_name("labelled.txt"))
ALONE = read_labelled(Path(__file__).with_name("labelled_house.txt"))
LABELS = [label for one in (*TOGETHER, *ALONE) for label in one.labels]
AT_ONCE, HOMES = 9, 3


@pytest.fixture(scope="module")
def street(runner, tmp_path_factory):
    opened = runner.run(ToldStreet.told(tmp_path_factory.mktemp("street")))
    yield opened
    runner.run(opened.close())


def test_there_are_200_of_every_outcome():
    assert len(LABELS) >= 200
    found = Counter(label.outcome for label in LABELS)
    assert set(found) == set(Outcome)
    assert min(found.values()) >= 3


async def test_what_is_said_agrees_with_what_was_done(street):
    gate = asyncio.Semaphore(AT_ONCE)

    async def told(place, labelled):
        async with gate:
            return await ToldStory(street, place % HOMES).looked_at(labelled)

    mixed = sorted(enumerate(TOGETHER), key=lambda row: row[0] * 31 % len(TOGETHER))  # answered and silent
    faults = await asyncio.gather(*(told(place, labelled) for place, (_, labelled) in enumerate(mixed)))
    assert [fault for found in faults for fault in found] == []


@pytest.mark.parametrize("labelled", ALONE, ids=lambda labelled: labelled.line.text)
async def test_when_links_are_pulled_and_the_node_is_killed(street, labelled):
    assert await ToldStory(street).looked_at(labelled) == []
    await until(lambda: street.gauges().get("open_payments") == 0)
