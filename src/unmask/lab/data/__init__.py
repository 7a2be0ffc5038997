"""Labelled pictures: the manifest, making one, and auditing one."""
