"""Backup and restore: the journal in sealed segments, followed while it grows, and made anew from them."""
