"""The verdict over the measurements of a link: look-alikes told apart, and what holds for all of them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.base.registry import Address
from posswitch.cli import ping_words as words
from posswitch.edge.path_facts import Echo, Facts, Icmp, Interface, Name, Route, Tcp, Tls
from posswitch.edge.path_verdict import CAUSES, FAILED, NOT_TRIED, PLACES, RULES, verdict

PLAIN, OVER_TLS = Address("192.0.2.9", 7001, "clear"), Address("192.0.2.9", 7001, "tls")
WELL = Facts(
    1, PLAIN,
    interface=Interface("eth0", "192.0.2.1", span_ms=1000),
    route=Route(True, "192.0.2.254", "there", 10, 10),
    icmp=Icmp(20, (5.0,) * 20, 3, 3),
    tcp=Tcp(ms=5),
    echo=Echo((8.0,) * 10),
)  # fmt: skip
NO_PINGS = Icmp(20, (), 3, 0)
LOSSY = Icmp(20, (5.0,) * 14, 3, 2)


def but(base=WELL, **changes):
    return msgspec.structs.replace(base, **changes)


def tls(why="", days=300, own=300):
    return Tls(why, "TLSv1.3", "TLS_AES_128_GCM_SHA256", "CN=bank", days, own, 20)


# Two that look alike at a screen, and what tells them apart.
PAIRS = {
    "link down or application down": (
        (but(tcp=Tcp("timed-out"), icmp=NO_PINGS, echo=None), "line-down"),
        (but(tcp=Tcp("refused"), echo=None), "port-closed"),
    ),
    "link down or slow application": (
        (but(tcp=Tcp("unreachable"), echo=None), "line-down"),
        (but(echo=Echo((900.0,) * 5)), "application-slow"),
    ),
    "link down or gateway down": (
        (but(tcp=Tcp("timed-out"), icmp=NO_PINGS, echo=None), "line-down"),
        (
            but(
                tcp=Tcp("timed-out"), icmp=NO_PINGS, echo=None, route=Route(True, "192.0.2.254", "missing", 9)
            ),
            "gateway-dead",
        ),
    ),
    "half open or silent application": (
        (but(echo=Echo(why="silent", acknowledged=False)), "lost-after-connect"),
        (but(echo=Echo(why="silent")), "silent"),
    ),
    "some echoes or all of them": (
        (but(echo=Echo((8.0,), asked=3)), "echoes-lost"),
        (but(echo=Echo((8.0,) * 10, asked=10)), "fine"),
    ),
    "one way or filtered port": (
        (but(tcp=Tcp("timed-out"), icmp=NO_PINGS, echo=None), "line-down"),
        (but(tcp=Tcp("timed-out"), echo=None), "port-filtered"),
    ),
    "loss moves the tail, slowness the middle": (
        (but(icmp=LOSSY, echo=Echo((8.0,) * 8 + (230.0,))), "lossy"),
        (but(echo=Echo((700.0,) * 8)), "application-slow"),
    ),
    "slow line or slow application": (
        (but(icmp=Icmp(20, (300.0,) * 20), tcp=Tcp(ms=300), echo=Echo((320.0,) * 9)), "line-slow"),
        (but(echo=Echo((620.0,) * 9)), "application-slow"),
    ),
    "loss on the line or a limit on pings": (
        (but(icmp=LOSSY, echo=Echo((8.0,) * 9, resent=2)), "lossy"),
        (but(icmp=LOSSY), "fine"),
    ),
    "loss here or beyond": (
        (
            but(icmp=LOSSY, echo=Echo((8.0,), resent=2), route=Route(True, "192.0.2.254", "there", 10, 7)),
            "network-lossy",
        ),
        (but(icmp=LOSSY, echo=Echo((8.0,), resent=2)), "lossy"),
    ),
    "filtered pings or a dead line": (
        (but(icmp=NO_PINGS), "fine"),
        (but(icmp=NO_PINGS, tcp=Tcp("timed-out"), echo=None), "line-down"),
    ),
    "clock or end of a certificate": (
        (but(address=OVER_TLS, tls=tls("not-yet-valid"), echo=None), "not-yet-valid"),
        (but(address=OVER_TLS, tls=tls("expired", days=-2), echo=None), "expired"),
    ),
    "their certificate or ours": (
        (but(address=OVER_TLS, tls=tls("unknown-authority"), echo=None), "not-believed"),
        (but(address=OVER_TLS, tls=tls("refused"), echo=None), "own-refused"),
    ),
    "ours unknown or ended": (
        (but(address=OVER_TLS, tls=tls("refused"), echo=None), "own-refused"),
        (but(address=OVER_TLS, tls=tls("refused", own=-1), echo=None), "own-expired"),
    ),
    "address change or certificate": (
        (but(name=Name(("192.0.2.9",), ("192.0.2.8",)), tcp=Tcp("timed-out"), echo=None), "address-changed"),
        (but(address=OVER_TLS, name=Name(("192.0.2.9",), ("192.0.2.8",)), tls=tls("name")), "not-believed"),
    ),
    "MTU or silent front": (
        (
            but(address=OVER_TLS, icmp=Icmp(20, (5.0,) * 20, 3, 0), tls=tls("deadline"), echo=None),
            "large-lost",
        ),
        (but(address=OVER_TLS, tls=tls("deadline"), echo=None), "tls-silent"),
    ),
    "our interface or the route": (
        (
            Facts(1, PLAIN, route=Route(found=False), interface=Interface("eth0", up=False, down=("eth0",))),
            "interface-down",
        ),
        (Facts(1, PLAIN, route=Route(found=False), interface=Interface()), "no-route"),
    ),
    "application down or one connection only": (
        (but(echo=Echo(why="closed")), "hung-up"),
        (but(echo=Echo(why="closed"), tcp=Tcp(standing=1)), "one-connection"),
    ),
    "dialect or silence": (
        (but(echo=Echo(why="silent", speaks="iso87b bin2")), "wrong-dialect"),
        (but(echo=Echo(why="silent")), "silent"),
    ),
    "own firewall or theirs": (
        (but(tcp=Tcp("timed-out"), icmp=Icmp(1, (), why="own-firewall"), echo=None), "own-firewall"),
        (but(tcp=Tcp("timed-out"), echo=None), "port-filtered"),
    ),
    "full line or slow line": (
        (but(contracted_kbit=64, interface=Interface(bytes_s=7000)), "line-full"),
        (but(contracted_kbit=64, tcp=Tcp(ms=500), icmp=NO_PINGS), "line-slow"),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_look_alikes_are_told_apart(name):
    (one, cause), (other, other_cause) = PAIRS[name]
    assert (verdict(one).cause, verdict(other).cause) == (cause, other_cause)


def test_a_well_link_is_fine():
    assert (verdict(WELL).cause, verdict(WELL).place) == ("fine", "nowhere")


def whys(*names):
    return st.sampled_from(["", *names])


MS = st.floats(0, 5000)
FACTS = st.builds(
    Facts,
    st.just(1),
    st.sampled_from([PLAIN, OVER_TLS]),
    st.none() | st.builds(Name, st.just(("192.0.2.9",)), st.just(()), whys("unknown", "silent"), MS),
    st.none()
    | st.builds(Interface, up=st.booleans(), errors=st.integers(0, 3), bytes_s=st.integers(0, 10**6)),
    st.none() | st.builds(Route, st.booleans(), whys("192.0.2.254"), whys("there", "missing")),
    st.none()
    | st.builds(Icmp, st.just(20), st.lists(MS, max_size=20).map(tuple), st.just(3), st.integers(0, 3)),
    st.none()
    | st.builds(Tcp, whys("refused", "timed-out", "unreachable", "own-firewall"), st.integers(0, 2), MS),
    st.none() | st.builds(Tls, whys("expired", "refused", "cut", "deadline", "name", "not-tls")),
    st.none()
    | st.builds(Echo, st.lists(MS, max_size=9).map(tuple), whys("silent", "closed", "unreadable", "refused")),
    st.sampled_from([0, 64]),
)


@given(FACTS)
def test_every_measurement_has_one_cause_and_words_for_it(facts):
    told = verdict(facts)
    assert told.place in PLACES
    assert told.cause in words.CAUSES
    assert [step.name for step in told.steps] == list(words.STEPS)
    for step in told.steps:
        assert step.verdict in words.VERDICTS
        assert step.why == "" or step.why in words.WHYS


@given(FACTS)
def test_a_failed_step_is_never_fine(facts):
    told = verdict(facts)
    if any(step.verdict == FAILED for step in told.steps):
        assert not told.fine


@given(FACTS, st.integers(0, 20))
def test_pings_alone_never_fail_a_link(facts, back):
    """Whatever becomes of pings: a link that answers quickly over TCP is not wrong for that."""
    base = but(facts, icmp=Icmp(20, (5.0,) * 20), tcp=Tcp(ms=5), echo=Echo((8.0,) * 9), tls=None)
    if verdict(base).fine:
        assert verdict(but(base, icmp=Icmp(20, (5.0,) * back, 3, 0))).fine


@given(FACTS)
def test_what_was_not_measured_is_not_judged(facts):
    steps = {step.name: step.verdict for step in verdict(facts).steps}
    for name in ("route", "name", "icmp", "tcp", "tls", "echo"):
        if getattr(facts, name) is None:
            assert steps[name] == NOT_TRIED


def test_words_and_rules_are_the_same_causes():
    assert words.CAUSES.keys() == CAUSES.keys()
    assert {place for _, place, _ in RULES} == set(PLACES) == words.PLACES.keys()
