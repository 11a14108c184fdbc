"""Runs the migrations on the connection it is given (hub/registry/database.py)."""

from alembic import context

from hub.registry.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
