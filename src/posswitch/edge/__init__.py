"""The outside world: sockets, secrets under way, the loop."""
