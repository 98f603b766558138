"""The compiler's page: every block of it is run, and every printed line is true."""

import contextlib
import io
from pathlib import Path

import tinytensor

PAGE = Path(tinytensor.__file__).parent / "compiler" / "README.md"


def parse(lines):
    """(where an example begins, where its output begins, where that ends) for each example of the page."""
    inside, found = False, []
    for i, line in enumerate(lines):
        if line.startswith("```"):
            if inside:
                found[-1][2] = i
            inside = line.startswith("```python")
        elif inside and line.startswith(">>> "):
            if found and found[-1][2] == 0:
                found[-1][2] = i
            found.append([i, i + 1, 0])
        elif inside and line.startswith("...") and found[-1][1] == i:
            found[-1][1] = i + 1
    return found


def run(lines, file):
    """What each example prints; they are run from a file, for sources tell their lines."""
    examples, code = parse(lines), [""] * len(lines)
    for begin, end, _ in examples:
        code[begin:end] = [line[4:] for line in lines[begin:end]]
    file.write_text("\n".join(code), "utf-8")
    known, printed = {"__name__": "page", "__file__": str(file)}, []
    for begin, end, _ in examples:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * begin + "\n".join(code[begin:end]), str(file), "exec"), known)
        printed.append([line.rstrip() for line in out.getvalue().splitlines()])
    return printed


def test_what_the_page_shows_is_what_is_printed(request, tmp_path):
    """When something changes for the better: pytest tests/compiler/test_page.py --golden writes it anew."""
    lines = PAGE.read_text("utf-8").splitlines()
    printed = run(lines, tmp_path / "step.py")
    if request.config.getoption("--golden"):
        for (_, end, last), out in reversed([*zip(parse(lines), printed, strict=True)]):
            lines[end:last] = out
        PAGE.write_text("\n".join(lines) + "\n", "utf-8")
    for (begin, end, last), out in zip(parse(lines), printed, strict=True):
        assert lines[end:last] == out, lines[begin]


def test_the_page_is_short_but_for_what_it_shows():
    lines = PAGE.read_text("utf-8").splitlines()
    assert len(lines) - sum(last - begin for begin, _, last in parse(lines)) < 250
