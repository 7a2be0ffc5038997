"""The house is laid out by the way of the data: no package points upward, and no two at each other.

Imports are read from the source, those within functions too.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "unmask"
ORDER = (
    ("files", "logs"),
    ("picture",),
    ("evidence",),
    ("model",),
    ("faces",),
    ("verdict",),
    ("detector",),
    ("heatmap", "video"),
    ("report", "scan", "service"),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
BESIDE = ("lab", "weights")
"""``lab`` stands beside the others, and may use all of them but the command line."""


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module within a package, or beside them, and the package's name."""
    for path in sorted(SOURCE.rglob("*.py")):
        inside = path.relative_to(SOURCE)
        if inside.name not in ("__init__.py", "__main__.py") or len(inside.parts) > 1:
            yield inside.parts[0].removesuffix(".py"), path


@cache
def imports(path: Path) -> frozenset[tuple[str, ...]]:
    """Return the modules of unmask that a module imports, as parts of their names after unmask."""
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
        found |= {tuple(name.split(".")[1:]) for name in names if name.startswith("unmask.")}
    return frozenset(found)


def test_every_package_has_its_place() -> None:
    assert {package for package, _ in modules()} <= {*LEVEL, *BESIDE}


def test_no_package_points_upward() -> None:
    upward = [
        f"{path.relative_to(SOURCE)} imports {'.'.join(parts)}"
        for package, path in modules()
        for parts in imports(path)
        if package in LEVEL and parts[0] in LEVEL and LEVEL[parts[0]] > LEVEL[package]
    ]
    assert not upward


def test_no_packages_point_at_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for package, path in modules():
        graph.setdefault(package, set()).update(
            parts[0] for parts in imports(path) if parts[0] != package
        )
    while graph:
        free = [package for package, needed in graph.items() if not needed & set(graph)]
        assert free, f"a cycle among {sorted(graph)}"
        for package in free:
            del graph[package]


def test_the_lab_is_known_to_its_commands_alone() -> None:
    known = [
        str(path.relative_to(SOURCE))
        for package, path in modules()
        if package != "lab" and not path.is_relative_to(SOURCE / "cli" / "make")
        for parts in imports(path)
        if parts[0] == "lab"
    ]
    assert not known
    assert not [path for package, path in modules() if package == "lab"
                for parts in imports(path) if parts[0] == "cli"]  # fmt: skip


def test_what_answers_needs_no_pytorch() -> None:
    code = (
        "import sys, unmask.detector.detector, unmask.cli, unmask.video.detector, "
        "unmask.heatmap, unmask.report.gather\n"
        "heavy = ('torch', 'lightning', 'timm', 'scipy', 'sklearn', 'matplotlib', 'onnx', 'av')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
