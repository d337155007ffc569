"""A key works once and for ten minutes; sessions end, and there is a limit to everything."""

import itertools

from posswitch.base.moment import NS_PER_S
from posswitch.console.sessions import IDLE_NS, KEY_NS, KEYS_MAX, SESSION_NS, SESSIONS_MAX, Sessions


class Time:
    """A clock that is turned by hand."""

    def __init__(self):
        self.now_ns = 1_800_000_000 * NS_PER_S

    def __call__(self):
        return self.now_ns


def opened():
    time, numbers = Time(), itertools.count(1)
    return Sessions(time, lambda size: next(numbers).to_bytes(size, "big")), time


def test_a_key_works_once():
    sessions, _ = opened()
    key = sessions.new_key()
    cookie = sessions.begin(key)
    assert cookie and sessions.known(cookie)
    assert sessions.begin(key) is None


def test_a_key_is_good_for_ten_minutes():
    sessions, time = opened()
    late, early = sessions.new_key(), sessions.new_key()
    time.now_ns += KEY_NS - 1
    assert sessions.begin(early)
    time.now_ns += 1
    assert sessions.begin(late) is None


def test_a_cookie_that_was_changed_is_nobodys():
    sessions, _ = opened()
    cookie = sessions.begin(sessions.new_key())
    name, _, mac = cookie.partition(".")
    other = sessions.begin(sessions.new_key()).partition(".")
    for forged in (name, f"{name}.", f"{name}.{'0' * 64}", f"{other[0]}.{mac}", "", "ä.ö", f"{cookie}0"):
        assert sessions.known(forged) is None


def test_a_session_ends_after_a_shift_even_when_it_is_used():
    sessions, time = opened()
    cookie = sessions.begin(sessions.new_key())
    session = sessions.known(cookie)
    for _ in range(SESSION_NS // IDLE_NS):
        time.now_ns += IDLE_NS - 1
        assert sessions.known(cookie)
    time.now_ns += IDLE_NS // 2
    assert sessions.known(cookie) is None and not sessions.stands(session)


def test_a_session_that_nobody_looks_at_ends():
    sessions, time = opened()
    cookie = sessions.begin(sessions.new_key())
    session = sessions.known(cookie)
    time.now_ns += IDLE_NS
    sessions.touch(session)
    time.now_ns += IDLE_NS
    assert sessions.stands(session)
    time.now_ns += 1
    assert not sessions.stands(session)


def test_who_logs_out_is_out():
    sessions, _ = opened()
    cookie = sessions.begin(sessions.new_key())
    sessions.end(sessions.known(cookie))
    assert sessions.known(cookie) is None


def test_of_too_many_sessions_the_idlest_leaves():
    sessions, time = opened()
    cookies = []
    for _ in range(SESSIONS_MAX):
        cookies.append(sessions.begin(sessions.new_key()))
        time.now_ns += 1
    assert sessions.known(cookies[0])  # awake again: the second is the idlest now
    sessions.begin(sessions.new_key())
    assert [bool(sessions.known(cookie)) for cookie in cookies] == [True, False, *[True] * (SESSIONS_MAX - 2)]


def test_of_too_many_keys_the_oldest_leaves():
    sessions, _ = opened()
    keys = [sessions.new_key() for _ in range(KEYS_MAX + 1)]
    assert sessions.begin(keys[0]) is None
    assert all(sessions.begin(key) for key in keys[1:])


def test_what_it_says_of_itself_holds_no_secret():
    sessions, _ = opened()
    key = sessions.new_key()
    cookie = sessions.begin(key)
    assert key not in repr(sessions) and cookie not in repr(sessions)
