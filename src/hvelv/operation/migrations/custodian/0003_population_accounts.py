"""Accounts of populations, charges in lines, top-ups. Written by hand: what is spent and charged comes along.

Each dataset's account becomes its own population's, with its holder and persons from the vault's index; a tenth of what it
has left becomes the platform's own share. Every charge becomes a charge with one line. Going back is possible as long as
no charge has several lines and no population several datasets; else it stops and nothing is changed.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "custodian_0003"
down_revision: str | None = "custodian_0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# As they were when this was written: a migration does not change with the code.
PLATFORM, OWN_PART = "platform", 10
FEMTO, DELTA_CAP, DELTA_EACH, DELTA_PERSONS = 10**15, 10**9, 10**8, 10


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns))


ACCOUNT = _table("privacy_account", "dataset", "title", "cap", "allotted", "opened_at")
VERSION = _table("catalog_raw_version", "dataset", "holder", "persons")
POPULATION = _table(
    "privacy_population", "population", "holder", "title", "persons", "cap", "allotted", "spent",
    "delta_cap", "delta_allotted", "delta_spent", "opened_at",
)  # fmt: skip
DATASET = _table("privacy_dataset", "dataset", "population", "title", "opened_at")
ALLOCATION = _table(
    "privacy_allocation", "project", "dataset", "allocated", "spent", "delta_allocated", "delta_spent", "is_open",
    "opened_at",
)  # fmt: skip
CHARGE = _table("privacy_charge", "id", "project", "dataset", "rho_micro", "release", "extract_hash")
LINE = _table("privacy_charge_line", "charge", "dataset", "rho_micro", "delta_femto", "pure_micro")


def upgrade() -> None:
    accounts = op.get_bind().execute(sa.select(ACCOUNT)).mappings().all()
    lines = op.get_bind().execute(sa.select(CHARGE.c.id, CHARGE.c.dataset, CHARGE.c.rho_micro)).mappings().all()
    _make_accounts()
    _insert(POPULATION, [_population(account) for account in accounts])
    _insert(
        DATASET,
        [{n: a[n] for n in ("dataset", "title", "opened_at")} | {"population": a["dataset"]} for a in accounts],
    )
    _change_allocations()
    for account in accounts:
        _share_out(account)
    op.drop_table("privacy_account")
    _change_charges()
    _insert(
        LINE,
        [
            {"charge": one["id"], "dataset": one["dataset"], "rho_micro": one["rho_micro"]}
            | {"delta_femto": 0, "pure_micro": None}
            for one in lines
        ],
    )


def _insert(table: sa.TableClause, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        op.get_bind().execute(sa.insert(table), [dict(row) for row in rows])


def _population(account: sa.RowMapping) -> dict[str, Any]:
    """Return the account as its dataset's population's. Nothing is spent of it yet: allocations follow."""
    query = sa.select(sa.func.max(VERSION.c.persons), sa.func.max(VERSION.c.holder))
    persons, holder = op.get_bind().execute(query.where(VERSION.c.dataset == account["dataset"])).one()
    most = FEMTO // (DELTA_PERSONS * persons) if persons else DELTA_CAP
    names = ("title", "cap", "allotted", "opened_at")
    return {name: account[name] for name in names} | {
        "population": account["dataset"],
        "holder": holder or "",
        "persons": persons or 0,
        "spent": 0,
        "delta_cap": min(DELTA_CAP, most),
        "delta_allotted": 0,
        "delta_spent": 0,
    }


def _share_out(account: sa.RowMapping) -> None:
    """Give each allocation its delta and the platform its own share, and note what was spent."""
    bind, dataset = op.get_bind(), account["dataset"]
    here = POPULATION.c.population == dataset
    cap, left = bind.execute(
        sa.select(POPULATION.c.delta_cap, POPULATION.c.cap - POPULATION.c.allotted).where(here)
    ).one()
    own = {"project": PLATFORM, "dataset": dataset, "allocated": left // OWN_PART, "spent": 0, "is_open": True}
    _insert(ALLOCATION, [own | {"delta_allocated": 0, "delta_spent": 0, "opened_at": account["opened_at"]}])
    mine = ALLOCATION.c.dataset == dataset
    given = 0
    held = sa.select(ALLOCATION.c.project, ALLOCATION.c.allocated).where(mine).order_by(ALLOCATION.c.project)
    for project, allocated in bind.execute(held).all():
        delta = min(DELTA_EACH, cap * allocated // account["cap"], cap - given)
        given += delta
        bind.execute(sa.update(ALLOCATION).where(mine, ALLOCATION.c.project == project).values(delta_allocated=delta))
    spent = bind.execute(sa.select(sa.func.coalesce(sa.func.sum(ALLOCATION.c.spent), 0)).where(mine)).scalar_one()
    allotted = account["allotted"] + own["allocated"]
    bind.execute(sa.update(POPULATION).where(here).values(allotted=allotted, spent=spent, delta_allotted=given))


def _make_accounts() -> None:
    op.create_table(
        "privacy_population",
        sa.Column("population", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("persons", "cap", "allotted", "spent", "delta_cap", "delta_allotted", "delta_spent")
        ),
        sa.Column("opened_at", sa.String(), nullable=False),
        sa.CheckConstraint("cap > 0 AND allotted >= 0 AND allotted <= cap", name=op.f("ck_privacy_population_within")),
        sa.CheckConstraint("spent >= 0 AND spent <= allotted", name=op.f("ck_privacy_population_spent")),
        sa.CheckConstraint(
            "delta_spent >= 0 AND delta_spent <= delta_allotted AND delta_allotted <= delta_cap"
            " AND delta_cap <= 1000000000",
            name=op.f("ck_privacy_population_delta"),
        ),
        sa.CheckConstraint("persons >= 0", name=op.f("ck_privacy_population_persons")),
        sa.PrimaryKeyConstraint("population", name=op.f("pk_privacy_population")),
    )
    op.create_index(op.f("ix_privacy_population_holder"), "privacy_population", ["holder"])
    op.create_table(
        "privacy_dataset",
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("population", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("opened_at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["population"],
            ["privacy_population.population"],
            name=op.f("fk_privacy_dataset_population_privacy_population"),
        ),
        sa.PrimaryKeyConstraint("dataset", name=op.f("pk_privacy_dataset")),
    )
    op.create_index(op.f("ix_privacy_dataset_population"), "privacy_dataset", ["population"])
    op.create_table(
        "privacy_topup",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("population", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("cap_before", sa.BigInteger(), nullable=False),
        sa.Column("cap", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("period_from", sa.String(), nullable=True),
        sa.Column("period_until", sa.String(), nullable=True),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", sa.String(), nullable=True),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_privacy_topup_reason")),
        sa.CheckConstraint("cap_before > 0 AND cap > cap_before", name=op.f("ck_privacy_topup_larger")),
        sa.CheckConstraint(
            "state <> 'confirmed' OR (decided_by <> '' AND decided_by <> proposed_by)",
            name=op.f("ck_privacy_topup_by_two"),
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'confirmed', 'refused', 'withdrawn')", name=op.f("ck_privacy_topup_state")
        ),
        sa.ForeignKeyConstraint(
            ["population"],
            ["privacy_population.population"],
            name=op.f("fk_privacy_topup_population_privacy_population"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_topup")),
    )
    for name in ("population", "state"):
        op.create_index(op.f(f"ix_privacy_topup_{name}"), "privacy_topup", [name])


def _change_allocations() -> None:
    """Add delta, and point to datasets instead of accounts."""
    with op.batch_alter_table("privacy_allocation", schema=None) as batch_op:
        for name in ("delta_allocated", "delta_spent"):
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.drop_constraint(batch_op.f("fk_privacy_allocation_dataset_privacy_account"), type_="foreignkey")
        batch_op.create_foreign_key(
            batch_op.f("fk_privacy_allocation_dataset_privacy_dataset"), "privacy_dataset", ["dataset"], ["dataset"]
        )
        batch_op.create_check_constraint(
            batch_op.f("ck_privacy_allocation_delta"), "delta_spent >= 0 AND delta_spent <= delta_allocated"
        )
    with op.batch_alter_table("privacy_allocation", schema=None) as batch_op:
        for name in ("delta_allocated", "delta_spent"):
            batch_op.alter_column(name, server_default=None)


def _change_charges() -> None:
    """Take dataset and price out of the charge, which lines have now, and add what the answer was made from."""
    with op.batch_alter_table("privacy_charge", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_privacy_charge_costs"), type_="check")
        batch_op.drop_column("dataset")
        batch_op.drop_column("rho_micro")
        batch_op.add_column(sa.Column("extract_hash", sa.String(), nullable=False, server_default=""))
        batch_op.create_index(batch_op.f("ix_privacy_charge_query_hash"), ["query_hash"], unique=False)
    with op.batch_alter_table("privacy_charge", schema=None) as batch_op:
        batch_op.alter_column("extract_hash", server_default=None)
    bind = op.get_bind()
    for name, release in bind.execute(sa.select(CHARGE.c.id, CHARGE.c.release).where(CHARGE.c.release.is_not(None))):
        made = str(json.loads(release).get("extract_hash", ""))
        bind.execute(sa.update(CHARGE).where(CHARGE.c.id == name).values(extract_hash=made))
    op.create_table(
        "privacy_charge_line",
        sa.Column("charge", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("rho_micro", sa.BigInteger(), nullable=False),
        sa.Column("delta_femto", sa.BigInteger(), nullable=False),
        sa.Column("pure_micro", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("rho_micro > 0 AND rho_micro <= 1000000000000", name=op.f("ck_privacy_charge_line_costs")),
        sa.CheckConstraint("delta_femto >= 0 AND delta_femto <= 1000000000", name=op.f("ck_privacy_charge_line_delta")),
        sa.CheckConstraint(
            "pure_micro IS NULL OR (pure_micro > 0 AND pure_micro <= 1000000000000)",
            name=op.f("ck_privacy_charge_line_pure"),
        ),
        sa.ForeignKeyConstraint(
            ["charge"], ["privacy_charge.id"], name=op.f("fk_privacy_charge_line_charge_privacy_charge")
        ),
        sa.ForeignKeyConstraint(
            ["dataset"], ["privacy_dataset.dataset"], name=op.f("fk_privacy_charge_line_dataset_privacy_dataset")
        ),
        sa.PrimaryKeyConstraint("charge", "dataset", name=op.f("pk_privacy_charge_line")),
    )
    op.create_index(op.f("ix_privacy_charge_line_dataset"), "privacy_charge_line", ["dataset"])


def downgrade() -> None:
    bind = op.get_bind()
    own = ALLOCATION.c.project == PLATFORM
    for told, query in (
        ("a charge has several lines", sa.select(LINE.c.charge).group_by(LINE.c.charge).having(sa.func.count() > 1)),
        (
            "a population has several datasets",
            sa.select(DATASET.c.population).group_by(DATASET.c.population).having(sa.func.count() > 1),
        ),
        ("the platform has spent of its share", sa.select(ALLOCATION.c.project).where(own, ALLOCATION.c.spent > 0)),
    ):
        if bind.execute(query.limit(1)).first():
            raise RuntimeError(f"cannot go back: {told}, which the earlier tables cannot hold")
    found = bind.execute(sa.select(ALLOCATION.c.dataset, ALLOCATION.c.allocated).where(own))
    shares = {dataset: allocated for dataset, allocated in found}  # noqa: C416 - rows are no pairs to mypy
    lines = bind.execute(sa.select(LINE.c.charge, LINE.c.dataset, LINE.c.rho_micro)).mappings().all()
    accounts = bind.execute(
        sa.select(DATASET, POPULATION.c.cap, POPULATION.c.allotted).where(
            POPULATION.c.population == DATASET.c.population
        )
    ).mappings()
    old = [
        {name: one[name] for name in ("dataset", "title", "cap", "opened_at")}
        | {"allotted": one["allotted"] - shares.get(one["dataset"], 0)}
        for one in accounts.all()
    ]
    op.drop_table("privacy_charge_line")
    bind.execute(sa.delete(ALLOCATION).where(own))
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
    _insert(ACCOUNT, old)
    with op.batch_alter_table("privacy_allocation", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_privacy_allocation_delta"), type_="check")
        batch_op.drop_constraint(batch_op.f("fk_privacy_allocation_dataset_privacy_dataset"), type_="foreignkey")
        for name in ("delta_allocated", "delta_spent"):
            batch_op.drop_column(name)
        batch_op.create_foreign_key(
            batch_op.f("fk_privacy_allocation_dataset_privacy_account"), "privacy_account", ["dataset"], ["dataset"]
        )
    with op.batch_alter_table("privacy_charge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_privacy_charge_query_hash"))
        batch_op.drop_column("extract_hash")
        batch_op.add_column(sa.Column("dataset", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("rho_micro", sa.BigInteger(), nullable=False, server_default="1"))
    for line in lines:
        values = {"dataset": line["dataset"], "rho_micro": line["rho_micro"]}
        bind.execute(sa.update(CHARGE).where(CHARGE.c.id == line["charge"]).values(**values))
    with op.batch_alter_table("privacy_charge", schema=None) as batch_op:
        for name in ("dataset", "rho_micro"):
            batch_op.alter_column(name, server_default=None)
        batch_op.create_check_constraint(batch_op.f("ck_privacy_charge_costs"), "rho_micro > 0")
    op.drop_table("privacy_topup")
    op.drop_table("privacy_dataset")
    op.drop_table("privacy_population")
