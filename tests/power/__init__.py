"""The real switch on a disk that forgets, and with a million purchases on file."""
