"""Objections as a list of what people said; changed numbers. Written by hand: what is objected to already comes along.

Going back keeps the objections that the older table can hold, withdrawn ones too: rather one extract too small.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "custodian_0001b"
down_revision: str | None = "custodian_0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PART = 5_000
OLD = sa.table("privacy_opt_out", *(sa.column(name, sa.String) for name in ("block", "scope", "since", "added_at")))
NEW = sa.table(
    "privacy_objection",
    sa.column("block", sa.LargeBinary),
    *(sa.column(name, sa.String) for name in ("scope", "day", "act", "relation", "added_at")),
)


def upgrade() -> None:
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
    op.create_table(
        "privacy_canonical",
        sa.Column("old", sa.LargeBinary(), nullable=False),
        sa.Column("new", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("old", name=op.f("pk_privacy_canonical")),
    )
    for part in _parts(sa.select(OLD)):
        rows = [
            {
                "block": bytes.fromhex(block),
                "scope": scope if scope == "all" else f"dataset:{scope}",
                "day": since,
                "act": "object",
                "relation": "self",
                "added_at": added_at,
            }
            for block, scope, since, added_at in part
        ]
        op.get_bind().execute(sa.insert(NEW), rows)
    op.drop_table("privacy_opt_out")


def downgrade() -> None:
    op.create_table(
        "privacy_opt_out",
        sa.Column("block", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.Column("added_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("block", "scope", name=op.f("pk_privacy_opt_out")),
    )
    kept = sa.or_(NEW.c.scope == "all", NEW.c.scope.like("dataset:%"))
    earliest = sa.select(NEW.c.block, NEW.c.scope, sa.func.min(NEW.c.day), sa.func.min(NEW.c.added_at))
    for part in _parts(earliest.where(NEW.c.act == "object", kept).group_by(NEW.c.block, NEW.c.scope)):
        rows = [
            {"block": block.hex(), "scope": scope.removeprefix("dataset:"), "since": day, "added_at": added_at}
            for block, scope, day, added_at in part
        ]
        op.get_bind().execute(sa.insert(OLD), rows)
    op.drop_table("privacy_canonical")
    op.drop_table("privacy_objection")


def _parts(query: Any) -> Iterator[Sequence[Any]]:
    """Yield all rows, some at a time. They are read to the end first: what is read here is small beside the data."""
    rows = op.get_bind().execute(query).all()
    yield from (rows[i : i + PART] for i in range(0, len(rows), PART))
