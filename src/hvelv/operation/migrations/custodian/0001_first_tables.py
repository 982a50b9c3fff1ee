"""The first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from hvelv.kernel.audit import trigger_statements

revision: str = "custodian_0001"
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
        "catalog_raw_version",
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("object_name", sa.String(length=200), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("persons", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.String(length=40), nullable=False),
        sa.Column("published_by", sa.String(length=64), nullable=False),
        sa.Column("upload", sa.String(length=64), nullable=False),
        sa.Column("declaration", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "content_hash", name=op.f("pk_catalog_raw_version")),
        sa.UniqueConstraint("upload", name=op.f("uq_catalog_raw_version_upload")),
    )
    op.create_table(
        "enclave_export",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("project", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("offered", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enclave_export")),
    )
    with op.batch_alter_table("enclave_export", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enclave_export_project"), ["project"], unique=False)
        batch_op.create_index(batch_op.f("ix_enclave_export_state"), ["state"], unique=False)

    op.create_table(
        "privacy_account",
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("cap", sa.BigInteger(), nullable=False),
        sa.Column("allotted", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.String(), nullable=False),
        sa.CheckConstraint("cap > 0 AND allotted >= 0 AND allotted <= cap", name=op.f("ck_privacy_account_within")),
        sa.PrimaryKeyConstraint("dataset", name=op.f("pk_privacy_account")),
    )
    op.create_table(
        "privacy_charge",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("query_hash", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("rho_micro", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("release", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'charged' AND release IS NULL) OR (state = 'released' AND release IS NOT NULL)",
            name=op.f("ck_privacy_charge_state"),
        ),
        sa.CheckConstraint("rho_micro > 0", name=op.f("ck_privacy_charge_costs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_charge")),
        sa.UniqueConstraint("project", "idempotency_key", name=op.f("uq_privacy_charge_project")),
    )
    with op.batch_alter_table("privacy_charge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_charge_project"), ["project"], unique=False)

    op.create_table(
        "privacy_extract",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("permit_version", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("object_name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("person_count", sa.BigInteger(), nullable=False),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.Column("published_at", sa.String(), nullable=False),
        sa.CheckConstraint("row_count >= 0 AND person_count >= 0", name=op.f("ck_privacy_extract_counts")),
        sa.PrimaryKeyConstraint("project", "table_name", "permit_version", name=op.f("pk_privacy_extract")),
    )
    op.create_table(
        "privacy_job",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.String(), nullable=False),
        sa.Column("updated_at", sa.String(), nullable=False),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name=op.f("ck_privacy_job_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_job")),
    )
    with op.batch_alter_table("privacy_job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_job_project"), ["project"], unique=False)
        batch_op.create_index(batch_op.f("ix_privacy_job_state"), ["state"], unique=False)

    op.create_table(
        "privacy_key",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.Text(), nullable=False),
        sa.Column("made_at", sa.String(), nullable=False),
        sa.Column("destroyed_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_privacy_key")),
    )
    op.create_table(
        "privacy_opt_out",
        sa.Column("block", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.Column("added_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("block", "scope", name=op.f("pk_privacy_opt_out")),
    )
    op.create_table(
        "requests_barred",
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_requests_barred")),
    )
    op.create_table(
        "requests_permit",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("signed", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests_permit")),
        sa.UniqueConstraint("application", name=op.f("uq_requests_permit_application")),
        sa.UniqueConstraint("project", name=op.f("uq_requests_permit_project")),
    )
    op.create_table(
        "enclave_bundle_link",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("export", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=100), nullable=False),
        sa.Column("until", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["export"], ["enclave_export.id"], name=op.f("fk_enclave_bundle_link_export_enclave_export")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_enclave_bundle_link")),
    )
    with op.batch_alter_table("enclave_bundle_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enclave_bundle_link_export"), ["export"], unique=False)

    op.create_table(
        "privacy_allocation",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("allocated", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.String(), nullable=False),
        sa.CheckConstraint(
            "allocated >= 0 AND spent >= 0 AND spent <= allocated", name=op.f("ck_privacy_allocation_within")
        ),
        sa.ForeignKeyConstraint(
            ["dataset"], ["privacy_account.dataset"], name=op.f("fk_privacy_allocation_dataset_privacy_account")
        ),
        sa.PrimaryKeyConstraint("project", "dataset", name=op.f("pk_privacy_allocation")),
    )
    for statement in trigger_statements(op.get_bind().dialect.name):
        op.execute(sa.text(statement))


def downgrade() -> None:
    op.drop_table("privacy_allocation")
    with op.batch_alter_table("enclave_bundle_link", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enclave_bundle_link_export"))

    op.drop_table("enclave_bundle_link")
    op.drop_table("requests_permit")
    op.drop_table("requests_barred")
    op.drop_table("privacy_opt_out")
    op.drop_table("privacy_key")
    with op.batch_alter_table("privacy_job", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_job_state"))
        batch_op.drop_index(batch_op.f("ix_privacy_job_project"))

    op.drop_table("privacy_job")
    op.drop_table("privacy_extract")
    with op.batch_alter_table("privacy_charge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_charge_project"))

    op.drop_table("privacy_charge")
    op.drop_table("privacy_account")
    with op.batch_alter_table("enclave_export", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enclave_export_state"))
        batch_op.drop_index(batch_op.f("ix_enclave_export_project"))

    op.drop_table("enclave_export")
    op.drop_table("catalog_raw_version")
    op.drop_table("audit_event")
    op.drop_table("audit_checkpoint")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text("DROP FUNCTION audit_event_refuse()"))
