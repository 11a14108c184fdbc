"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("admin_unit", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_site")),
    )
    op.create_table(
        "unknown_gateway",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_unknown_gateway")),
    )
    op.create_table(
        "gateway",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("registered_ms", sa.BigInteger(), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=True),
        sa.Column("status_ms", sa.BigInteger(), nullable=True),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("reported_site", sa.String(length=63), nullable=True),
        sa.Column("agent_version", sa.Text(), nullable=False),
        sa.Column("boot_ms", sa.BigInteger(), nullable=True),
        sa.Column("time_quality", sa.Integer(), nullable=True),
        sa.Column("accepted_total", sa.BigInteger(), nullable=True),
        sa.Column("final_total", sa.BigInteger(), nullable=True),
        sa.Column("in_flight", sa.BigInteger(), nullable=True),
        sa.Column("oldest_uncommitted_ms", sa.BigInteger(), nullable=True),
        sa.Column("lost_total", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.site"], name=op.f("fk_gateway_site")),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_gateway")),
    )
    op.create_table(
        "dead_letter",
        sa.Column("letter_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("payload_bytes", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.gateway"], name=op.f("fk_dead_letter_gateway")),
        sa.PrimaryKeyConstraint("letter_id", name=op.f("pk_dead_letter")),
        sa.UniqueConstraint("gateway", "digest", name=op.f("uq_dead_letter_gateway")),
    )
    with op.batch_alter_table("dead_letter", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dead_letter_gateway"), ["gateway", "letter_id"], unique=False)

    op.create_table(
        "dead_letter_dropped",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("dropped", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.gateway"], name=op.f("fk_dead_letter_dropped_gateway")),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_dead_letter_dropped")),
    )
    op.create_table(
        "device",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("bus", sa.Text(), nullable=False),
        sa.Column("quality", sa.Integer(), nullable=True),
        sa.Column("last_good_ms", sa.BigInteger(), nullable=True),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.gateway"], name=op.f("fk_device_gateway")),
        sa.PrimaryKeyConstraint("gateway", "device", name=op.f("pk_device")),
    )
    op.create_table(
        "ledger",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("accepted_hi", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.Text(), nullable=False),
        sa.Column("refused_count", sa.BigInteger(), nullable=False),
        sa.Column("declared", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.gateway"], name=op.f("fk_ledger_gateway")),
        sa.PrimaryKeyConstraint("gateway", "epoch", name=op.f("pk_ledger")),
    )
    op.create_table(
        "refused",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.gateway"], name=op.f("fk_refused_gateway")),
        sa.PrimaryKeyConstraint("gateway", "epoch", "seq", name=op.f("pk_refused")),
    )
    op.create_table(
        "device_group",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("group", sa.String(length=63), nullable=False),
        sa.Column("measurement", sa.String(length=63), nullable=False),
        sa.Column("every_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gateway", "device"],
            ["device.gateway", "device.device"],
            name=op.f("fk_device_group_gateway"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("gateway", "device", "group", name=op.f("pk_device_group")),
    )
    op.create_table(
        "point",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("group", sa.String(length=63), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gateway", "device", "group"],
            ["device_group.gateway", "device_group.device", "device_group.group"],
            name=op.f("fk_point_gateway"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("gateway", "device", "group", "position", name=op.f("pk_point")),
    )


def downgrade() -> None:
    op.drop_table("point")
    op.drop_table("device_group")
    op.drop_table("refused")
    op.drop_table("ledger")
    op.drop_table("device")
    op.drop_table("dead_letter_dropped")
    with op.batch_alter_table("dead_letter", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dead_letter_gateway"))

    op.drop_table("dead_letter")
    op.drop_table("gateway")
    op.drop_table("unknown_gateway")
    op.drop_table("site")
