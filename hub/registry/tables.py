"""The registry's tables. The migrations must give exactly these; a test compares.

Epochs are 64 random bits, more than a database's signed integer holds: they are kept as 16 hexadecimal digits.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_NAME = String(63)
_EPOCH = String(16)
# SQLite numbers rows by itself only in a column of type INTEGER.
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")

SITE = Table(
    "site",
    METADATA,
    Column("site", _NAME, primary_key=True),
    Column("name", Text, nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("admin_unit", Text, nullable=False),
)

GATEWAY = Table(
    "gateway",
    METADATA,
    Column("gateway", _NAME, primary_key=True),
    Column("site", _NAME, ForeignKey("site.site")),
    Column("state", String(16), nullable=False),
    Column("registered_ms", BigInteger, nullable=False),
    Column("first_seen_ms", BigInteger),
    Column("last_seen_ms", BigInteger),
    Column("status_ms", BigInteger),
    Column("online", Boolean, nullable=False),
    Column("reported_site", _NAME),
    Column("agent_version", Text, nullable=False),
    Column("boot_ms", BigInteger),
    Column("time_quality", Integer),
    Column("accepted_total", BigInteger),
    Column("final_total", BigInteger),
    Column("in_flight", BigInteger),
    Column("oldest_uncommitted_ms", BigInteger),
    Column("lost_total", Text, nullable=False),
    Column("machine", Text, nullable=False, server_default="{}"),
    Column("buses", Text, nullable=False, server_default="[]"),
)

UNKNOWN_GATEWAY = Table(
    "unknown_gateway",
    METADATA,
    Column("gateway", _NAME, primary_key=True),
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
)

DEVICE = Table(
    "device",
    METADATA,
    Column("gateway", _NAME, ForeignKey("gateway.gateway"), primary_key=True),
    Column("device", _NAME, primary_key=True),
    Column("profile", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("bus", Text, nullable=False),
    Column("quality", Integer),
    Column("last_good_ms", BigInteger),
    Column("errors", Text, nullable=False),
)

DEVICE_GROUP = Table(
    "device_group",
    METADATA,
    Column("gateway", _NAME, primary_key=True),
    Column("device", _NAME, primary_key=True),
    Column("group", _NAME, primary_key=True),
    Column("measurement", _NAME, nullable=False),
    Column("every_s", Float, nullable=False),
    ForeignKeyConstraint(["gateway", "device"], ["device.gateway", "device.device"], ondelete="CASCADE"),
)

POINT = Table(
    "point",
    METADATA,
    Column("gateway", _NAME, primary_key=True),
    Column("device", _NAME, primary_key=True),
    Column("group", _NAME, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("key", _NAME, nullable=False),
    Column("quantity", Text, nullable=False),
    Column("unit", Text, nullable=False),
    ForeignKeyConstraint(
        ["gateway", "device", "group"],
        ["device_group.gateway", "device_group.device", "device_group.group"],
        ondelete="CASCADE",
    ),
)

LEDGER = Table(
    "ledger",
    METADATA,
    Column("gateway", _NAME, ForeignKey("gateway.gateway"), primary_key=True),
    Column("epoch", _EPOCH, primary_key=True),
    Column("accepted_hi", BigInteger, nullable=False),
    Column("done", Text, nullable=False),
    Column("refused_count", BigInteger, nullable=False),
    Column("declared", Text, nullable=False),
)

REFUSED = Table(
    "refused",
    METADATA,
    Column("gateway", _NAME, ForeignKey("gateway.gateway"), primary_key=True),
    Column("epoch", _EPOCH, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Integer, nullable=False),
)

DEAD_LETTER = Table(
    "dead_letter",
    METADATA,
    Column("letter_id", _ROW_ID, primary_key=True),
    Column("gateway", _NAME, ForeignKey("gateway.gateway"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("topic", Text, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("payload_bytes", BigInteger, nullable=False),
    Column("epoch", _EPOCH),
    Column("seq", BigInteger),
    Column("times", BigInteger, nullable=False),
    UniqueConstraint("gateway", "digest"),
    Index(None, "gateway", "letter_id"),
)

# How many dead letters of one gateway were dropped to make room: a loss of evidence, so it is counted.
DEAD_LETTER_DROPPED = Table(
    "dead_letter_dropped",
    METADATA,
    Column("gateway", _NAME, ForeignKey("gateway.gateway"), primary_key=True),
    Column("dropped", BigInteger, nullable=False),
)

# What a person did with a dead letter: the letter goes, this stays.
DEAD_LETTER_CLOSED = Table(
    "dead_letter_closed",
    METADATA,
    Column("closed_id", _ROW_ID, primary_key=True),
    Column("letter_id", BigInteger, nullable=False),
    Column("gateway", _NAME, ForeignKey("gateway.gateway"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("epoch", _EPOCH),
    Column("seq", BigInteger),
    Column("times", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("closed_ms", BigInteger, nullable=False),
    Index(None, "gateway", "closed_id"),
)

# How many records of each gateway and UTC day (since 1970) the ledger says are stored: what an audit expects to find.
STORED_DAY = Table(
    "stored_day",
    METADATA,
    Column("gateway", _NAME, ForeignKey("gateway.gateway"), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("stored", BigInteger, nullable=False),
)

# What the newest audit of each gateway and day found.
AUDIT_DAY = Table(
    "audit_day",
    METADATA,
    Column("gateway", _NAME, ForeignKey("gateway.gateway"), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("stored", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("audited_ms", BigInteger, nullable=False),
)

# Who of several hubs does what only one may do. `beat` changes as long as the holder lives.
LEASE = Table(
    "lease",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("beat", BigInteger, nullable=False),
)

# Where several hubs store: the windows of the levels to put together again, by gateway and hour since 1970. `round` is
# that of the putting together that was last begun when the window was touched.
TOUCHED_WINDOW = Table(
    "touched_window",
    METADATA,
    Column("gateway", _NAME, primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("windows", Integer, nullable=False),
    Column("round", BigInteger, nullable=False),
)

# One row: how often putting together was begun.
LEVELS_ROUND = Table(
    "levels_round",
    METADATA,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("round", BigInteger, nullable=False),
)
