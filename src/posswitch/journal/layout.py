"""The tables: what is the record, and what only follows from it."""

DATABASE, HEAD = "journal.db", "journal.head"  # files in the data folder
APPLICATION_ID = 0x504F5357  # "POSW"
LAYOUT_VERSION = 3

TABLES = """
CREATE TABLE journal(
    seq INTEGER PRIMARY KEY,   -- 1, 2, 3 … without a gap
    at_ns INTEGER NOT NULL,
    body BLOB NOT NULL,        -- MessagePack of the record: time, event, verdict
    link BLOB NOT NULL         -- HMAC over the previous link, seq and body
) STRICT;
CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TABLE payment(
    payment INTEGER PRIMARY KEY,  -- the record that opened it
    key TEXT NOT NULL UNIQUE,     -- what makes a repeat a repeat; begins with terminal and batch
    kind TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    is_foreign INTEGER NOT NULL,
    original INTEGER NOT NULL,    -- the payment it builds on, or 0
    state TEXT NOT NULL,
    code TEXT NOT NULL,           -- the DE39 its terminal is owed
    auth TEXT NOT NULL,
    cause TEXT NOT NULL           -- of its last step
) STRICT;
CREATE INDEX payment_by_auth ON payment(auth) WHERE kind = 'preauth';
CREATE INDEX payment_of_owner ON payment(payment) WHERE state = 'needs-owner';
CREATE TABLE batch(
    terminal TEXT NOT NULL,
    batch TEXT NOT NULL,
    phase TEXT NOT NULL,
    body BLOB NOT NULL,           -- MessagePack: terminal's totals, ours, flags, what was open
    PRIMARY KEY(terminal, batch)
) WITHOUT ROWID, STRICT;
CREATE TABLE difference(
    terminal TEXT NOT NULL,
    batch TEXT NOT NULL,
    stan TEXT NOT NULL,
    ours_minor INTEGER,           -- NULL: not here
    theirs_minor INTEGER,         -- NULL: not at the terminal
    ours_state TEXT NOT NULL,
    PRIMARY KEY(terminal, batch, stan)
) WITHOUT ROWID, STRICT;
CREATE TABLE counter(
    key TEXT NOT NULL,
    window TEXT NOT NULL,
    used_minor INTEGER NOT NULL,
    PRIMARY KEY(key, window)
) WITHOUT ROWID, STRICT;
CREATE TABLE snapshot(
    seq INTEGER PRIMARY KEY,
    body BLOB NOT NULL,        -- the state after record seq
    mac BLOB NOT NULL
) STRICT;
"""
