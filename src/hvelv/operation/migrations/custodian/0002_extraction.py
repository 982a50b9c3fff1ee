"""Extraction."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "custodian_0002"
down_revision: str | None = "custodian_0001b"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "privacy_ended_room",
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("ended_at", sa.String(length=40), nullable=False),
        sa.Column("kept_until", sa.String(length=40), nullable=False),
        sa.Column("sealed_at", sa.String(length=40), nullable=False),
        sa.Column("emptied_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("project", name=op.f("pk_privacy_ended_room")),
    )
    with op.batch_alter_table("privacy_ended_room", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_ended_room_ended_at"), ["ended_at"], unique=False)

    op.create_table(
        "privacy_extract_part",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("object_name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("person_count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("row_count >= 0 AND person_count >= 0", name=op.f("ck_privacy_extract_part_counts")),
        sa.PrimaryKeyConstraint("project", "table_name", "generation", "number", name=op.f("pk_privacy_extract_part")),
    )
    op.create_table(
        "privacy_extracted",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("permit_version", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("objections", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.Column("published_at", sa.String(), nullable=False),
        sa.Column("withdrawn_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("project", "table_name", "generation", name=op.f("pk_privacy_extracted")),
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
        "privacy_reidentification",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("pseudonyms", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("requester", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("steward", sa.String(), nullable=False),
        sa.Column("ethics", sa.String(), nullable=False),
        sa.CheckConstraint("ethics = '' OR ethics <> requester", name=op.f("ck_privacy_reidentification_ethics")),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'executed', 'refused', 'withdrawn')",
            name=op.f("ck_privacy_reidentification_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'executed') OR (steward <> '' AND ethics <> '')",
            name=op.f("ck_privacy_reidentification_by_two"),
        ),
        sa.CheckConstraint(
            "steward = '' OR (steward <> ethics AND steward <> requester)",
            name=op.f("ck_privacy_reidentification_steward"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_reidentification")),
    )
    with op.batch_alter_table("privacy_reidentification", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_reidentification_project"), ["project"], unique=False)

    op.create_table(
        "privacy_review",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('noted', 'waiting', 'changing', 'approved', 'refused')", name=op.f("ck_privacy_review_state")
        ),
        sa.PrimaryKeyConstraint("project", "table_name", "generation", name=op.f("pk_privacy_review")),
    )
    with op.batch_alter_table("privacy_review", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_review_holder"), ["holder"], unique=False)

    op.drop_table("privacy_extract")
    with op.batch_alter_table("privacy_key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("direct", sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("privacy_key", schema=None) as batch_op:
        batch_op.drop_column("direct")

    op.create_table(
        "privacy_extract",
        sa.Column("project", sa.VARCHAR(), nullable=False),
        sa.Column("table_name", sa.VARCHAR(), nullable=False),
        sa.Column("permit_version", sa.INTEGER(), nullable=False),
        sa.Column("dataset", sa.VARCHAR(), nullable=False),
        sa.Column("bucket", sa.VARCHAR(), nullable=False),
        sa.Column("object_name", sa.VARCHAR(), nullable=False),
        sa.Column("sha256", sa.VARCHAR(), nullable=False),
        sa.Column("row_count", sa.BIGINT(), nullable=False),
        sa.Column("person_count", sa.BIGINT(), nullable=False),
        sa.Column("code_version", sa.VARCHAR(), nullable=False),
        sa.Column("published_at", sa.VARCHAR(), nullable=False),
        sa.CheckConstraint("row_count >= 0 AND person_count >= 0", name=op.f("ck_privacy_extract_counts")),
        sa.PrimaryKeyConstraint("project", "table_name", "permit_version", name=op.f("pk_privacy_extract")),
    )
    with op.batch_alter_table("privacy_review", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_review_holder"))

    op.drop_table("privacy_review")
    with op.batch_alter_table("privacy_reidentification", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_reidentification_project"))

    op.drop_table("privacy_reidentification")
    with op.batch_alter_table("privacy_key_destruction", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_key_destruction_state"))

    op.drop_table("privacy_key_destruction")
    op.drop_table("privacy_key_certificate")
    op.drop_table("privacy_extracted")
    op.drop_table("privacy_extract_part")
    with op.batch_alter_table("privacy_ended_room", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_ended_room_ended_at"))

    op.drop_table("privacy_ended_room")
