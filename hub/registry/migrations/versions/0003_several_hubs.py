"""Several hubs on one registry: who of them leads, and which windows they touched."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "touched_window",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "hour", name=op.f("pk_touched_window")),
    )
    op.create_table(
        "levels_round",
        sa.Column("only", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("only", name=op.f("pk_levels_round")),
    )
    op.execute(sa.text("INSERT INTO levels_round VALUES (1, 0)"))


def downgrade() -> None:
    op.drop_table("levels_round")
    op.drop_table("touched_window")
    op.drop_table("lease")
