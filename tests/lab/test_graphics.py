"""Pictures that are no photographs: rendered, the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.lab.data.graphics import HELD_OUT, TAUGHT, Style, render


@pytest.mark.parametrize("style", [*TAUGHT, *HELD_OUT], ids=lambda style: style.__name__)
def test_every_style_draws_and_chance_alone_decides_what(style: Style) -> None:
    first, again, other = (style(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.mode == "RGB" and min(first.size) >= 64
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_styles_held_out_are_others(tmp_path: Path) -> None:
    assert not {style.__name__ for style in TAUGHT} & {style.__name__ for style in HELD_OUT}


def test_rendering_goes_through_the_styles_and_keeps_what_is_there(tmp_path: Path) -> None:
    styles = TAUGHT[:2]
    paths = render(tmp_path, styles, 5)
    assert [path.stem.rsplit("-")[0] for path in paths] == [
        styles[number % 2].__name__ for number in range(5)
    ]
    Image.new("RGB", (1, 1)).save(paths[0])
    assert render(tmp_path, styles, 5) == paths
    assert Image.open(paths[0]).size == (1, 1)
