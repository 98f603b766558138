"""The notebook runs from top to bottom, its figures show themselves, and it prints what the committed outputs say."""

import copy
import re
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib")
import nbformat  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "value_to_compiled.ipynb"
ALIKE = re.compile(r"dy/dw1|difference quotient| -> ")  # the rest depends on the machine and its BLAS


@pytest.fixture(scope="module")
def run():
    """(committed notebook, the same after a run)."""
    committed = nbformat.read(NOTEBOOK, as_version=4)
    executed = copy.deepcopy(committed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
        nbclient.NotebookClient(executed, timeout=90, resources=resources).execute()  # raises where a cell does
    return committed, executed


def printed(notebook):
    """For each cell what it printed."""
    return ["".join(o.text for o in cell.get("outputs", ()) if o.output_type == "stream") for cell in notebook.cells]


def shown(notebook):
    """For each cell the media types of its results."""
    return [sorted(kind for o in cell.get("outputs", ()) if "data" in o for kind in o.data) for cell in notebook.cells]


def test_results_show_themselves(run):
    committed, executed = run
    assert shown(executed) == shown(committed), "run the notebook anew and commit its outputs"
    kinds = {kind for cell in shown(executed) for kind in cell}
    assert kinds == {"text/plain", "text/html", "image/svg+xml", "image/png"}


def test_it_prints_what_the_committed_outputs_say(run):
    committed, executed = run
    pairs = [(a, b) for a, b in zip(printed(committed), printed(executed), strict=True) if ALIKE.search(a)]
    assert len(pairs) == 3
    for a, b in pairs:
        assert a == b, "run the notebook anew and commit its outputs"


@pytest.mark.parametrize(("pattern", "low", "high"), [
    (r"first loss ([\d.]+)", 3.2, 3.4), (r"mean of the last hundred ([\d.]+)", 2.2, 2.45),
    (r"dev loss ([\d.]+)", 2.1, 2.18)])
def test_the_network_learns(run, pattern, low, high):
    for notebook in run:
        assert low < float(re.search(pattern, "".join(printed(notebook)))[1]) < high


def test_the_compiled_source_is_shown(run):
    for notebook in run:
        assert "np.dot(" in "".join(printed(notebook)) and "# loss.backward()" in "".join(printed(notebook))


def test_the_file_is_small_and_no_cell_failed():
    assert NOTEBOOK.stat().st_size < 300_000
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "run from top to bottom"
    assert not any(o.output_type == "error" or o.get("name") == "stderr" for cell in notebook.cells
                   for o in cell.get("outputs", ()))
