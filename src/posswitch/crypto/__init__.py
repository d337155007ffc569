"""Keys, MACs and PIN blocks: bytes in, bytes out; entropy is an argument, clear keys stay in `hsm`."""
