"""How long banks usually take, and what is slow for them."""

import numpy as np
import pytest

from posswitch.diagnose import latency as room
from posswitch.diagnose.latency import Latencies
from posswitch.diagnose.signals import Dim
from posswitch.journal.vitals import WIDTH, Column, How


def answers(bank, *took_ms, own_ms=3.0, how=How.BANK):
    """Columns and outcomes of answers of one bank."""
    columns = np.zeros((len(Dim), len(took_ms)), np.int32)
    columns[Dim.BANK] = bank
    outcomes = np.zeros((len(took_ms), WIDTH), np.int32)
    outcomes[:, Column.HOW] = how
    outcomes[:, Column.BANK_US] = [1000 * one for one in took_ms]
    outcomes[:, Column.WAIT_US] = outcomes[:, Column.BANK_US] + int(1000 * own_ms)
    return columns, outcomes


def learned():
    """Bank 1 takes 50 to 100 ms, bank 2 takes 1 to 2."""
    latencies = Latencies()
    for bank, times in ((1, range(50, 101)), (2, [1, 2] * 30)):
        latencies.learn(*answers(bank, *times), set())
    return latencies


def test_slow_is_what_takes_much_longer_than_nine_of_ten():
    latencies = learned()
    assert latencies.half_ms(1) == 75
    assert list(latencies.slow(*answers(1, 75, 100, 185, 195, 400))) == [False, False, False, True, True]


def test_a_fast_bank_is_not_slow_for_some_milliseconds():
    assert list(learned().slow(*answers(2, 5, 21, 23))) == [False, False, True]


def test_only_banks_are_slow_and_only_known_ones():
    latencies = learned()
    assert not latencies.slow(*answers(1, 9999, how=How.TIMER)).any()
    assert not latencies.slow(*answers(0, 9999)).any()
    assert not latencies.slow(*answers(77, 9999)).any()
    assert latencies.half_ms(77) == 0


def test_a_suspected_bank_teaches_nothing():
    latencies = learned()
    latencies.learn(*answers(1, *[900] * 500), {1})
    assert latencies.half_ms(1) == 75
    latencies.learn(*answers(1, *[900] * 500), set())
    assert latencies.half_ms(1) == 900


def test_what_the_centre_takes_itself_is_learned_while_nothing_is_suspected():
    latencies = learned()
    assert latencies.own_ms == pytest.approx(3.0)
    latencies.learn(*answers(1, *[70] * 50, own_ms=500), {2})
    assert latencies.own_ms == pytest.approx(3.0)
    latencies.learn(*answers(1, *[70] * 50, own_ms=500), set())
    assert 3.0 < latencies.own_ms < 20


def test_however_many_banks_there_are_so_many_are_known(monkeypatch):
    monkeypatch.setattr(room, "_BANKS_MAX", 3)
    latencies = Latencies()
    for bank in range(1, 9):
        latencies.learn(*answers(bank, *[10] * 50), set())
    assert [bank for bank in range(1, 9) if latencies.half_ms(bank)] == [1, 2, 3]
