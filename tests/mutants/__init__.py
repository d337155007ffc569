"""Planted bugs, and whether the simulated worlds see them."""
