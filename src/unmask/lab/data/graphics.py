"""Rendered pictures that are no photographs: text, charts, screens, drawings, codes.

What makes a photograph real or fake says nothing about them, and a model that has seen photographs
alone answers at random. With these it learns to say that it cannot judge. The styles held out tell
whether it knows such pictures by more than the styles that it was taught.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
BLACK, WHITE, GREY = (0, 0, 0), (255, 255, 255), (160, 160, 160)
_TEXT = (
    "the of and to in is that for it as was with be by on not he this are or his from at which but "
    "have an they you were her all model data error value list return import user server total "
    "price invoice report figure table order network water people system number time year meeting "
    "tomorrow please send okay thanks hello where today photo map city street house garden music"
)
_WORDS = _TEXT.split()
_LETTERS = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


class Sheet:
    """An empty picture of random size and colour, with chance and helpers to draw on it.

    Attributes:
        rng: Chance.
        image: The picture.
        draw: Draws on it.
        width: In pixels.
        height: Likewise.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        dark: bool = False,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Make one; light, half of them white, or dark."""
        self.rng = rng
        self.width, self.height = size or random_size(rng)
        paper = WHITE if not dark and self.chance(0.5) else self.colour("dark" if dark else "light")
        self.image = Image.new("RGB", (self.width, self.height), paper)
        self.draw = ImageDraw.Draw(self.image)

    def chance(self, share: float) -> bool:
        """Return yes in a share of all cases."""
        return bool(self.rng.random() < share)

    def whole(self, low: float, high: float) -> int:
        """Return a whole number from ``low`` to below ``high``."""
        return int(self.rng.integers(int(low), max(int(low) + 1, int(high))))

    def colour(self, kind: str = "any") -> Colour:
        """Return a colour, ``light``, ``dark`` or ``any``."""
        found = self.rng.integers(0, 256, 3)
        if kind == "light":
            found = 255 - found // 5
        elif kind == "dark":
            found = found // 3
        red, green, blue = (int(value) for value in found)
        return red, green, blue

    def words(self, count: int) -> str:
        """Return words, one in five of them letters and digits by chance."""
        return " ".join(
            str(self.rng.choice(_WORDS))
            if self.chance(0.8)
            else "".join(self.rng.choice(_LETTERS, self.whole(2, 9)))
            for _ in range(count)
        )

    def write(
        self, x: float, y: float, text: str, size: float, colour: Colour = BLACK,
        *, mono: bool = False, room: float | None = None,
    ) -> float:  # fmt: skip
        """Write text at a place, cut to ``room`` pixels; return where it ends."""
        font = ImageFont.truetype(str(self.rng.choice(_fonts(mono))), max(6, int(size)))
        while room is not None and text and self.draw.textlength(text, font) > room:
            text = text[:-2]
        self.draw.text((x, y), text, colour, font)
        return x + self.draw.textlength(text, font)

    def box(
        self, x: float, y: float, width: float, height: float, fill: Colour | None,
        *, line: Colour | None = None, thick: int = 1, round_by: int = 0,
    ) -> None:  # fmt: skip
        """Draw a rectangle."""
        edges = (x, y, x + width, y + height)
        self.draw.rounded_rectangle(edges, round_by, fill, line, thick)

    def disc(
        self, x: float, y: float, width: float, height: float, fill: Colour,
        *, line: Colour | None = None, thick: int = 1,
    ) -> None:  # fmt: skip
        """Draw an ellipse."""
        self.draw.ellipse((x, y, x + width, y + height), fill, line, thick)


@cache
def _fonts(mono: bool) -> tuple[str, ...]:
    """Return the fonts that come with Matplotlib: the same on every machine."""
    import matplotlib

    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    names = sorted(path for path in folder.glob("DejaVu*.ttf") if "Display" not in path.name)
    return tuple(str(path) for path in names if "Mono" in path.name or not mono)


def random_size(rng: np.random.Generator) -> tuple[int, int]:
    """Return a width and a height, 200 to 1,500 pixels."""
    side, aspect = rng.integers(360, 1100), np.exp(rng.uniform(-0.6, 0.6))
    return max(200, int(side * aspect**0.5)), max(200, int(side / aspect**0.5))


def document(rng: np.random.Generator) -> Image.Image:
    """Draw a page of text, now and then with a heading and a box."""
    sheet = Sheet(rng)
    margin, size = sheet.width // sheet.whole(8, 20), sheet.whole(9, 22)
    ink, y = sheet.colour("dark"), float(margin)
    room = sheet.width - 2 * margin
    if sheet.chance(0.7):
        sheet.write(margin, y, sheet.words(4), 2 * size, ink, room=room)
        y += 3 * size
    while y < sheet.height - margin:
        if sheet.chance(0.9):
            sheet.write(margin, y, sheet.words(sheet.whole(2, 16)), size, ink, room=room)
        y += 1.3 * size
    if sheet.chance(0.4):
        sheet.box(margin, sheet.height / 2, room, sheet.height / 4, sheet.colour("light"), line=ink)
    return sheet.image


def terminal(rng: np.random.Generator) -> Image.Image:
    """Draw a dark screen of monospaced words."""
    sheet = Sheet(rng, dark=True)
    size, y = sheet.whole(10, 20), 4.0
    while y < sheet.height:
        x = 6.0
        for _ in range(sheet.whole(0, 9)):
            ink = sheet.colour("light") if sheet.chance(0.4) else (220, 220, 220)
            x = sheet.write(x, y, sheet.words(1) + " ", size, ink, mono=True)
        y += 1.25 * size
    return sheet.image


def code(rng: np.random.Generator) -> Image.Image:
    """Draw an editor with numbered, indented, coloured lines."""
    dark = bool(rng.random() < 0.5)
    sheet = Sheet(rng, dark=dark)
    size, y, number = sheet.whole(11, 20), 5.0, 1
    palette = [sheet.colour("light" if dark else "dark") for _ in range(6)]
    while y < sheet.height:
        sheet.write(4, y, str(number), size, GREY, mono=True)
        x = 40.0 + 2 * size * sheet.whole(0, 4)
        for _ in range(sheet.whole(0, 8)):
            token = sheet.words(1) + str(rng.choice([" ", " = ", "(", "): ", ".", "[0] "]))
            x = sheet.write(x, y, token, size, palette[sheet.whole(0, 6)], mono=True)
        y, number = y + 1.3 * size, number + 1
    return sheet.image


def chat(rng: np.random.Generator) -> Image.Image:
    """Draw a conversation in bubbles, left and right."""
    phone = (int(rng.integers(320, 620)), int(rng.integers(480, 1100)))
    sheet = Sheet(rng, dark=bool(rng.random() < 0.3), size=phone)
    size, y = sheet.whole(13, 22), float(sheet.whole(10, 80))
    mine, theirs = sheet.colour("dark"), sheet.colour("light")
    if sheet.chance(0.6):
        sheet.box(0, 0, sheet.width, y - 6, sheet.colour())
        sheet.write(60, max(2, y / 3), sheet.words(1), size, WHITE)
    while y < sheet.height - 40:
        lines, own, width = (
            sheet.whole(1, 4),
            sheet.chance(0.5),
            sheet.width * rng.uniform(0.35, 0.75),
        )
        x, tall = sheet.width - width - 10 if own else 10.0, lines * size * 1.4 + 14
        sheet.box(x, y, width, tall, mine if own else theirs, round_by=sheet.whole(4, 20))
        for line in range(lines):
            place, ink = y + 7 + line * size * 1.4, WHITE if own else BLACK
            sheet.write(x + 10, place, sheet.words(6), size, ink, room=width - 20)
        y += tall + sheet.whole(6, 24)
    return sheet.image


def qr_code(rng: np.random.Generator) -> Image.Image:
    """Draw a square of modules with a finder in three corners."""
    modules = int(rng.choice([21, 25, 29, 33, 41]))
    grid = rng.random((modules, modules)) < 0.5
    for row, column in ((0, 0), (0, modules - 7), (modules - 7, 0)):
        grid[max(0, row - 1) : row + 8, max(0, column - 1) : column + 8] = False
        grid[row : row + 7, column : column + 7] = True
        grid[row + 1 : row + 6, column + 1 : column + 6] = False
        grid[row + 2 : row + 5, column + 2 : column + 5] = True
    grid = np.pad(grid, int(rng.integers(1, 6)))
    ink = rng.integers(0, 90, 3) if rng.random() < 0.3 else np.zeros(3)
    paper = np.full(3, 255) if rng.random() < 0.8 else rng.integers(200, 256, 3)
    side = int(rng.integers(4, 20))
    return _image(np.kron(np.where(grid[..., None], ink, paper), np.ones((side, side, 1))))


def gradient(rng: np.random.Generator) -> Image.Image:
    """Draw two or three colours that flow into each other."""
    width, height = random_size(rng)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    t = x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)
    if rng.random() < 0.3:
        t = np.hypot(x - rng.random(), y - rng.random())
    t = ((t - t.min()) / (np.ptp(t) + 1e-9))[..., None]
    stops = rng.integers(0, 256, (3, 3))
    if rng.random() < 0.6:
        return _image(stops[0] + (stops[1] - stops[0]) * t)
    early, late = (
        stops[0] + (stops[1] - stops[0]) * 2 * t,
        stops[1] + (stops[2] - stops[1]) * (2 * t - 1),
    )
    return _image(np.where(t < 0.5, early, late))


def blank(rng: np.random.Generator) -> Image.Image:
    """Draw one colour, now and then with a word."""
    sheet = Sheet(rng)
    colours = (WHITE, BLACK, GREY, sheet.colour())
    sheet.box(0, 0, sheet.width, sheet.height, colours[sheet.whole(0, 4)])
    if sheet.chance(0.3):
        place = (sheet.width / 3, sheet.height / 2)
        sheet.write(*place, sheet.words(1), sheet.whole(10, 60), sheet.colour())
    return sheet.image


def flowchart(rng: np.random.Generator) -> Image.Image:
    """Draw labelled boxes and discs with lines between them."""
    sheet = Sheet(rng, dark=bool(rng.random() < 0.2))
    size = sheet.whole(10, 22)
    last: tuple[float, float] | None = None
    for _ in range(sheet.whole(3, 14)):
        x, y = sheet.whole(0, sheet.width - 80), sheet.whole(0, sheet.height - 40)
        width, height = sheet.whole(50, 160), sheet.whole(26, 80)
        middle, line = (x + width / 2, y + height / 2), sheet.colour("dark")
        if last:
            sheet.draw.line([last, middle], line, sheet.whole(1, 4))
        shape = sheet.disc if sheet.chance(0.3) else sheet.box
        shape(x, y, width, height, sheet.colour("light" if sheet.chance(0.6) else "any"), line=line)
        sheet.write(x + 6, y + 6, sheet.words(1), size)
        last = middle
    return sheet.image


def shapes(rng: np.random.Generator) -> Image.Image:
    """Draw flat discs, boxes, polygons and lines over one another."""
    sheet = Sheet(rng, dark=bool(rng.random() < 0.5))
    for _ in range(sheet.whole(2, 40)):
        x, y = sheet.whole(-50, sheet.width), sheet.whole(-50, sheet.height)
        part = rng.uniform(0.1, 0.7)
        wide, tall = (part * sheet.whole(10, side) for side in (sheet.width, sheet.height))
        kind, fill = sheet.whole(0, 4), sheet.colour()
        if kind == 0:
            sheet.disc(x, y, wide, tall, fill)
        elif kind == 1:
            sheet.box(x, y, wide, tall, fill)
        else:
            corners = rng.integers(-150, 150, (sheet.whole(3, 8), 2)) + np.array([x, y])
            points = [(int(right), int(down)) for right, down in corners]
            if kind == 2:
                sheet.draw.polygon(points, fill)
            else:
                sheet.draw.line(points, fill, sheet.whole(1, 14))
    return sheet.image


def cartoon(rng: np.random.Generator) -> Image.Image:
    """Draw a flat face, or a house under a sun, with outlines."""
    sheet = Sheet(rng)
    x, y, reach = sheet.width / 2, sheet.height / 2, min(sheet.width, sheet.height) * 0.3
    line, thick = BLACK if sheet.chance(0.7) else sheet.colour("dark"), sheet.whole(2, 7)
    if sheet.chance(0.6):
        skin, hair = sheet.colour("light"), sheet.colour()
        sheet.disc(x - reach, y - reach, 2 * reach, 2 * reach, skin, line=line, thick=thick)
        for eye in (x - 0.4 * reach, x + 0.4 * reach):
            wide, tall = 0.24 * reach, 0.3 * reach
            sheet.disc(eye - wide / 2, y - tall, wide, tall, WHITE, line=line, thick=thick)
            sheet.disc(eye - 5, y - 0.2 * reach, 10, 10, line)
        mouth = (x - reach / 2, y - 0.1 * reach, x + reach / 2, y + 0.6 * reach)
        sheet.draw.arc(mouth, 10, 170, line, thick)
        crown = (x - reach, y - 1.1 * reach, x + reach, y + 0.3 * reach)
        sheet.draw.pieslice(crown, 180, 360, hair, line)
        return sheet.image
    sheet.box(0, y, sheet.width, sheet.height - y, sheet.colour())
    wall, roof, glass = sheet.colour(), sheet.colour(), sheet.colour()
    sheet.box(x - reach, y - reach / 2, 2 * reach, 1.5 * reach, wall, line=line, thick=thick)
    eaves = y - reach / 2
    corners = [(x - 1.2 * reach, eaves), (x + 1.2 * reach, eaves), (x, y - 1.4 * reach)]
    sheet.draw.polygon(corners, roof, line)
    for window in (x - 0.5 * reach, x + 0.3 * reach):
        sheet.box(window, y, 0.35 * reach, 0.4 * reach, glass, line=line, thick=thick)
    sun = 0.15 * sheet.width
    sheet.disc(0.8 * sheet.width, 0.05 * sheet.height, sun, sun, (250, 220, 60))
    return sheet.image


def form(rng: np.random.Generator) -> Image.Image:
    """Draw a web form: a bar, labels, fields and buttons."""
    sheet = Sheet(rng)
    size, y, accent = sheet.whole(11, 18), 60.0, sheet.colour()
    sheet.box(0, 0, sheet.width, 44, sheet.colour("dark"))
    sheet.write(12, 10, sheet.words(3), 18, WHITE)
    left = 0.4 * sheet.width
    while y < sheet.height - 40:
        sheet.write(16, y, sheet.words(3), size, (60, 60, 60), room=left - 24)
        if sheet.chance(0.6):
            sheet.box(left, y - 4, sheet.width / 2, size + 12, WHITE, line=GREY, round_by=4)
        else:
            sheet.box(left, y - 4, 110, size + 12, accent, round_by=6)
            sheet.write(left + 12, y, sheet.words(1), size, WHITE)
        y += size + sheet.whole(16, 44)
    return sheet.image


def table(rng: np.random.Generator) -> Image.Image:
    """Draw rows and columns of words and numbers."""
    sheet = Sheet(rng)
    tall, columns = sheet.whole(18, 44), sheet.whole(2, 8)
    wide = sheet.width / columns
    for row in range(sheet.height // tall):
        y = row * tall
        if row == 0 or (row % 2 and sheet.chance(0.8)):
            sheet.box(0, y, sheet.width, tall, sheet.colour("light"))
        for column in range(columns):
            cell = sheet.words(1) if sheet.chance(0.5) else f"{rng.random() * 1000:.2f}"
            sheet.write(column * wide + 4, y + 3, cell, tall / 2, room=wide - 8)
        sheet.draw.line((0, y, sheet.width, y), GREY)
    return sheet.image


def chart(rng: np.random.Generator) -> Image.Image:
    """Draw a bar, line, scatter or pie chart, or a histogram, as Matplotlib does."""

    def fill(axes: Any) -> None:
        count, kind = int(rng.integers(3, 30)), int(rng.integers(5))
        if kind == 0:
            axes.bar(range(count), rng.random(count), color=rng.random((count, 3)))
        elif kind == 1:
            axes.plot(np.cumsum(rng.normal(size=(80, int(rng.integers(1, 6)))), axis=0))
        elif kind == 2:
            axes.scatter(*rng.normal(size=(2, 200)), s=rng.uniform(3, 60), c=rng.random(200))
        elif kind == 3:
            parts = rng.random(min(count, 8)) + 0.1
            axes.pie(parts, labels=[str(rng.choice(_WORDS)) for _ in parts])
        else:
            axes.hist(rng.normal(size=400), bins=count)

    return _plot(rng, fill)


def heat_map(rng: np.random.Generator) -> Image.Image:
    """Draw a matrix or the contours of a function in false colours."""

    def fill(axes: Any) -> None:
        side = int(rng.integers(4, 20))
        if rng.random() < 0.5:
            colours = str(rng.choice(["viridis", "hot", "Blues"]))
            axes.imshow(rng.random((side, side)), cmap=colours)
        else:
            x = np.arange(60)
            waves = np.sin(x / rng.uniform(4, 12)), np.cos(x / rng.uniform(4, 12))
            axes.contourf(np.add.outer(*waves), 12)

    return _plot(rng, fill)


def network(rng: np.random.Generator) -> Image.Image:
    """Draw the nodes and edges of a graph."""
    sheet = Sheet(rng)
    count, radius, fill = sheet.whole(6, 30), sheet.whole(6, 22), sheet.colour()
    places = rng.uniform(0.08, 0.92, (count, 2)) * (sheet.width, sheet.height)
    nodes = [(float(x), float(y)) for x, y in places]
    for _ in range(sheet.whole(8, 50)):
        sheet.draw.line([nodes[sheet.whole(0, count)], nodes[sheet.whole(0, count)]], BLACK)
    for number, (x, y) in enumerate(nodes):
        sheet.disc(x - radius, y - radius, 2 * radius, 2 * radius, fill)
        sheet.write(x - 5, y - 7, str(number), 12)
    return sheet.image


def barcode(rng: np.random.Generator) -> Image.Image:
    """Draw bars with a number under them."""
    sheet = Sheet(rng)
    x, end = sheet.width / 8, sheet.width * 7 / 8
    while x < end:
        width = sheet.whole(1, 7)
        sheet.box(x, sheet.height / 4, width, sheet.height / 2, BLACK)
        x += width + sheet.whole(1, 7)
    number = str(rng.integers(10**10, 10**11))
    sheet.write(sheet.width / 4, sheet.height * 3 / 4 + 5, number, 20)
    return sheet.image


def sudoku(rng: np.random.Generator) -> Image.Image:
    """Draw a grid with digits."""
    sheet = Sheet(rng)
    side = min(sheet.width, sheet.height) // 10
    start, end = side // 2, side // 2 + 9 * side
    for line in range(10):
        place, thick = start + line * side, 1 if line % 3 else 3
        sheet.draw.line((start, place, end, place), BLACK, thick)
        sheet.draw.line((place, start, place, end), BLACK, thick)
    for cell in np.flatnonzero(rng.random(81) < 0.4):
        x, y = start + cell % 9 * side, start + cell // 9 * side
        sheet.write(x + 0.3 * side, y + 0.1 * side, str(sheet.whole(1, 10)), 0.6 * side)
    return sheet.image


def sheet_music(rng: np.random.Generator) -> Image.Image:
    """Draw staves with notes."""
    sheet = Sheet(rng)
    gap, y = max(6, sheet.height // 90), 30.0
    while y < sheet.height - 60:
        for line in range(5):
            sheet.draw.line((20, y + line * gap, sheet.width - 20, y + line * gap), BLACK)
        for x in range(40, sheet.width - 40, sheet.whole(22, 50)):
            note = y + sheet.whole(-2, 10) * gap / 2
            sheet.disc(x, note - gap / 2, 1.3 * gap, gap, BLACK)
            sheet.draw.line((x + 1.3 * gap, note, x + 1.3 * gap, note - 3.5 * gap), BLACK, 2)
        y += 9 * gap
    return sheet.image


def land_map(rng: np.random.Generator) -> Image.Image:
    """Draw flat regions with borders and names."""
    sheet = Sheet(rng)
    centres = rng.random((sheet.whole(8, 40), 2))
    y, x = np.mgrid[0 : sheet.height, 0 : sheet.width]
    away = [np.hypot(x / sheet.width - a, y / sheet.height - b) for a, b in centres]
    nearest = np.argmin(away, axis=0)
    colours = np.array([sheet.colour("light") for _ in centres])[nearest]
    border = np.zeros(nearest.shape, dtype=bool)
    border[1:] |= nearest[1:] != nearest[:-1]
    border[:, 1:] |= nearest[:, 1:] != nearest[:, :-1]
    colours[border] = 60
    sheet.image.paste(_image(colours))
    for a, b in centres[::2]:
        sheet.write(a * sheet.width, b * sheet.height, sheet.words(1), 14)
    return sheet.image


def poster(rng: np.random.Generator) -> Image.Image:
    """Draw large words and a disc."""
    sheet = Sheet(rng, dark=bool(rng.random() < 0.5))
    y, disc = 0.1 * sheet.height, 0.3 * sheet.width
    for _ in range(sheet.whole(1, 5)):
        size = sheet.whole(24, 90)
        sheet.write(0.08 * sheet.width, y, sheet.words(2), size, sheet.colour())
        y += 1.4 * size
    sheet.disc(0.6 * sheet.width, 0.6 * sheet.height, disc, disc, sheet.colour())
    return sheet.image


def calendar(rng: np.random.Generator) -> Image.Image:
    """Draw a month of days, some of them marked."""
    sheet = Sheet(rng)
    wide, tall = sheet.width / 7, sheet.height / 7
    sheet.box(0, 0, sheet.width, tall, sheet.colour("dark"))
    sheet.write(10, 0.3 * tall, sheet.words(1).title() + " 2024", 0.4 * tall, WHITE)
    for day in range(35):
        x, y = day % 7 * wide, (day // 7 + 1.4) * tall
        sheet.box(x, y, wide, tall, None, line=GREY)
        sheet.write(x + 4, y + 3, str(day % 31 + 1), max(10, tall / 4))
        if sheet.chance(0.2):
            sheet.box(x + 3, y + tall / 2, wide - 6, 0.4 * tall, sheet.colour("light"), round_by=3)
    return sheet.image


def home_screen(rng: np.random.Generator) -> Image.Image:
    """Draw a telephone's screen of icons."""
    sheet = Sheet(rng, size=(420, int(rng.integers(700, 900))))
    sheet.image.paste(gradient(rng).resize(sheet.image.size))
    for icon in range(sheet.whole(12, 25)):
        x, y, name = 20 + icon % 4 * 100, 60 + icon // 4 * 110, sheet.words(1)
        sheet.box(x, y, 70, 70, sheet.colour(), round_by=16)
        sheet.write(x + 22, y + 14, name[0].upper(), 34, WHITE)
        sheet.write(x + 8, y + 76, name, 13, WHITE, room=80)
    return sheet.image


