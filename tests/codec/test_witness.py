"""pyiso8583, written by others, reads and writes the same bytes."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings

from posswitch.codec import Message, load_dialect
from posswitch.codec.profile import specs_of
from posswitch.sim.bench_codec import run

from .strategies import messages

iso8583 = pytest.importorskip("iso8583")
specs = pytest.importorskip("iso8583.specs")
SPEC = copy.deepcopy(specs.default_ascii)
# the witness's table where the tables differ: its own choice of length, never of layout
SAME = [
    number
    for number, spec in specs_of("iso87a").items()
    if spec.units_max * (2 if spec.kind == "b" else 1) == SPEC[str(number)]["max_len"]
    and SPEC[str(number)]["len_type"] == (0 if spec.shape == "fixed" else len(spec.shape))
]


def test_the_tables_agree_nearly_everywhere() -> None:
    assert len(SAME) >= 120


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages("iso87a"))
def test_the_witness_reads_what_we_write(message: Message) -> None:
    ours = load_dialect("iso87a")
    message.fields = {number: message.fields[number] for number in message.fields if number in SAME}
    payload = ours.pack(message)
    theirs, _ = iso8583.decode(payload, SPEC)
    plain = {n: v.hex().upper() if isinstance(v, bytes) else v for n, v in message.fields.items()}
    assert {int(key): value for key, value in theirs.items() if key.isdecimal() and key != "1"} == plain
    assert bytes(iso8583.encode(theirs, SPEC)[0]) == payload


def test_the_benchmark_says_what_it_measured() -> None:
    figures = run(quick=True)
    assert figures["fields"] == 18
    assert figures["unpack_us"] > 0
    assert figures["pack_us"] > 0
    assert figures["pyiso8583_ratio"] > 0
