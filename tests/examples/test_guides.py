"""Every Python block of the guides runs, page by page, and prints what the text block after it shows.

When something changes for the better: pytest tests -k guides --golden writes the text blocks that differ, to be read.
"""

import contextlib
import doctest
import importlib.util
import io
import linecache
import re
import sys
import textwrap
import types
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).resolve().parents[2] / "examples" / "guides").glob("*.md"))
WITHOUT_CODE = {"README", "contributing"}  # nothing to run
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(text):
    """(line, modules or platform it needs, code, match of the text block after it or None) for each Python block."""
    found = list(BLOCK.finditer(text))
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block[1] == "python":
            shown = after if after is not None and after[1] == "text" else None
            yield text[: block.start()].count("\n") + 1, block[2].split(), block[3], shown


def run(code, space, name, line):
    """What a block prints; an error that it raises is its last line, as in a traceback."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(compile("\n" * line + code, name, "exec"), space)
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
    return out.getvalue()


def as_shown(printed, name):
    """What is printed as a page shows it: lines of 120 columns, and no line numbers of the page."""
    lines = re.sub(rf"{re.escape(name)}:\d+", f"{name}:...", printed).splitlines()
    wrapped = [textwrap.wrap(line, 120, break_long_words=False, break_on_hyphens=False) if len(line) > 120 else [line]
               for line in lines]
    return "".join(f"{line}\n" for part in wrapped for line in part)


@pytest.mark.parametrize("page", [p for p in PAGES if p.stem not in WITHOUT_CODE], ids=lambda p: p.stem)
def test_blocks_run_and_print_what_the_page_says(page, request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a block may write files
    text = page.read_text("utf-8")
    linecache.cache[page.name] = (len(text), None, text.splitlines(keepends=True), page.name)
    module = types.ModuleType(page.stem)
    monkeypatch.setitem(sys.modules, page.stem, module)
    ran, stale = 0, []
    for line, needs, code, shown in blocks(text):
        if all(name == sys.platform or importlib.util.find_spec(name) for name in needs):
            printed, ran = run(code, vars(module), page.name, line), ran + 1
            expected = shown[3] if shown else ""
            if not doctest.OutputChecker().check_output(expected, printed, SHOWN):
                assert request.config.getoption("--golden") and shown, (
                    f"{page.name}:{line} printed\n{printed}\nexpected\n{expected or 'nothing'}")
                stale.append((shown.span(3), as_shown(printed, page.name)))
    assert ran
    for (start, end), printed in reversed(stale):
        text = text[:start] + printed + text[end:]
    if stale:
        page.write_text(text, "utf-8")
