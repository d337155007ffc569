"""The proving ground: a small simulated city of terminals, banks and lines around a real node."""
