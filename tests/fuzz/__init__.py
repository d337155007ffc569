"""No bytes escape: every room that reads what others send answers or raises its documented error.

`python -m tests.fuzz.plain` mutates blindly and fast, `python -m tests.fuzz.guided` follows coverage with
atheris; both aim at the rows of `targets.TARGETS`. What once escaped is replayed from `crashers/`.
"""
