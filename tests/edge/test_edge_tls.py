"""A real node that speaks TLS on both sides: who is who pays, everybody else is refused by name."""

import asyncio
import socket
import ssl
import struct
import warnings

import pytest
from edge_till import PATIENCE_S, POS, Cable
from edge_town import until

from posswitch.sim.authority import Authority, context_of

STRANGERS = Authority("strangers")
PINNED, NAMED, OTHER = 0, 2, 1  # banks of the city: by certificate, by address, and one that is left alone


@pytest.fixture
def papers(tls_switch, tmp_path):
    """Makes a client's context from a certificate that the city's authority, or another, has issued."""

    def made(name="visitor", authority=None, serves=False, **how):
        paper = (authority or tls_switch.authority).issue(name, ("127.0.0.1",), **how)
        files = paper.written(tmp_path, name)
        return context_of(*files, tls_switch.city.papers / "authority.pem", serves=serves)

    return made


def shown(switch, merchant=0):
    """The context of a shop of the city."""
    return switch.city.context(switch.city.merchants[merchant].id, serves=False)


def nameless(switch):
    return context_of(None, None, switch.city.papers / "authority.pem", serves=False)


def old(switch):
    context = shown(switch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def weak(switch):
    context = shown(switch)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES256-SHA:ECDHE-ECDSA-AES256-SHA")
    return context


async def refused(switch, context):
    """Nothing comes of a connection: in TLS 1.3 a client learns it from the first thing it reads."""
    try:
        cable = await Cable.dial(switch.city.node, context)
    except OSError:
        return
    assert await cable.ended()


async def pays(switch, bank=OTHER):
    till = await switch.till()
    await switch.approved(till, switch.bought(bank), bank)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_terminal_pays_over_tls(tls_switch, version):
    context = shown(tls_switch, tls_switch.next_merchant)
    context.maximum_version = version
    cable = await Cable.dial(tls_switch.city.node, context)
    till = await tls_switch.till(cable)
    for bank in range(4):
        await tls_switch.approved(till, tls_switch.bought(bank), bank)
    spoken = cable.spoken
    assert spoken.compression() is None
    assert spoken.session_reused is False
    assert not spoken.session.has_ticket


@pytest.mark.parametrize(
    ("why", "visitor"),
    [
        ("unknown-authority", lambda switch, papers: papers(authority=STRANGERS)),
        ("expired", lambda switch, papers: papers(days=(-10, -1))),
        ("not-yet-valid", lambda switch, papers: papers(days=(2, 10))),
        ("unregistered", lambda switch, papers: papers()),
        ("no-certificate", lambda switch, papers: nameless(switch)),
        ("version", lambda switch, papers: old(switch)),
        ("cipher", lambda switch, papers: weak(switch)),
    ],
)
async def test_a_visitor_is_refused_by_name_and_others_pay_on(tls_switch, papers, why, visitor):
    before = tls_switch.gauges().get(f"count.tls-{why}", 0)
    context = visitor(tls_switch, papers)
    await refused(tls_switch, context)
    await tls_switch.counted(f"tls-{why}", before + 1)
    await pays(tls_switch)


@pytest.mark.parametrize(
    "words", [b"\x00\x50" + b"0" * 80, b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\xff" * 64]
)
async def test_clear_text_at_a_tls_port_is_refused(tls_switch, words):
    before = tls_switch.gauges().get("count.tls-not-tls", 0)
    cable = await Cable.dial(tls_switch.city.node)
    cable.put_raw(words)
    assert await cable.ended()
    await tls_switch.counted("tls-not-tls", before + 1)
    await pays(tls_switch)


async def test_who_holds_another_shops_certificate_may_not_speak_for_a_terminal(tls_switch):
    other = shown(tls_switch, tls_switch.next_merchant + 1)
    till = await tls_switch.till(await Cable.dial(tls_switch.city.node, other), signed_on=False)
    for asked in (till.sign_on_request(), till.echo(), till.sale(tls_switch.bought(pin=False))):
        answer = POS.unpack(await till.ask(asked))
        assert answer.fields[39] == "97"
        assert 64 not in answer.fields
    await tls_switch.counted("source-refused", 3)
    assert not any(getattr(one.event, "terminal", "") == till.id for one in tls_switch.records())
    till.cable = await tls_switch.cable(till.fitting.merchant)  # at its own shop it pays
    await till.sign_on()
    await tls_switch.approved(till, tls_switch.bought(OTHER), OTHER)


async def test_a_key_in_use_elsewhere_does_not_help_a_stolen_terminal(tls_switch):
    """The right keys and MAC over the wrong connection: still not his."""
    till = await tls_switch.till()
    own = till.cable
    till.cable = await Cable.dial(
        tls_switch.city.node, shown(tls_switch, tls_switch.next_merchant)
    )  # of the next till
    answer = POS.unpack(await till.ask(till.sale(tls_switch.bought(OTHER))))
    assert answer.fields[39] == "97"
    till.cable = own
    await tls_switch.approved(till, tls_switch.bought(OTHER), OTHER)


async def bank_shows(switch, number, context):
    bank = switch.banks[number]
    bank.close()
    bank.tls = context
    await bank.open()


@pytest.mark.parametrize(
    ("number", "why", "context"),
    [
        (NAMED, "unknown-authority", lambda papers: papers("b1", STRANGERS, serves=True)),
        (NAMED, "expired", lambda papers: papers("b2", days=(-10, -1), serves=True)),
        (NAMED, "name", lambda papers: papers("b3", serves=True)),
        (NAMED, "cut", lambda papers: None),  # it takes the handshake for a frame that is too long
        (PINNED, "unknown-authority", lambda papers: papers("b4", STRANGERS, serves=True)),
        (PINNED, "unregistered", lambda papers: papers("b5", serves=True)),
    ],
)
async def test_a_bank_that_is_not_the_one_gets_nothing_and_others_are_paid(
    tls_switch, papers, tmp_path, number, why, context
):
    counter = f"link-tls-{why}"
    before = tls_switch.gauges().get(f"count.{counter}", 0)
    if why == "name":
        paper = tls_switch.authority.issue("b3", ("10.9.9.9", "bank.example"))
        files = paper.written(tmp_path, "b3")
        made = context_of(*files, tls_switch.city.papers / "authority.pem", serves=True)
    else:
        made = context(papers)
    bank = tls_switch.banks[number]
    heard = len(bank.heard)
    await bank_shows(tls_switch, number, made)
    await tls_switch.counted(counter, before + 1)
    await pays(tls_switch)
    assert len(bank.heard) == heard, "not even a sign-on"
    await bank_shows(tls_switch, number, tls_switch.city.context(bank.plan.id, serves=True))
    await tls_switch.linked()
    await pays(tls_switch, number)


async def test_both_sides_show_certificates(tls_switch):
    await tls_switch.counted("link-tls-ok", 8)
    bank = tls_switch.banks[NAMED]
    link = next(iter(bank._links))
    peer = link._transport.get_extra_info("peercert")
    assert ("commonName", "node") in [pair for group in peer["subject"] for pair in group]


async def test_days_left_stand_in_the_gauges(tls_switch):
    await pays(tls_switch)
    await until(lambda: "peer_certificate_days" in tls_switch.gauges())
    gauges = tls_switch.gauges()
    assert 360 <= gauges["certificate_days"] <= 365
    assert 360 <= gauges["peer_certificate_days"] <= 365
    assert gauges["certificates_ending_30d"] == 0


async def test_a_reset_in_the_middle_harms_nobody(tls_switch):
    for _ in range(20):
        _, writer = await asyncio.open_connection(*tls_switch.city.node[:2])
        writer.write(b"\x16\x03\x01\x02\x00\x01")
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    await tls_switch.counted("tls-cut", 20)
    async with asyncio.timeout(PATIENCE_S):
        await pays(tls_switch)
