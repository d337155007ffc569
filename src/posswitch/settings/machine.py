"""Tables about the machine and what is beside it, keys, people (`[office]`) and `[guards]`."""

from typing import Annotated

import msgspec

from posswitch.base.bounds import HSM_LINKS_MAX

NETWORKS_MAX, PORTS_MAX = 1000, 32
SSH = 22
SOFTWARE_KEYS = "keys in this machine's memory are accepted"

_Networks = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=50, description="write a network such as 10.0.0.0/8")]],
    msgspec.Meta(max_length=NETWORKS_MAX, description=f"list at most {NETWORKS_MAX} networks"),
]
_Ports = Annotated[
    list[Annotated[int, msgspec.Meta(ge=1, le=65535)]],
    msgspec.Meta(max_length=PORTS_MAX, description=f"list at most {PORTS_MAX} ports from 1 to 65535"),
]
_Name = Annotated[
    str, msgspec.Meta(pattern=r"\A(?=.*\w)\S[^\x00-\x1f\x7f]{0,28}\S\Z", description="write a person's name")
]
File = Annotated[
    str,
    msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,1000}\Z", description="write the name of a file or folder"),
]
Choice = Annotated[str, msgspec.Meta(max_length=1000, description="write a name")]


class TlsTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[tls]`; without it there is none."""

    certificate: File = ""
    key: File = ""
    authorities: File = ""
    ciphers: Choice = ""


class BackupTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[backup]`; without `to` there is none."""

    to: File = ""
    every: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 10  # seconds
    rehearse: Annotated[int, msgspec.Meta(ge=1, le=8760)] = 24  # hours


class HsmTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[hsm]`; without `links` keys are kept in software."""

    links: Annotated[
        list[str],
        msgspec.Meta(
            max_length=HSM_LINKS_MAX,
            description=f'list 1 to {HSM_LINKS_MAX} addresses: ["host:port", …]',
        ),
    ] = []
    timeout: Annotated[float, msgspec.Meta(ge=0.05, le=10.0)] = 1.0  # seconds
    software: Annotated[
        str, msgspec.Meta(pattern=rf"\A({SOFTWARE_KEYS})?\Z", description=f'write exactly "{SOFTWARE_KEYS}"')
    ] = ""


class ScanTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[scan]`: how often the supervisor has the machine looked at, and what else may listen there."""

    every: Annotated[int, msgspec.Meta(ge=0, le=8760)] = 0  # hours; 0 = only when asked
    ports: _Ports = []


class InspectTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[inspect]`: when the daily inspection is made and kept; empty = only when asked."""

    at: Annotated[
        str,
        msgspec.Meta(pattern=r"\A(([01][0-9]|2[0-3]):[0-5][0-9])?\Z", description='write a time as "06:00"'),
    ] = ""  # Beijing time


class FirewallTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[firewall]`: who may connect, and how much of the switch a source may take."""

    terminals: _Networks = []  # only from there; empty = from everywhere
    known: _Networks = []  # these have the reserve, and no caps of their own
    administration: _Networks = []  # from where the administrative ports are reached; empty = everywhere
    ports: _Ports = msgspec.field(default_factory=lambda: [SSH])  # the administrative ports
    connections: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 64  # of one source at once
    rate: Annotated[int, msgspec.Meta(ge=1, le=10000)] = 10  # new connections of one source, a second
    burst: Annotated[int, msgspec.Meta(ge=1, le=10000)] = 20
    reserve: Annotated[int, msgspec.Meta(ge=1, le=4000)] = 1024  # connections kept free for `known`
    newcomers: Annotated[int, msgspec.Meta(ge=1, le=100000)] = 200  # new connections of all others, a second


class KeysTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[keys]`: how long keys that are exchanged live."""

    exchange_hours: Annotated[int, msgspec.Meta(ge=0, le=8760)] = 24  # 0 = only when asked or in trouble
    overlap: Annotated[int, msgspec.Meta(ge=1, le=86400)] = 300  # seconds that the one before is accepted
    misfits: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 5  # in a row, and new keys are exchanged


class OfficeTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[office]`; without `may_show_cards` nobody may."""

    may_show_cards: Annotated[
        list[_Name],
        msgspec.Meta(
            max_length=50, description="list the names of at most 50 people, 2 to 30 characters each"
        ),
    ] = []


OFF, SHADOW, FORCE = "off", "shadow", "force"
_Mode = Annotated[
    str,
    msgspec.Meta(pattern=rf"\A({OFF}|{SHADOW}|{FORCE})\Z", description='write "off", "shadow" or "force"'),
]


class GuardsTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[guards]`: what each guard may do: nothing, count, or bar.

    Those that bar from the start count what ordinary business does not have; those in shadow count what an
    unusual but honest one may have: a desk for returned goods, a front with two addresses, a bad line.
    """

    card_testing: _Mode = FORCE
    bin_enumeration: _Mode = FORCE
    pin_guessing: _Mode = FORCE
    amount_probing: _Mode = FORCE
    cloned_terminal: _Mode = FORCE
    terminal_pace: _Mode = FORCE
    unknown_terminals: _Mode = FORCE
    unreadable_frames: _Mode = FORCE
    two_places: _Mode = SHADOW
    refund_abuse: _Mode = SHADOW
    reversal_abuse: _Mode = SHADOW
