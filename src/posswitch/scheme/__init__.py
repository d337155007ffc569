"""The meaning of messages, as tables."""
