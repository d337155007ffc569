"""The machine's clock and entropy, behind the port that the simulated world replaces."""

from posswitch.settings.clock import Clock, SystemClock


def test_ticks_do_not_go_back():
    clock: Clock = SystemClock()
    ticks = [clock.tick_ns() for _ in range(100)]
    assert ticks == sorted(ticks)
    assert all(isinstance(at_ns, int) for at_ns in (clock.wall_ns(), clock.tick_ns()))


def test_entropy_is_as_long_as_asked_and_never_the_same():
    clock = SystemClock()
    assert [len(clock.entropy(count)) for count in (0, 1, 16)] == [0, 1, 16]
    assert clock.entropy(16) != clock.entropy(16)
