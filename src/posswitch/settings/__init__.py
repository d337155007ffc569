"""Configuration and the clock."""
