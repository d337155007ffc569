"""Bytes that come slowly, badly or not at all, at the front door of a real node."""

import pytest

from posswitch.base.bounds import BAD_FRAMES_MAX, FRAME_BYTES_MAX


def framed(payload):
    return len(payload).to_bytes(2, "big") + payload


async def test_a_frame_may_come_byte_by_byte(switch):
    till = await switch.till()
    for byte in framed(till.sale(switch.bought())):
        till.cable.put_raw(bytes((byte,)))
        await till.cable.flushed()
    asked = await switch.banks[0].asked("0200", till.id)
    switch.banks[0].answer(asked)
    assert (await till.answer()).fields[39] == "00"


async def test_a_frame_and_a_half_and_the_other_half(switch):
    till = await switch.till()
    whole = framed(till.echo()) * 2
    cut = len(whole) * 3 // 4
    till.cable.put_raw(whole[:cut])
    await till.cable.take()
    till.cable.put_raw(whole[cut:])
    await till.cable.take()


async def test_an_empty_frame_is_no_message_and_one_does_no_harm(switch):
    till = await switch.till()
    till.cable.put_raw(b"\0\0")
    await till.hears_nothing_else()


@pytest.mark.parametrize("length", [FRAME_BYTES_MAX + 1, 0xFFFF])
async def test_a_frame_beyond_the_cap_ends_the_connection_at_once(switch, length):
    cable = await switch.cable()
    cable.put_raw(length.to_bytes(2, "big"))
    assert await cable.ended()


async def test_what_came_whole_before_the_fault_is_still_served(switch):
    till = await switch.till()
    till.cable.put_raw(framed(till.sale(switch.bought())) + b"\xff\xff")
    asked = await switch.banks[0].asked("0200", till.id)
    assert asked[41] == till.id
    switch.banks[0].answer(asked)
    again = await (await switch.redialled(till)).answered(till.sale_again())
    assert again.fields[39] in ("00", "98")


async def test_frames_that_nobody_can_read_end_the_connection(switch):
    cable = await switch.cable()
    for _ in range(BAD_FRAMES_MAX):
        cable.put(b"\x60not a message")
    assert await cable.ended()
    await switch.counted("gate-bad-frames")


async def test_fewer_of_them_do_not(switch):
    till = await switch.till()
    for _ in range(BAD_FRAMES_MAX - 1):
        till.cable.put(b"\x60not a message")
    await till.hears_nothing_else()


async def test_one_connections_noise_does_not_touch_another(switch):
    till, noisy = await switch.till(), await switch.cable()
    asked = await switch.forwarded(till, switch.bought())
    noisy.put_raw(bytes(range(256)) * 200)
    assert await noisy.ended()
    switch.banks[0].answer(asked)
    assert (await till.answer()).fields[39] == "00"


async def test_a_hundred_connections_come_and_go(switch):
    cables = [await switch.cable() for _ in range(100)]
    for cable in cables:
        await cable.pulled()
    till = await switch.till()
    await till.hears_nothing_else()
