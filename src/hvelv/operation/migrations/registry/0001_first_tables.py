"""The first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hvelv.kernel.audit import trigger_statements

revision: str = "registry_0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("signed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_event",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("prev", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_event")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_event_hash")),
        sa.UniqueConstraint("prev", name=op.f("uq_audit_event_prev")),
    )
    op.create_table(
        "catalog_counter",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_counter")),
    )
    op.create_table(
        "catalog_holder",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("contact", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_holder")),
    )
    op.create_table(
        "kernel_person",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("roles", sa.String(length=200), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("department", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernel_person")),
    )
    op.create_table(
        "portal_session",
        sa.Column("name_hash", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("seen_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name_hash", name=op.f("pk_portal_session")),
    )
    with op.batch_alter_table("portal_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_portal_session_person"), ["person"], unique=False)

    op.create_table(
        "requests_application",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("lead", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("draft", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests_application")),
    )
    with op.batch_alter_table("requests_application", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_requests_application_lead"), ["lead"], unique=False)
        batch_op.create_index(batch_op.f("ix_requests_application_state"), ["state"], unique=False)

    op.create_table(
        "catalog_dataset",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("table_name", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(
            ["holder"], ["catalog_holder.id"], name=op.f("fk_catalog_dataset_holder_catalog_holder")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_dataset")),
        sa.UniqueConstraint("table_name", name=op.f("uq_catalog_dataset_table_name")),
    )
    op.create_table(
        "kernel_credential",
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("totp_secret", sa.String(length=64), nullable=False),
        sa.Column("last_counter", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"], ["kernel_person.id"], name=op.f("fk_kernel_credential_person_kernel_person")
        ),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_kernel_credential")),
    )
    op.create_table(
        "requests_conclusion",
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("voters", sa.Text(), nullable=False),
        sa.Column("chair", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["application"],
            ["requests_application.id"],
            name=op.f("fk_requests_conclusion_application_requests_application"),
        ),
        sa.PrimaryKeyConstraint("application", name=op.f("pk_requests_conclusion")),
    )
    op.create_table(
        "requests_conflict",
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["application"],
            ["requests_application.id"],
            name=op.f("fk_requests_conflict_application_requests_application"),
        ),
        sa.PrimaryKeyConstraint("application", "person", name=op.f("pk_requests_conflict")),
    )
    op.create_table(
        "requests_decision",
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("choice", sa.String(length=10), nullable=False),
        sa.Column("granted", sa.Text(), nullable=False),
        sa.Column("conditions", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["application"],
            ["requests_application.id"],
            name=op.f("fk_requests_decision_application_requests_application"),
        ),
        sa.PrimaryKeyConstraint("revision", "holder", "person", name=op.f("pk_requests_decision")),
    )
    with op.batch_alter_table("requests_decision", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_requests_decision_application"), ["application"], unique=False)

    op.create_table(
        "requests_event",
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application"],
            ["requests_application.id"],
            name=op.f("fk_requests_event_application_requests_application"),
        ),
        sa.PrimaryKeyConstraint("application", "place", name=op.f("pk_requests_event")),
    )
    op.create_table(
        "requests_project",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("signed", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["application"],
            ["requests_application.id"],
            name=op.f("fk_requests_project_application_requests_application"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests_project")),
        sa.UniqueConstraint("application", name=op.f("uq_requests_project_application")),
    )
    op.create_table(
        "requests_revision",
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["application"],
            ["requests_application.id"],
            name=op.f("fk_requests_revision_application_requests_application"),
        ),
        sa.PrimaryKeyConstraint("application", "number", name=op.f("pk_requests_revision")),
        sa.UniqueConstraint("hash", name=op.f("uq_requests_revision_hash")),
    )
    op.create_table(
        "requests_vote",
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("choice", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["application"], ["requests_application.id"], name=op.f("fk_requests_vote_application_requests_application")
        ),
        sa.PrimaryKeyConstraint("revision", "person", name=op.f("pk_requests_vote")),
    )
    with op.batch_alter_table("requests_vote", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_requests_vote_application"), ["application"], unique=False)

    op.create_table(
        "catalog_selection",
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("variable", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset"], ["catalog_dataset.id"], name=op.f("fk_catalog_selection_dataset_catalog_dataset")
        ),
        sa.PrimaryKeyConstraint("person", "dataset", "variable", name=op.f("pk_catalog_selection")),
    )
    op.create_table(
        "catalog_version",
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("persons", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.String(length=40), nullable=False),
        sa.Column("published_by", sa.String(length=64), nullable=False),
        sa.Column("declaration", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset"], ["catalog_dataset.id"], name=op.f("fk_catalog_version_dataset_catalog_dataset")
        ),
        sa.PrimaryKeyConstraint("dataset", "content_hash", name=op.f("pk_catalog_version")),
    )
    for statement in trigger_statements(op.get_bind().dialect.name):
        op.execute(sa.text(statement))


def downgrade() -> None:
    op.drop_table("catalog_version")
    op.drop_table("catalog_selection")
    with op.batch_alter_table("requests_vote", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_requests_vote_application"))

    op.drop_table("requests_vote")
    op.drop_table("requests_revision")
    op.drop_table("requests_project")
    op.drop_table("requests_event")
    with op.batch_alter_table("requests_decision", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_requests_decision_application"))

    op.drop_table("requests_decision")
    op.drop_table("requests_conflict")
    op.drop_table("requests_conclusion")
    op.drop_table("kernel_credential")
    op.drop_table("catalog_dataset")
    with op.batch_alter_table("requests_application", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_requests_application_state"))
        batch_op.drop_index(batch_op.f("ix_requests_application_lead"))

    op.drop_table("requests_application")
    with op.batch_alter_table("portal_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_portal_session_person"))

    op.drop_table("portal_session")
    op.drop_table("kernel_person")
    op.drop_table("catalog_holder")
    op.drop_table("catalog_counter")
    op.drop_table("audit_event")
    op.drop_table("audit_checkpoint")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text("DROP FUNCTION audit_event_refuse()"))
