"""Who may speak for which terminal: certificate ↔ source ↔ terminals. Asked before a message is believed."""

from posswitch.base.registry import Registry


def may_speak(registry: Registry, certificate: str, terminal: str) -> bool:
    """Whether the holder of a certificate (SHA-256, hex; empty in clear text) speaks for a terminal.

    In clear text nobody has said who he is: the message's own MAC must do. A merchant's number is the
    registered one, never the one that the message claims.
    """
    if not certificate:
        return True
    source = registry.source_of(certificate)
    if source is None:  # it has left since it connected
        return False
    row = registry.terminals.get(terminal)
    return terminal.startswith(source.terminals) or (
        row is not None and row.merchant.startswith(source.merchants)
    )