Style = Callable[[np.random.Generator], Image.Image]
TAUGHT: tuple[Style, ...] = (
    document, terminal, code, chat, qr_code, gradient, blank, flowchart, shapes, cartoon, form,
    chart, table,
)  # fmt: skip
HELD_OUT: tuple[Style, ...] = (
    heat_map, network, barcode, sudoku, sheet_music, land_map, poster, calendar, home_screen,
)  # fmt: skip


def render(folder: Path, styles: tuple[Style, ...], count: int) -> list[Path]:
    """Render so many pictures, the styles in turn, as PNG files; those that are there stay.

    Returns:
        Their paths, ``STYLE-NUMBER.png``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        style = styles[number % len(styles)]
        path = folder / f"{style.__name__}-{number}.png"
        if not path.exists():
            style(np.random.default_rng([number, len(styles)])).save(path)
        paths.append(path)
    return paths


def _image(values: NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(np.asarray(np.clip(values.astype(float), 0, 255), dtype=np.uint8))


def _plot(rng: np.random.Generator, fill: Callable[[Any], None]) -> Image.Image:
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    looks = ("default", "ggplot", "dark_background", "bmh", "fivethirtyeight", "grayscale")
    with style.context(str(rng.choice(looks))):
        size = (rng.uniform(3.5, 8), rng.uniform(3, 6))
        canvas = FigureCanvasAgg(Figure(figsize=size, dpi=int(rng.integers(70, 130))))
        axes = canvas.figure.add_subplot()
        fill(axes)
        if rng.random() < 0.6:
            axes.set_title(" ".join(rng.choice(_WORDS, 4)))
            axes.set_xlabel(str(rng.choice(_WORDS)))
        canvas.draw()
        return _image(np.asarray(canvas.buffer_rgba())[..., :3])
