"""Commands for people who make and judge models."""
