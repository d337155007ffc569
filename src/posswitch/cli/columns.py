"""Columns of text that stand under each other in a terminal: Chinese letters take two places."""

import unicodedata


def places(text: str) -> int:
    """How many places of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def padded(text: str, width: int) -> str:
    """A text with as many blanks behind it as make it `width` places."""
    return text + " " * (width - places(text))
