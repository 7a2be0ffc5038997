"""The API for programs: requests are read, answers and problem documents go out."""
