"""Who may speak for which terminal, as a table."""

import pytest

from posswitch.base.registry import Registry, Source, Terminal
from posswitch.edge.identity import may_speak

TILL, CHAIN, ACQUIRER = "aa" * 32, "bb" * 32, "cc" * 32
REGISTRY = Registry(
    [
        Terminal("10000001", "802440354110001", b""),
        Terminal("10000012", "802440354110002", b""),
        Terminal("20000001", "802441054110001", b""),
        Source("till", (TILL,), terminals=("10000001",)),
        Source("chain", (CHAIN,), terminals=("2",), merchants=("802440354110002",)),
        Source("acquirer", (ACQUIRER,), merchants=("8024403",)),
    ]
)


@pytest.mark.parametrize(
    ("certificate", "terminals"),
    [
        (TILL, ["10000001"]),
        (CHAIN, ["10000012", "20000001", "29999999"]),
        (ACQUIRER, ["10000001", "10000012"]),
        ("dd" * 32, []),
        ("", ["10000001", "10000012", "20000001", "29999999", "", "1000000"]),
    ],
)
def test_a_certificate_speaks_for_its_terminals_and_no_others(certificate, terminals):
    asked = ["10000001", "10000012", "20000001", "29999999", "", "1000000"]
    assert [name for name in asked if may_speak(REGISTRY, certificate, name)] == terminals
