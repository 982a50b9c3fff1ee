"""Releases that are wished for and not waited for."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "custodian_0004"
down_revision: str | None = "custodian_0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "privacy_wish",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("rho_micro", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.CheckConstraint("rho_micro > 0", name=op.f("ck_privacy_wish_price")),
        sa.CheckConstraint("state <> 'done' OR release <> ''", name=op.f("ck_privacy_wish_answered")),
        sa.CheckConstraint(
            "state IN ('waiting', 'working', 'done', 'failed', 'cancelled')", name=op.f("ck_privacy_wish_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_wish")),
        sa.UniqueConstraint("project", "key", name=op.f("uq_privacy_wish_project")),
    )
    with op.batch_alter_table("privacy_wish", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_wish_project"), ["project"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("privacy_wish", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_wish_project"))
    op.drop_table("privacy_wish")
