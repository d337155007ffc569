"""What happened, durable: one append-only table with a keyed chain, and the facts that follow from it."""
