-- Who wrote this file: the letters "Senx", so that no other program's database is taken for a spool.
PRAGMA application_id = 0x53656e78;

-- One row (id 1): what is remembered of epochs that are wholly final. CBOR and its CRC-32: `Totals` in ledger.py.
CREATE TABLE total (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);

-- One row for each opening with something left: what of it is accepted, final and given up. CBOR and its CRC-32:
-- `EpochLedger` in ledger.py.
CREATE TABLE epoch (
    id   INTEGER PRIMARY KEY,    -- counts the openings
    body BLOB NOT NULL
);

-- The records first..last of an epoch, made durable together. The key says where they stand, so that they lie in the
-- file in the order they came and need no index: it is the epoch's id times 2 to the 40th, plus first.
CREATE TABLE chunk (
    place     INTEGER PRIMARY KEY,
    last      INTEGER NOT NULL,
    oldest_ms INTEGER NOT NULL,
    body      BLOB NOT NULL      -- the bytes of a wire batch: compressed, self-describing, checked by their own CRC-32
);
