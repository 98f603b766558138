"""README and the guides say how many lines of code there are to read, and it is true within a twentieth."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = " ".join((ROOT / "README.md").read_text("utf-8").split())
EMPTY = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def lines_of_code(text):
    """The number of lines with code: no docstrings, comments or empty lines."""
    docstrings = {line for node in ast.walk(ast.parse(text)) if isinstance(node, DOCUMENTED) and ast.get_docstring(node)
                  for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)}
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type not in EMPTY]
    return len({line for t in tokens for line in range(t.start[0], t.end[0] + 1)} - docstrings)


@pytest.mark.parametrize("sentence, patterns", [
    (r"`autograd.py` \(the backward pass\) have ([\d,]+) lines", ["core.py", "autograd.py"]),
    (r"`apply.py` and `define.py`, ([\d,]+) lines", ["apply.py", "define.py"]),
    (r"`compose.py` and `dispatch.py`, ([\d,]+) lines", ["compose.py", "dispatch.py"]),
    (r"`compiler/` has ([\d,]+) lines", ["compiler/**/*.py"]),
    (r"`torch/` ([\d,]+)\.", ["torch/**/*.py"]),
], ids=lambda value: value[0] if isinstance(value, list) else "")
def test_lines_of_code(sentence, patterns):
    said = re.search(sentence, README)
    files = [file for pattern in patterns for file in (ROOT / "tinytensor").glob(pattern)]
    true = sum(lines_of_code(file.read_text("utf-8")) for file in files)
    assert said, "README no longer says so: mend the pattern"
    assert int(said[1].replace(",", "")) == pytest.approx(true, rel=0.05), f"README: these files have {true} lines"


def test_value_is_short():
    teaching = " ".join((ROOT / "examples/guides/teaching.md").read_text("utf-8").split())
    assert "fewer than 300 lines with its docstrings" in teaching
    assert len((ROOT / "tinytensor/value.py").read_text("utf-8").splitlines()) < 300


def test_what_counts_as_a_line():
    text = '"""One."""\n\n# two\nx = """a\nb"""  # c\n\n\ndef f():\n    """Three."""\n    return 1\n'
    assert lines_of_code(text) == 4
