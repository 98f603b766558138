"""The lectures as they are typed, in PyTorch's spelling: known figures on tinytensor.torch, and PyTorch beside it."""

import sys

import pytest

from tests.support.torch_sides import ROOT, compare_globals, compare_text, run

LECTURES = sorted((ROOT / "examples" / "lectures_in_torch").glob("*.py"))
STEPS = {"lecture2_bigram": 3, "lecture4_batchnorm": 1001, "lecture5_backprop": 8}

# What the notebooks print, as far as a short run comes to it.
KNOWN = {
    "lecture1_micrograd": ["o 0.7071066904050358", "x2 0.5000001283844369", "w2 0.0", "x1 -1.5000003851533106",
                           "w1 1.0000002567688737", "parameters: 41"],
    "lecture2_bigram": ["32033 2 15", "228146 tensor([", "tensor([0.6064, 0.3033, 0.0903])",
                        "torch.Size([27, 27]) tensor(1.",
                        "cexze.\nmomasurailezitynn.\nkonimittain.\nllayn.\nka.\n",
                        "number of examples: 228146", "0 3.7686\n1 3.3788\n2 3.1611\n"],
    "lecture3_mlp": ["torch.Size([32, 3]) torch.int64", "tensor(True)", "torch.Size([182625, 3])",
                     "torch.Size([22655, 3])", "torch.Size([22866, 3])", "parameters: 11897"],
    "lecture4_batchnorm": ["tensor(3.2958)", "parameters: 12097", "3.3239", "parameters: 47024", "3.2870",
                           "1000/   1001: 2.2807", "saturated: 2.78%", "saturated: 2.56%", "saturated: 2.25%",
                           "saturated: 1.69%", "saturated: 1.88%", "train 2.40029", "val 2.3982",
                           "carpah.\nqarlileif.\njmrix.\n"],
    "lecture5_backprop": ["parameters: 4137", "all of them: True", "parameters: 12297", "      0/      8: 3.9508"],
    "lecture6_wavenet": ["........ --> y\n.......y --> u\n", "parameters: 76579", "3.3167",
                         "FlattenConsecutive : (32, 4, 48)", "Linear : (32, 27)"],
    "lecture7_bigram": ["64 [", "hii there", "when input is tensor([", "torch.Size([256, 64])"],
    "lecture7_gpt": ["True True", "torch.Size([4, 8, 16])", "M parameters"],
    "lecture8_tokenizer": ["[5, 6, 99, 9, 1]", "compression ratio: 1.27X", "True\nTrue\n", "torch.return_types.topk("],
}


def arguments(path, steps=STEPS):
    return ["--steps", str(steps.get(path.stem, 20))]


@pytest.mark.parametrize("path", LECTURES, ids=lambda p: p.stem)
def test_a_lecture_prints_its_known_figures(path):
    text, _ = run(path, "ours", arguments(path))
    at = 0
    for figure in KNOWN[path.stem]:  # in their order
        assert figure in text[at:], f"{figure!r} is not in\n{text[at:]}"
        at = text.index(figure, at) + 1


@pytest.mark.peer
@pytest.mark.parametrize("path", LECTURES, ids=lambda p: p.stem)
def test_a_lecture_is_the_same_on_pytorch_but_for_its_import(path):
    pytest.importorskip("torch")
    (expected, theirs), (got, mine) = (run(path, side, arguments(path, {}), names=2000) for side in ("pytorch", "ours"))
    compare_text(got, expected)
    assert compare_globals(mine, theirs) >= 3


@pytest.mark.parametrize("path", LECTURES, ids=lambda p: p.stem)
def test_only_the_import_names_this_package(path):
    lines = [line for line in path.read_text("utf-8").splitlines() if "tinytensor" in line]
    assert lines[0] == "import tinytensor.torch as torch"
    assert all(line.startswith(("import tinytensor.torch.", "from tinytensor.torch")) for line in lines[1:])


@pytest.mark.parametrize("name, figures", [("lecture3_mlp", {"loss.png", "embedding.png"}),
                                           ("lecture4_batchnorm", {"activations.png", "updates.png"}),
                                           ("lecture6_wavenet", {"loss.png"})])
def test_matplotlib_takes_these_tensors(name, figures, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    path = next(p for p in LECTURES if p.stem == name)
    run(path, "ours", ["--steps", "20", "--plots"], names=200)
    pyplot = sys.modules["matplotlib.pyplot"]
    assert {p.name for p in tmp_path.iterdir()} == figures and pyplot.get_fignums()
    pyplot.close("all")
