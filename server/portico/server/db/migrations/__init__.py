"""Alembic's environment and the revisions, in the wheel."""
