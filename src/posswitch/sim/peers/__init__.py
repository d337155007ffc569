"""Simulated peers: real, honest fakes over TCP that know only what a real peer would."""
