"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "composers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_composers")),
        sa.UniqueConstraint("name", name=op.f("uq_composers_name")),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("architecture", sa.String(), nullable=False),
        sa.Column("tokenizer", sa.String(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("directory", sa.String(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("name", name=op.f("uq_runs_name")),
    )
    op.create_index(op.f("ix_runs_status"), "runs", ["status"], unique=False)
    op.create_table(
        "tokenizers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("learned", sa.String(), nullable=True),
        sa.Column("learned_from", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokenizers")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_tokenizers_fingerprint")),
    )
    op.create_table(
        "aliases",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("spelling", sa.String(), nullable=False),
        sa.Column("composer_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["composer_id"], ["composers.id"], name=op.f("fk_aliases_composer_id")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_aliases")),
    )
    op.create_index(op.f("ix_aliases_composer_id"), "aliases", ["composer_id"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_checkpoints_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
        sa.UniqueConstraint("run_id", "kind", name=op.f("uq_checkpoints_run_id_kind")),
    )
    op.create_table(
        "exports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_exports_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )
    op.create_index(op.f("ix_exports_run_id"), "exports", ["run_id"], unique=False)
    op.create_table(
        "files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("repair", sa.String(), nullable=True),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("composer_id", sa.Integer(), nullable=True),
        sa.Column("cluster", sa.String(), nullable=True),
        sa.Column("split", sa.String(), nullable=True),
        sa.Column("notes", sa.Integer(), nullable=True),
        sa.Column("tracks", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("bars", sa.Integer(), nullable=True),
        sa.Column("metre", sa.String(), nullable=True),
        sa.Column("tempo", sa.Double(), nullable=True),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("ticks_per_quarter", sa.Integer(), nullable=True),
        sa.Column("programs", sa.JSON(), nullable=True),
        sa.Column("has_pedal", sa.Boolean(), nullable=True),
        sa.Column("sketch", sa.LargeBinary(), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["composer_id"], ["composers.id"], name=op.f("fk_files_composer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("sha256", name=op.f("uq_files_sha256")),
    )
    op.create_index(op.f("ix_files_cluster"), "files", ["cluster"], unique=False)
    op.create_index(op.f("ix_files_composer_id"), "files", ["composer_id"], unique=False)
    op.create_index(op.f("ix_files_split"), "files", ["split"], unique=False)
    op.create_index(op.f("ix_files_status"), "files", ["status"], unique=False)
    op.create_table(
        "samples",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("bundle", sa.String(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_samples_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
    )
    op.create_index(op.f("ix_samples_run_id"), "samples", ["run_id"], unique=False)
    op.create_index(op.f("ix_samples_sha256"), "samples", ["sha256"], unique=False)
    op.create_table(
        "shards",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tokenizer_id", sa.Integer(), nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("augment", sa.String(), nullable=False),
        sa.Column("pieces", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tokenizer_id"], ["tokenizers.id"], name=op.f("fk_shards_tokenizer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shards")),
        sa.UniqueConstraint("path", name=op.f("uq_shards_path")),
        sa.UniqueConstraint(
            "tokenizer_id",
            "split",
            "augment",
            "pieces",
            name=op.f("uq_shards_tokenizer_id_split_augment_pieces"),
        ),
    )
    op.create_table(
        "labels",
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name=op.f("fk_labels_file_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("file_id", "category", name=op.f("pk_labels")),
    )
    op.create_table(
        "places",
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_places_file_id")),
        sa.PrimaryKeyConstraint("path", "member", name=op.f("pk_places")),
    )
    op.create_index(op.f("ix_places_file_id"), "places", ["file_id"], unique=False)
    op.create_table(
        "spans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shard_id", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("augment", sa.String(), nullable=False),
        sa.Column("skipped", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_spans_file_id")),
        sa.ForeignKeyConstraint(["shard_id"], ["shards.id"], name=op.f("fk_spans_shard_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spans")),
    )
    op.create_index(op.f("ix_spans_shard_id"), "spans", ["shard_id"], unique=False)


def downgrade() -> None:
    op.drop_table("spans")
    op.drop_table("places")
    op.drop_table("labels")
    op.drop_table("shards")
    op.drop_table("samples")
    op.drop_table("files")
    op.drop_table("exports")
    op.drop_table("checkpoints")
    op.drop_table("aliases")
    op.drop_table("tokenizers")
    op.drop_table("runs")
    op.drop_table("composers")
