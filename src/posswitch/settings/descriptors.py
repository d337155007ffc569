"""How many files and connections a process may have open: raised to what its caps need."""

from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

from posswitch.base.bounds import ACCEPTS_MAX, CONNECTIONS_MAX, DESCRIPTORS_SPARE, HANDSHAKES_MAX, SILENT_MAX

_DOORSTEP = SILENT_MAX + 2 * HANDSHAKES_MAX  # silent, waiting for their turn, under way
_OTHERS = ACCEPTS_MAX + _DOORSTEP + DESCRIPTORS_SPARE
DESCRIPTORS_NEEDED = CONNECTIONS_MAX + _OTHERS


def descriptors_raised(needed: int = DESCRIPTORS_NEEDED) -> int:
    """Raises the soft limit of open files as far as the hard one allows; how many there may be now."""
    soft, hard = (_number(limit) for limit in getrlimit(RLIMIT_NOFILE))
    if soft < needed:
        soft = min(needed, hard)
        setrlimit(RLIMIT_NOFILE, (soft, getrlimit(RLIMIT_NOFILE)[1]))
    return min(soft, needed)


def descriptors_allowed() -> int:
    """How many files a process that is started here may have open, once it asks for them."""
    return _number(getrlimit(RLIMIT_NOFILE)[1])


def connections_for(descriptors: int) -> int:
    """How many terminal connections leave enough for banks, HSMs and files; at least one."""
    return min(CONNECTIONS_MAX, max(descriptors - min(_OTHERS, descriptors // 2), 1))


def _number(limit: int) -> int:
    return DESCRIPTORS_NEEDED if limit == RLIM_INFINITY else limit
