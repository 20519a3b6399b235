"""The rules of the house, read off the source: what may import what, where torch lives, how long things may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "openhorizon"

# Low to high: a room may import rooms of the lines above its own. A new room is placed here, by its author.
ORDER = (
    "errors",
    "records",
    "files config workers",
    "settings metrics planning",
    "store",
    "graph corpus sandboxes chat losses",
    "retrieval",
    "domains",
    "engines",
    "rollout",
    "evaluation",
    "selfplay",
    "training",
    "teachers",
    "report",
    "recipes",
    "jobs",
    "pipeline",
    "studies",
    "doctor samples talk own_tasks own_teachers selfcheck",
    "terminal",
    "cli",
    "__main__",
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms.split()}
TORCH_ROOMS = ("losses", "training", "engines")
WITHOUT_TORCH = ("engines.engine", "engines.scripted")  # modules of those rooms that everyone may import
NO_ROOMS = ("util", "utils", "common", "helper", "helpers", "misc", "core")
FILE_LINES, FUNCTION_LINES, IMPORT_SECONDS = 400, 120, 1.0


def modules(src: Path) -> dict[str, ast.Module]:
    """The syntax trees by dotted name below the package: "graph.store"; a room's `__init__` is "graph"."""
    found = {}
    for file in sorted(src.rglob("*.py")):
        parts = [p for p in file.relative_to(src).with_suffix("").parts if p != "__init__"]
        found[".".join(parts)] = ast.parse(file.read_text("utf-8"), str(file))
    return found


def room_of(module: str) -> str:
    return module.split(".")[0]


def nodes(tree: ast.AST, *, typing_only: bool = True, inside_functions: bool = True) -> Iterator[ast.AST]:
    """All nodes below `tree`, without what stands under `if TYPE_CHECKING` or in functions where that is not wanted."""
    for node in ast.iter_child_nodes(tree):
        if not typing_only and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if not inside_functions and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        yield node
        yield from nodes(node, typing_only=typing_only, inside_functions=inside_functions)


def imports(tree: ast.AST, **which: bool) -> list[str]:
    """Dotted names that are imported; `from a import b` gives "a.b"."""
    found = []
    for node in nodes(tree, **which):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
    return found


def inner_imports(tree: ast.AST, known: dict[str, ast.Module], **which: bool) -> list[str]:
    """Imports from this package, as names of `known` modules."""
    found = []
    for name in imports(tree, **which):
        parts = name.split(".")
        if parts[0] == "openhorizon" and len(parts) > 1:
            inner = parts[1:]
            while inner and ".".join(inner) not in known:
                inner.pop()
            found.append(".".join(inner) or parts[1])
    return found


def upward_imports(src: Path) -> list[str]:
    known, found = modules(src), []
    for module, tree in known.items():
        room = room_of(module)
        if room and room not in LEVEL:
            found.append(f"{room} has no place in ORDER")
        for target in inner_imports(tree, known):
            other = room_of(target)
            if room and other != room and LEVEL.get(other, 0) >= LEVEL.get(room, 99):
                found.append(f"{module} imports {target}")
    return found


def cycles(src: Path) -> list[str]:
    """Chains of imports that come back to where they started; imports for type checkers alone do not count."""
    known = modules(src)
    graph = {m: sorted(set(inner_imports(t, known, typing_only=False)) - {m}) for m, t in known.items()}
    found: list[str] = []
    state: dict[str, int] = {}  # 1: on the chain, 2: done

    def visit(module: str, chain: list[str]) -> None:
        state[module] = 1
        for target in graph.get(module, ()):
            if state.get(target) == 1:
                found.append(" -> ".join([*chain[chain.index(target) :], target]))
            elif target not in state:
                visit(target, [*chain, target])
        state[module] = 2

    for module in graph:
        if module not in state:
            visit(module, [module])
    return found


def stray_torch(src: Path) -> list[str]:
    found = []
    for module, tree in modules(src).items():
        if room_of(module) in TORCH_ROOMS and module not in WITHOUT_TORCH:
            continue
        found += [
            f"{module} imports {n}" for n in imports(tree, typing_only=False) if n.split(".")[0] == "torch"
        ]
        at_once = imports(tree, typing_only=False, inside_functions=False)
        found += [f"{module} imports {n} at its top" for n in at_once if n.split(".")[0] == "transformers"]
    return found


