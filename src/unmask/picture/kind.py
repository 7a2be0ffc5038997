"""Tell what a file is from its first bytes, so that a wrong one is answered by what it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

PICTURES_READ = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC and the JPEG in camera raws"
HEAD_BYTES = 4096
"""So many bytes are enough to tell every kind; 16 are enough to tell pictures and videos."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a file is.

    Attributes:
        name: In words, with its article, as in ``a PDF document``; empty where nobody knows.
        is_picture: Whether `unmask.picture.decode` reads its format; GIF, PNG, WebP, AVIF and HEIC
            may move as well.
        is_video: Whether `unmask.video` reads its format, and it holds nothing else than videos.
        is_raw: Whether it is a camera raw. Those in a TIFF are not told from others by their head.
    """

    name: str
    is_picture: bool = False
    is_video: bool = False
    is_raw: bool = False

    @property
    def refusal(self) -> str:
        """One sentence for who sent it as a picture."""
        if self.is_video:
            return "This is not a picture; for videos use `unmask video`."
        if self.is_picture:
            return f"This {self.name.split(' ', 1)[1]} is broken, or of a kind that is not read."
        if self.name:
            return f"This is not a picture but {self.name}; unmask reads {PICTURES_READ}."
        return f"This is not a picture in a format that unmask reads: {PICTURES_READ}."


def kind_of(head: bytes) -> FileKind:
    """Tell what a file is.

    Args:
        head: Its first bytes: `HEAD_BYTES` of them to tell all kinds, or 16 to tell pictures and
            videos.
    """
    if not head:
        return FileKind("an empty file")
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:2] == b"BM" and 12 <= int.from_bytes(head[14:18], "little") <= 124:
        return _picture("BMP")
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], FileKind("a RIFF file"))
    if head.startswith(b"FORM"):
        return _SOUND if head[8:11] == b"AIF" else FileKind("an IFF file")
    if head.startswith(b"PK\3\4"):
        return _in_zip(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return FileKind("a video", is_video=True)
    if head[257:262] == b"ustar":
        return _ARCHIVE
    if head[0] == 0xFF and head[1:2] and head[1] & 0xE6 == 0xE2:  # A frame of MP3.
        return _SOUND
    return _by_text(head)


def is_picture(head: bytes) -> bool:
    """Say whether a file's first 16 bytes are those of a picture in a format that unmask reads."""
    return kind_of(head).is_picture


def _picture(name: str) -> FileKind:
    return FileKind(f"{'an' if name == 'AVIF' else 'a'} {name}", is_picture=True)


def _raw(camera: str) -> FileKind:
    return FileKind(f"a camera raw of {camera}", is_picture=True, is_raw=True)


_SOUND, _ARCHIVE, _PROGRAM = (
    FileKind(name) for name in ("a sound file", "an archive", "a program")
)
_STARTS: tuple[tuple[bytes, FileKind], ...] = (
    (b"\xff\xd8\xff", _picture("JPEG")),
    (b"\x89PNG\r\n", _picture("PNG")),
    (b"GIF8", _picture("GIF")),
    (b"II*\0", _picture("TIFF")),
    (b"MM\0*", _picture("TIFF")),
    (b"IIRO", _raw("Olympus")),
    (b"IIRS", _raw("Olympus")),
    (b"MMOR", _raw("Olympus")),
    (b"IIU\0", _raw("Panasonic")),
    (b"FUJIFILMCCD-RAW", _raw("Fujifilm")),
    (b"FOVb", _raw("Sigma")),
    (b"\0MRM", _raw("Minolta")),
    (b"II\x1a\0\0\0HEAPCCDR", _raw("Canon")),
    (b"\x1a\x45\xdf\xa3", FileKind("a video", is_video=True)),
    (b"%PDF", FileKind("a PDF document")),
    (b"%!PS", FileKind("a PostScript document")),
    (b"\xc5\xd0\xd3\xc6", FileKind("a PostScript document")),
    (b"{\\rtf", FileKind("a text document (RTF)")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind("an office document")),
    (b"8BPS", FileKind("a Photoshop document")),
    (b"\0\0\0\x0cJXL ", FileKind("a JPEG XL picture")),
    (b"\xff\x0a", FileKind("a JPEG XL picture")),
    (b"\0\0\0\x0cjP  ", FileKind("a JPEG 2000 picture")),
    (b"\xff\x4f\xff\x51", FileKind("a JPEG 2000 picture")),
    (b"\0\0\1\0", FileKind("an icon (ICO)")),
    (b"\x76\x2f\x31\x01", FileKind("an OpenEXR picture")),
    (b"\0\5\x16\7", FileKind("an AppleDouble file, which macOS puts beside others")),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"BZh", _ARCHIVE),
    (b"\xfd7zXZ", _ARCHIVE),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE),
    (b"PK\5\6", _ARCHIVE),
    (b"ID3", _SOUND),
    (b"fLaC", _SOUND),
    (b"MThd", _SOUND),
    (b"#!AMR", _SOUND),
    (b"\xff\xf1", _SOUND),
    (b"\xff\xf9", _SOUND),
    (b"OggS", FileKind("an Ogg file of sound or video")),
    (b"FLV\1", FileKind("a Flash video")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", FileKind("a Windows Media file")),
    (b"\0\0\1\xba", FileKind("an MPEG video")),
    (b"\0\0\1\xb3", FileKind("an MPEG video")),
    (b"MZ", _PROGRAM),
    (b"\x7fELF", _PROGRAM),
    (b"\xcf\xfa\xed\xfe", _PROGRAM),
    (b"\xca\xfe\xba\xbe", _PROGRAM),
    (b"SQLite format 3\0", FileKind("a database (SQLite)")),
    (b"PAR1", FileKind("a Parquet table")),
    (b"version https://git-lfs", FileKind("a pointer to a file that Git LFS has not fetched")),
)
_RIFF = {
    b"WEBP": _picture("WebP"),
    b"AVI ": FileKind("a video", is_video=True),
    b"WAVE": _SOUND,
}
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), _picture("AVIF")),
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"),
        _picture("HEIC"),
    ),
    b"crx ": _raw("Canon"),
    b"jxl ": FileKind("a JPEG XL picture"),
    b"jp2 ": FileKind("a JPEG 2000 picture"),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), _SOUND),
}


def _by_brand(head: bytes) -> FileKind:
    return _BRANDS.get(head[8:12], FileKind("a video", is_video=True))


def _in_zip(head: bytes) -> FileKind:
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    office = (b"[Content_Types].xml", b"_rels/", b"word/", b"xl/", b"ppt/", b"docProps/")
    if first.startswith(office) or b"mimetypeapplication/vnd.oasis" in head[30:100]:
        return FileKind("an office document")
    if b"mimetypeapplication/epub" in head[30:100]:
        return FileKind("an e-book (EPUB)")
    return FileKind("an archive (ZIP)")


def _by_text(head: bytes) -> FileKind:
    text = _decoded(head)
    if text is None:
        return FileKind("")
    start = text.lstrip().lower()
    if start.startswith(("<!doctype html", "<html")):
        return FileKind("a web page")
    if re.search(r"<svg[\s>]", start):
        return FileKind("an SVG drawing")
    if start.startswith("#!"):
        return _PROGRAM
    return FileKind("a text file")


def _decoded(head: bytes) -> str | None:
    """Return a head that is text as text; the cut may have gone through its last character."""
    coding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = head.decode(coding)
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4 or not error.start:
            return None
        text = head[: error.start].decode(coding)
    return None if re.search(r"[\0-\x08\x0e-\x1a\x1c-\x1f]", text) else text
