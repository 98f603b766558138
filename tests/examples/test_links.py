"""Links between the pages: files and headings exist, and every guide and reference page is two clicks from README."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = sorted([README, *(page for folder in ("examples", "tinytensor", "data", "benchmarks", "tests")
                          for page in (ROOT / folder).rglob("*.md"))])
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def links(page):
    """(target, file, anchor) of each link of a page that stays in the repository."""
    for target in LINK.findall(CODE.sub(lambda code: "\n" * code[0].count("\n"), page.read_text("utf-8"))):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield target, (page.parent / path).resolve() if path else page, anchor


def anchors(page):
    """The anchors that GitHub gives to the headings of a page."""
    headings = HEADING.findall(re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL))
    found = []
    for heading in headings:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target, file, anchor in links(page):
        assert file.exists() and file.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_two_clicks_from_readme():
    one = {file for _, file, _ in links(README) if file.suffix == ".md"}
    one |= {folder / "README.md" for _, folder, _ in links(README) if folder.is_dir()}
    two = one | {file for page in one if page.exists() for _, file, _ in links(page)}
    assert sorted(str(page.relative_to(ROOT)) for page in PAGES if page not in two | {README}) == []


def test_the_files_that_contributors_are_sent_to_exist():
    page = (ROOT / "examples/guides/contributing.md").read_text("utf-8")
    named = re.findall(r"`([\w*/]*[\w*]+\.(?:py|txt|md)|[\w/]+/)`", page)
    folders = [ROOT / name for name in ("", "tinytensor", "examples", "tests/*/", "tinytensor/*/")]
    assert len(named) > 100
    assert [name for name in named if not any(ROOT.glob(str((f / name).relative_to(ROOT))) for f in folders)] == []


def test_a_wrong_link_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A *B*: `c_d`, e?\n\n```\n[no](link)\n```\n`[no](link)` [x](#a-b-c_d-e) [y](other.md#z) [w](http://a.b)\n")
    assert anchors(page) == ["a-b-c_d-e"]
    assert [(target, file.exists(), anchor) for target, file, anchor in links(page)] == [
        ("#a-b-c_d-e", True, "a-b-c_d-e"), ("other.md#z", False, "z")]
