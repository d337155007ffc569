"""Journals of earlier releases know addresses of two parts and banks without certificates."""

import msgspec
import pytest

from posswitch.base.order import pack_change, read_change
from posswitch.base.registry import Address, Bank, Change, Registry, Source, key_of

OLD_BANK = ["Bank", "90010000", "甲银行", "Bank A", [["10.0.0.1", 6000], ["b.example", 7]], b"p", b"a"]


@pytest.mark.parametrize("more", [[], ["iso87a"], ["iso87a", "bin2"]])
def test_an_old_change_of_a_bank_is_read(more):
    change = read_change(msgspec.msgpack.encode([7, [[*OLD_BANK, *more]], []]))
    assert change is not None
    (bank,) = change.put
    assert isinstance(bank, Bank)
    assert bank.links == (Address("10.0.0.1", 6000, ""), Address("b.example", 7, ""))
    assert [link.tls for link in bank.links] == [False, False]
    assert bank.certificates == ()
    assert str(bank.links[0]) == "10.0.0.1:6000"


def test_a_new_one_keeps_what_is_new():
    bank = Bank(
        "90010000", "", "", (Address("a", 1, "tls"), Address("b", 2)), b"", b"", certificates=("ab" * 32,)
    )
    source = Source("chain-1", ("cd" * 32,), ("10",), ("8024403",))
    assert read_change(pack_change(Change(1, (bank, source), (("source", "x"),)))) == Change(
        1, (bank, source), (("source", "x"),)
    )
    assert str(bank.links[0]) == "tls://a:1"
    assert bank.links[0].tls


def test_a_certificate_leads_to_its_source_until_it_goes():
    registry = Registry([Source("one", ("aa", "bb")), Source("two", ("cc",))])
    assert [registry.source_of(name) for name in ("aa", "bb", "cc")] == [
        registry.sources["one"],
        registry.sources["one"],
        registry.sources["two"],
    ]
    renewed = Source("one", ("bb",))
    registry.amend([renewed], [("source", "two")])
    assert registry.source_of("aa") is registry.source_of("cc") is None
    assert registry.source_of("bb") == renewed
    assert [key_of(row) for row in registry.rows] == [("source", "one")]
