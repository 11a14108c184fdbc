-- One row for what must be remembered about the spool itself.
CREATE TABLE total (
    name  TEXT PRIMARY KEY,   -- accepted_closed: records of epochs whose row is gone; lost_<reason>
    value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE epoch (
    id          INTEGER PRIMARY KEY,   -- order of opening
    epoch       BLOB NOT NULL UNIQUE,  -- 64 random bits, big-endian
    accepted_hi INTEGER NOT NULL       -- seqs 1..accepted_hi were accepted
);

-- The records of one commit to disk, as the bytes of a wire batch: compressed, and checked by its own CRC.
CREATE TABLE chunk (
    id        INTEGER PRIMARY KEY,
    epoch_id  INTEGER NOT NULL REFERENCES epoch (id),
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    oldest_ms INTEGER NOT NULL,
    final     BLOB,                    -- CBOR [[first, last], ...]: what of it the hub has committed
    body      BLOB NOT NULL
);

-- Tombstones the hub has not yet committed.
CREATE TABLE loss (
    id       INTEGER PRIMARY KEY,
    epoch_id INTEGER NOT NULL REFERENCES epoch (id),
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    reason   TEXT NOT NULL
);
