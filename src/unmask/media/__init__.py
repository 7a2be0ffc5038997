"""Media comes in: find the files a user named, and decode them under limits."""
