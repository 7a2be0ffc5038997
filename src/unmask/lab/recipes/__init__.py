"""Named recipes: whole configurations, each a YAML file in this folder, by its stem.

The first line of a file says in a comment what the recipe is. ``protocols/`` has what trains
a recipe more than once.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

_FOLDER = Path(__file__).parent
LEAVE_ONE_OUT = _FOLDER / "protocols" / "leave-one-out.yaml"
"""The protocol of `unmask left-out`."""


def names() -> list[str]:
    """Return the names of all recipes, in order."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def recipe_file(name: str) -> Path:
    """Return the file of a recipe.

    Raises:
        ValueError: There is none of that name; the nearest is named.
    """
    if name not in names():
        near = get_close_matches(name, names(), n=1, cutoff=0.0)
        raise ValueError(f"There is no recipe '{name}'; the nearest is '{near[0]}'.")
    return _FOLDER / f"{name}.yaml"


def about(name: str) -> str:
    """Say what a recipe is, in a sentence."""
    first = recipe_file(name).read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip()
