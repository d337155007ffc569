"""Every drill on the real stack: `python -m tests.drills.run`."""
