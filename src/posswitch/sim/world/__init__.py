"""The simulated world: one thread, virtual time, and everything that can go wrong, drawn from a seed."""
