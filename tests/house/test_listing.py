"""The lists of nn, optim, text, ...: each public name is on its page, with a docstring, and the pages are current."""

from importlib import import_module

import pytest

from tinytensor import listing, nn


@pytest.mark.parametrize("package", listing.PACKAGES)
def test_the_page_is_current(package):
    """When it is stale: python -m tinytensor.reference --lists."""
    assert listing.path_of(package).read_text("utf-8") == listing.page(package)


def test_every_name_has_a_docstring():
    assert listing.undocumented() == []


@pytest.mark.parametrize("package", ["nn", "optim", "text", "models", "testing"])
def test_every_public_name_is_listed(package):
    listed = {entry.name for entry in listing.entries(package)}
    names = import_module(f"tinytensor.{package}").__all__
    assert {name for name in names if callable(getattr(import_module(f"tinytensor.{package}"), name))} <= listed


def test_a_name_without_a_docstring_is_found(monkeypatch):
    class Silent(nn.Linear):
        pass

    Silent.__module__ = "tinytensor.nn.layers"
    monkeypatch.setattr(nn, "Silent", Silent, raising=False)
    monkeypatch.setattr(nn, "__all__", [*nn.__all__, "Silent"])
    assert listing.undocumented() == ["nn: Silent has no docstring"]


def test_signatures():
    def f(a, b=1.0, *rest, c=float, d=6.055454452393343e-06, e="x|y", **more):
        """Nothing."""

    assert listing.signature(f) == r"(a, b=1.0, *rest, c=float, d=6.055e-06, e='x\|y', **more)"
    assert listing.signature(lambda a, *, b: 0) == "(a, *, b)"
    assert listing.signature(ValueError) == ""
