"""All drills, and what cannot be played on this stack, with the reason."""

from posswitch.base.errors import PosswitchError
from posswitch.sim.drills import on_banks, on_lines, on_machine, on_records, on_terminals
from posswitch.sim.drills.drill import Drill

_ROOMS = (on_lines, on_banks, on_terminals, on_records, on_machine)
# What lingers comes last, so that many can be played in one city, one after the other.
DRILLS: dict[str, Drill] = {
    drill.name: drill
    for drill in sorted((one for room in _ROOMS for one in room.DRILLS), key=lambda one: one.lingers)
}

_ONE_NODE, _NO_SHARED_POOL = "there is one node here", "banks share no pool in this centre"
_NO_FILE, _NO_CHIP = "no files are exchanged with a network here", "the city's cards have no chip"
_IN_DAYS = "it takes a day"
NOT_HERE: dict[str, str] = {
    "ovl-memory-leak": "no leak is known that could be opened",
    "ovl-thread-pool": _NO_SHARED_POOL,
    "ovl-hot-key": "no row is locked in this centre",
    "sys-poison-message": "no message is known that ends this node",
    "sys-switch-96-own": "what makes it say 96 is played: disk, HSM, overload",
    "sys-db-slow": "the database is a file of the node: see sys-io-fsync-slow",
    "sys-db-deadlock": "the database has one writer",
    "sys-db-failover": _ONE_NODE,
    "sys-config-drift": _ONE_NODE,
    "sys-log-storm": "the node's log is bounded by what changes",
    "sys-site-failover": _ONE_NODE,
    "sys-clock-jump": "the machine's clock is not the drill's to move: the proving ground moves its own",
    "time-cutover-stuck": _IN_DAYS,
    "ord-reversal-overtakes": "what a bank answers then is repeated until it fits; nobody sees it",
    "ord-stan-wrap": _IN_DAYS,
    "lim-card-limit": "it is ordinary business",
    "sec-merchant-fraud": _IN_DAYS,
    "sec-key-expired": "it is seen as sec-mac-mismatch-all",
    "sec-dukpt-counter": "the city's terminals have session keys",
    "iss-chip-script-fail": _NO_CHIP,
    "stl-imbalance-channel": _NO_FILE,
    "stl-file-missing": _NO_FILE,
    "stl-fee-mismatch": _NO_FILE,
    "stl-uncleared-reversal": _IN_DAYS,
    "ter-no-signon": "see ord-batch-mismatch+model",
}


def drill_named(name: str) -> Drill:
    """The drill; PosswitchError with what there is."""
    found = DRILLS.get(name)
    if found is None and name in NOT_HERE:
        raise PosswitchError(f"{name} cannot be played here: {NOT_HERE[name]}")
    if found is None:
        raise PosswitchError(f"no drill {name[:60]!r}; see posswitch drill --list")
    return found
