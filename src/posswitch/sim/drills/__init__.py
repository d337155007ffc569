"""Drills: anomalies of the real stack, played by name against a running city, injected by another process."""
