"""The tables as this version of the code reads and writes them; `migrations/` makes databases look like
this."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import JSON, TypeDecorator, TypeEngine

from jackfield.stores.vectors import Embedding

metadata = MetaData()


class _Document(TypeDecorator[Any]):
    """JSON, where a database has it in the form that is quicker to read."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return super().load_dialect_impl(dialect)
        # Imported here: who stays with SQLite should not wait for it at every start.
        from sqlalchemy.dialects.postgresql import JSONB

        return dialect.type_descriptor(JSONB(none_as_null=True))


Document = _Document(none_as_null=True)
# SQLite numbers rows by itself only where the key is a plain INTEGER.
Serial = BigInteger().with_variant(Integer(), "sqlite")

# One row. Taking the next revision locks it, so revisions become visible in their order.
revisions = Table(
    "revisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)

objects = Table(
    "objects",
    metadata,
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("revision", BigInteger, nullable=False, unique=True),
    Column("body", Document),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("deleted", Boolean, nullable=False),
)

# The plugin world as it was at each change of it.
generations = Table(
    "generations",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("plugins", Document, nullable=False),
    Column("goes_back_to", BigInteger),
    Column("body", Document, nullable=False),
    Column("stats", Document, nullable=False),
    Column("changes", Document),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("object_id", String, nullable=False),
    Column("namespace", String, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("before_digest", String),
    Column("after_digest", String),
    Column("changes", Document),
    Index("audit_object", "kind", "object_id", "seq"),
)

# Only what identifies a record is required: one odd value must not keep a whole batch out.
usage = Table(
    "usage",
    metadata,
    Column("id", String, primary_key=True),
    Column("at", Double, nullable=False),
    Column("namespace", String),
    Column("key_id", String),
    Column("app", String),
    Column("user", String),
    Column("operation", String),
    Column("route", String),
    Column("client_format", String),
    Column("model", String),
    Column("provider", String),
    Column("upstream", String),
    Column("upstream_model", String),
    Column("stream", Boolean),
    Column("status", Integer),
    Column("error", String),
    Column("plugin", String),
    Column("finish_reason", String),
    Column("cached_answer", Boolean),
    Column("attempts", Integer),
    Column("input_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("cost_nanousd", BigInteger),
    Column("total_ms", Double),
    Column("first_byte_ms", Double),
    Column("upstream_ms", Double),
    Column("hooks_ms", Double),
    Column("request_bytes", BigInteger),
    Column("response_bytes", BigInteger),
    Column("worker", String),
    Index("usage_at", "at"),
    Index("usage_key", "key_id", "at"),
    Index("usage_app", "app", "at"),
)

# Batches of usage records that are durable and not in `usage` yet, each a JSON array of arrays in the order of the
# columns there; so columns are only ever added at the end. `records` is 0 where a batch cannot be read. It comes before
# the body: SQLite walks through a long value to reach what is behind it.
usage_journal = Table(
    "usage_journal",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("records", Integer, nullable=False),
    Column("body", Text, nullable=False),
)

traces = Table(
    "traces",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("body", Text, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String, primary_key=True),
    Column("at", Double, nullable=False),
    Column("body", Document, nullable=False),
)

# Sizes come before values: SQLite walks through a long value to reach what is behind it.
kv = Table(
    "kv",
    metadata,
    Column("owner", String, primary_key=True),
    Column("user", String, primary_key=True),
    Column("namespace", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("expires_at", Double),
    Column("updated_at", Double, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Index("kv_size", "owner", "size"),
    Index("kv_expiry", "expires_at"),
)

# What only one worker does at a time. No run may be due that is not after `anchor`; `holder` has it until `until`.
leases = Table(
    "leases",
    metadata,
    Column("owner", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", Double, nullable=False),
    Column("anchor", Double, nullable=False),
    Column("last_run", Double),
    Column("runs", BigInteger, nullable=False),
    Column("last_error", Text),
    Column("failures", BigInteger, nullable=False, server_default="0"),
    Column("ended_at", Double),
    Column("keep_until", Double, nullable=False),
    Index("leases_keep", "keep_until"),
)

# Accounts at providers that operators signed in with. `bound_to` is the sign-in as it was declared then: tokens go to
# nobody else. `version` tells that anything has changed, `issue` which tokens they are.
accounts = Table(
    "accounts",
    metadata,
    Column("id", String, primary_key=True),
    Column("sign_in", String, nullable=False),
    Column("label", String, nullable=False),
    Column("bound_to", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("issue", BigInteger, nullable=False),
    Column("cool_until", Double, nullable=False),
    Column("refused", Boolean, nullable=False),
    Column("trouble", Text),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("actor", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("accounts_label", "sign_in", "label", unique=True),
)

# Signing in that was begun. Kept for a while after it ended, so that who comes again is told why not.
sign_in_states = Table(
    "sign_in_states",
    metadata,
    Column("digest", String, primary_key=True),
    Column("session", String, nullable=False),
    Column("flow", String, nullable=False),
    Column("sign_in", String, nullable=False),
    Column("bound_to", Text, nullable=False),
    Column("redirect_url", Text, nullable=False),
    Column("label", String),
    Column("actor", String, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("used_at", Double),
    Column("sealed", LargeBinary, nullable=False),
    Index("sign_in_states_expiry", "expires_at"),
)

# What is remembered of users. `change` numbers the changes of one user's memories. `length` is that of the words as a
# vector; `model` and `dimensions` are of the embedding, where there is one.
memories = Table(
    "memories",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("user", String, nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("digest", String, nullable=False),
    Column("type", String, nullable=False),
    Column("importance", Integer, nullable=False),
    Column("source", String, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("last_accessed", Double, nullable=False),
    Column("length", Double, nullable=False),
    Column("model", String),
    Column("dimensions", Integer),
    Column("content", Text, nullable=False),
    Index("memories_user", "user", "change"),
    Index("memories_digest", "user", "digest", unique=True),
    Index("memories_model", "model"),
)

memory_words = Table(
    "memory_words",
    metadata,
    Column("memory", Serial, ForeignKey("memories.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("word", BigInteger, primary_key=True, autoincrement=False),
    Column("weight", Double, nullable=False),
    Index("memory_words_word", "word", "memory", "weight"),
    sqlite_with_rowid=False,
)

# Plain bytes, and no use, in a PostgreSQL without pgvector.
memory_vectors = Table(
    "memory_vectors",
    metadata,
    Column("memory", Serial, ForeignKey("memories.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("embedding", Embedding, nullable=False),
)

# Answers of the Responses API that are kept for their callers. `items` are those of the conversation up to the answer,
# `body` is the answer, both JSON; `size` is that of both. Sizes come before values, as in `kv`.
responses = Table(
    "responses",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("owner", String, nullable=False),
    Column("credential", String),
    Column("at", Double, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("items", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("responses_owner", "owner", "seq", "size"),
    Index("responses_credential", "credential"),
    Index("responses_at", "at"),
)
