"""Commands for people with a file and a doubt."""
