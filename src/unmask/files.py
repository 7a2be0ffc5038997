"""Write files whole: a reader, or a run that is stopped, never meets half of one."""

from __future__ import annotations

import secrets
from pathlib import Path


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file under another name beside its place, then put it there in one step.

    Args:
        path: The file; one that is there already is replaced.
        content: Its bytes, or its text, which is written in UTF-8.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    data = content.encode(errors="replace") if isinstance(content, str) else content
    # What a link leads to is replaced, and not the link.
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        # A device or a pipe, as /dev/stdout is one, cannot be replaced.
        target.write_bytes(data)
        return
    new = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
    try:
        with new.open("xb") as file:
            file.write(data)
        if target.exists():
            new.chmod(target.stat().st_mode & 0o777)
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