def too_long(src: Path) -> list[str]:
    found = []
    for file in sorted(src.rglob("*.py")):
        text = file.read_text("utf-8")
        if (lines := text.count("\n")) > FILE_LINES:
            found.append(f"{file.relative_to(src)}: {lines} lines")
        for node in ast.walk(ast.parse(text, str(file))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    found.append(f"{file.relative_to(src)}: {node.name} has {lines} lines")
    return found


def bad_names(src: Path) -> list[str]:
    return [
        str(f.relative_to(src)) for f in sorted(src.rglob("*.py")) if {*f.with_suffix("").parts} & {*NO_ROOMS}
    ]


def undocumented(src: Path) -> list[str]:
    return [module or "openhorizon" for module, tree in modules(src).items() if not ast.get_docstring(tree)]


LAWS = (upward_imports, cycles, stray_torch, too_long, bad_names, undocumented)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_source_obeys(law):
    broken = law(SRC)
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("law", "files"),
    [
        (upward_imports, {"graph/a.py": "from openhorizon.domains.domain import Domain"}),
        (upward_imports, {"records/a.py": "def f():\n    from openhorizon.config import Recipe"}),
        (upward_imports, {"attic/a.py": ""}),
        (upward_imports, {"graph/a.py": "import openhorizon.corpus.b"}),
        (cycles, {"graph/a.py": "import openhorizon.graph.b", "graph/b.py": "from openhorizon.graph import a"}),
        (cycles, {"graph/__init__.py": "from openhorizon.graph.a import x", "graph/a.py": "from openhorizon.graph import y"}),
        (stray_torch, {"rollout/a.py": "def f():\n    import torch.nn"}),
        (stray_torch, {"engines/engine.py": "from torch import Tensor"}),
        (stray_torch, {"chat/a.py": "from transformers import AutoTokenizer"}),
        (too_long, {"graph/a.py": "x = 1\n" * 401}),
        (too_long, {"graph/a.py": "def f():\n" + "    x = 1\n" * 120}),
        (bad_names, {"graph/utils.py": ""}),
        (undocumented, {"graph/a.py": "x = 1"}),
    ],
)  # fmt: skip
def test_a_house_that_breaks_a_law_is_caught(tmp_path, law, files):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert law(tmp_path)


def test_a_house_in_order_is_not_blamed(tmp_path):
    files = {
        "records/__init__.py": '"""Records."""\nfrom openhorizon.records.base import Record',
        "records/base.py": '"""Base."""\nclass Record: ...',
        "graph/a.py": '"""A."""\nfrom typing import TYPE_CHECKING\nfrom openhorizon.records import Record\n'
        "if TYPE_CHECKING:\n    from openhorizon.graph.b import B",
        "graph/b.py": '"""B."""\nfrom openhorizon.graph import a\nclass B: ...',
        "chat/a.py": '"""C."""\ndef f():\n    from transformers import AutoTokenizer',
        "losses/a.py": '"""L."""\nimport torch',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert [law.__name__ for law in LAWS if law(tmp_path)] == []


IMPORT_ALL = """
import importlib, sys, time
began = time.process_time()
for name in sys.argv[1:]:
    importlib.import_module(name)
heavy = [m for m in ("torch", "transformers") if m in sys.modules]
print(round(time.process_time() - began, 3), *heavy)
"""


def light_modules(room: str) -> list[str]:
    """The room's modules that must do without torch."""
    files = [SRC / f"{room}.py"] if (SRC / f"{room}.py").exists() else sorted((SRC / room).rglob("*.py"))
    names = [".".join(f.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__") for f in files]
    return [f"openhorizon.{n}" for n in names if room not in TORCH_ROOMS or n in WITHOUT_TORCH]


ROOMS = sorted(
    {p.stem for p in SRC.iterdir() if p.suffix == ".py" or list(p.glob("*.py"))} - {"__init__", "__main__"}
)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_without_torch_is_imported_in_under_a_second(room):
    """Seconds of this process's work, not of the clock: the machine may be busy."""
    command = [sys.executable, "-c", IMPORT_ALL, *light_modules(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=SRC.parent)
    assert done.returncode == 0, done.stderr
    seconds, *heavy = done.stdout.split()
    assert heavy == []
    assert float(seconds) < IMPORT_SECONDS
