"""Diagnosis: places, causes, incidents; what it finds is compared with what was planted or is known."""
