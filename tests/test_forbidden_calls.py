"""What must not be called anywhere, since it runs what comes from outside or hands it to a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("daemon", "actors", "index", "recon", "ops")
MODULES = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "imp", "xml"})
CALLS = frozenset(
    {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads", "torch.hub.load",
     "torch.jit.load", "np.fromfile", "numpy.load", "runpy.run_path", "webdataset.WebDataset"}
)  # fmt: skip
METHODS = frozenset({"extractall", "extract", "unpack_archive"})
NEEDED = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}


def findings(source: str) -> Iterator[str]:
    """What a module does that it must not, with the line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"{node.lineno}: imports {n}" for n in names if n.partition(".")[0] in MODULES)
        elif isinstance(node, ast.Call):
            yield from (f"{node.lineno}: {what}" for what in _call(node))


def _call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if name in CALLS:
        yield f"calls {name}"
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        yield f"calls {node.func.attr}"
    needed = NEEDED.get(name)
    if needed is not None and ast.unparse(given.get(needed[0], ast.Constant(None))) != str(needed[1]):
        yield f"calls {name} without {needed[0]}={needed[1]}"
    if name.startswith("subprocess.") and "shell" in given:
        yield f"calls {name} with a shell"
    if name.endswith("Image.open") and "formats" not in given:
        yield "calls Image.open without formats"


def test_nothing_runs_what_comes_from_outside() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 100
    found = [f"{path.relative_to(ROOT)}:{what}" for path in files for what in findings(path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import joblib.numpy_pickle", "torch.load(path)",
        "torch.load(path, weights_only=False)", "np.load(path)", "np.load(path, allow_pickle=True)", "eval(text)",
        "os.system('ls')", "subprocess.run('ls', shell=True)", "tar.extractall(folder)", "tar.extract(member)",
        "Image.open(file)",
    ],
)  # fmt: skip
def test_each_of_these_would_be_found(source: str) -> None:
    assert list(findings(source))


@pytest.mark.parametrize(
    "source",
    ["torch.load(path, map_location='cpu', weights_only=True)", "np.load(path, allow_pickle=False)",
     "model.eval()", "tar.extractfile(member)", "subprocess.run(['ls'])", "Image.open(file, formats=['PNG'])"],
)  # fmt: skip
def test_what_is_safe_is_left_alone(source: str) -> None:
    assert not list(findings(source))
