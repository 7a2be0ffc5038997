"""The memory of what was asked: SQLite with nothing to set up, or PostgreSQL for a team."""
