"""How gateways are, what was stored by day, what audits found, and what became of dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("gateway", schema=None) as batch_op:
        batch_op.add_column(sa.Column("machine", sa.Text(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("buses", sa.Text(), server_default="[]", nullable=False))
    op.create_table(
        "dead_letter_closed",
        sa.Column("closed_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("letter_id", sa.BigInteger(), nullable=False),
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.gateway"], name=op.f("fk_dead_letter_closed_gateway")),
        sa.PrimaryKeyConstraint("closed_id", name=op.f("pk_dead_letter_closed")),
    )
    with op.batch_alter_table("dead_letter_closed", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dead_letter_closed_gateway"), ["gateway", "closed_id"], unique=False)
    op.create_table(
        "stored_day",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.gateway"], name=op.f("fk_stored_day_gateway")),
        sa.PrimaryKeyConstraint("gateway", "day", name=op.f("pk_stored_day")),
    )
    op.create_table(
        "audit_day",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("audited_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.gateway"], name=op.f("fk_audit_day_gateway")),
        sa.PrimaryKeyConstraint("gateway", "day", name=op.f("pk_audit_day")),
    )


def downgrade() -> None:
    op.drop_table("audit_day")
    op.drop_table("stored_day")
    with op.batch_alter_table("dead_letter_closed", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dead_letter_closed_gateway"))
    op.drop_table("dead_letter_closed")
    with op.batch_alter_table("gateway", schema=None) as batch_op:
        batch_op.drop_column("buses")
        batch_op.drop_column("machine")
