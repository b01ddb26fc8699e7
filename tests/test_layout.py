"""The rooms of ``common/``: an arrow from room to room points one way only, and what an import costs."""

import ast
import graphlib
from collections.abc import Iterator

import pytest

from tests.helpers import ROOT, python

# Each room, a folder or a file of common/, with the rooms that it may import: those further up in this list.
ROOMS = {
    "backend": "",
    "support": "backend",
    "functions": "backend",
    "initializers": "backend",
    "text": "backend support",
    "schedules": "support",
    "search": "support",
    "cluster": "support",
    "layers": "backend support functions initializers",
    "optimizers": "backend support",
    "gradient_check": "backend support layers",
    "batches": "backend support functions layers",
    "weights": "backend support text layers",
    "quantization": "backend support layers weights",
    "metrics": "backend support functions layers text batches",
    "checkpoints": "backend support layers weights",
    "training": "backend support layers optimizers batches checkpoints",
    "distributed_training": "backend support layers optimizers checkpoints training cluster",
    "precision": "backend support layers optimizers checkpoints training",
    "datasets": "backend support text",
    "vectors": "support functions text cluster",
    "models": "backend support functions initializers text layers batches weights quantization metrics",
    "book": "backend support",
}
BESIDES = {
    "common.models.pretrained": "datasets",  # the one file that knows both data and models
    "common.book.catalogue": "backend gradient_check layers",  # the page on all layers
}


def imports(source: str) -> Iterator[str]:
    """The modules of common/ that some code imports; what only a type checker reads does not count."""
    for node in ast.parse(source).body:
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in [] if typing_only else ast.walk(node):
            if isinstance(inner, ast.ImportFrom) and (inner.module or "").split(".")[0] == "common":
                whole = inner.module == "common"  # from common import checkpoints
                yield from (f"common.{alias.name}" for alias in inner.names) if whole else [inner.module]
            if isinstance(inner, ast.Import):
                yield from (a.name for a in inner.names if a.name.startswith("common."))


def modules() -> dict[str, set[str]]:
    """The modules of common/, each with those that it imports."""
    files = {path: path.relative_to(ROOT).with_suffix("") for path in (ROOT / "common").rglob("*.py")}
    names = {path: ".".join(file.parts).removesuffix(".__init__") for path, file in files.items()}
    return {name: set(imports(path.read_text(encoding="utf-8"))) for path, name in names.items()}


def wrong(importer: str, imported: str) -> bool:
    """Whether an import leads from one room to another that it should not know."""
    rooms = [name.split(".")[1] for name in (importer, imported)]
    return rooms[0] != rooms[1] and rooms[1] not in f"{ROOMS[rooms[0]]} {BESIDES.get(importer, '')}".split()


def test_rooms_import_only_rooms_above_them():
    order = list(ROOMS)
    assert all(order.index(above) < order.index(room) for room in ROOMS for above in ROOMS[room].split())
    arrows = [(name, other) for name, others in modules().items() for other in others if name != "common"]
    assert len(arrows) > 100
    assert [f"{name} imports {other}" for name, other in arrows if wrong(name, other)] == []


def test_no_module_imports_itself_by_way_of_others():
    within = modules()
    packages = {name for name in within if (ROOT / name.replace(".", "/")).is_dir()}
    graph = {name: others - packages for name, others in within.items() if name not in packages}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_a_wrong_arrow_is_seen():
    code = "from common.models.ngram import NGram\nfrom common import training\nimport common.datasets.files"
    assert list(imports(code)) == ["common.models.ngram", "common.training", "common.datasets.files"]
    assert wrong("common.layers.base", "common.models.ngram") and wrong(
        "common.models.cache", "common.datasets"
    )
    assert wrong("common.book.player", "common.layers") and not wrong("common.training", "common.batches")


def test_chapters_do_not_look_into_support():
    for path in (ROOT / "chapters").glob("*.ipynb"):
        assert "common.support" not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize(
    ("name", "foreign"),
    [
        ("common.models.ngram", {"tqdm", "babel", "scipy", "common.layers", "common.training"}),
        ("common.models.transformer", {"tqdm", "babel", "scipy", "common.datasets", "common.training"}),
        ("common.layers", {"tqdm", "babel", "scipy", "common.models", "common.text", "common.datasets"}),
        ("common.book", {"tqdm", "babel", "common.layers", "common.models", "common.text"}),
        ("common.vectors", {"babel", "scipy.stats", "gensim", "common.layers", "common.models"}),
        ("common.datasets", {"tqdm", "pooch", "requests", "common.layers", "common.models"}),
    ],
)
def test_an_import_loads_no_room_that_it_does_not_need(name, foreign):
    done = python("-c", f"import sys, {name}; print(*sys.modules)")
    assert foreign & set(done.stdout.split()) == set()
