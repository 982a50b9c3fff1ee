"""Extraction."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "custodian_0002"
down_revision: str | None = "custodian_0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "privacy_canonical",
        sa.Column("old", sa.LargeBinary(), nullable=False),
        sa.Column("new", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("old", name=op.f("pk_privacy_canonical")),
    )
    op.create_table(
        "privacy_key_certificate",
        sa.Column("key_group", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("signed", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("made_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key_group", "number", name=op.f("pk_privacy_key_certificate")),
    )
    op.create_table(
        "privacy_key_destruction",
        sa.Column("key_group", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.String(), nullable=False),
        sa.Column("ended_at", sa.String(), nullable=True),
        sa.CheckConstraint("state IN ('destroying', 'destroyed')", name=op.f("ck_privacy_key_destruction_state")),
        sa.PrimaryKeyConstraint("key_group", name=op.f("pk_privacy_key_destruction")),
    )
    with op.batch_alter_table("privacy_key_destruction", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_key_destruction_state"), ["state"], unique=False)

    op.create_table(
        "privacy_objection",
        sa.Column("block", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("act", sa.String(length=10), nullable=False),
        sa.Column("relation", sa.String(length=10), nullable=False),
        sa.Column("representative", sa.LargeBinary(), nullable=True),
        sa.Column("added_at", sa.String(length=40), nullable=False),
        sa.CheckConstraint("act IN ('object', 'withdraw')", name=op.f("ck_privacy_objection_act")),
        sa.PrimaryKeyConstraint("block", "scope", "day", "act", name=op.f("pk_privacy_objection")),
    )
    op.drop_table("privacy_opt_out")
    with op.batch_alter_table("privacy_key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("direct", sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("privacy_key", schema=None) as batch_op:
        batch_op.drop_column("direct")

    op.create_table(
        "privacy_opt_out",
        sa.Column("block", sa.VARCHAR(length=32), nullable=False),
        sa.Column("scope", sa.VARCHAR(), nullable=False),
        sa.Column("since", sa.VARCHAR(), nullable=False),
        sa.Column("added_at", sa.VARCHAR(), nullable=False),
        sa.PrimaryKeyConstraint("block", "scope", name=op.f("pk_privacy_opt_out")),
    )
    op.drop_table("privacy_objection")
    with op.batch_alter_table("privacy_key_destruction", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_key_destruction_state"))

    op.drop_table("privacy_key_destruction")
    op.drop_table("privacy_key_certificate")
    op.drop_table("privacy_canonical")
