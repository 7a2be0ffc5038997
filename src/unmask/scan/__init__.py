"""Millions of files: listed once, scored in blocks by many processes, remembered in a ledger."""
