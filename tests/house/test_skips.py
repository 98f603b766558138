"""The line at the end of a run that says why tests were skipped."""

from skips import explain_skips

TORCH = "Skipped: could not import 'torch': No module named 'torch'"


def test_packages_are_counted_and_their_extra_is_named():
    reasons = [TORCH] * 3 + ["Skipped: could not import 'jax.numpy': No module named 'jax'"]
    assert explain_skips(reasons) == "4 skipped: 3 need torch, 1 needs jax (pip install -e '.[peers]')"


def test_a_package_without_an_extra_is_installed_by_its_name():
    reasons = ["Skipped: could not import 'scipy.special': No module named 'scipy'", "could not import 'regex': it"]
    assert explain_skips(reasons) == (
        "2 skipped: 1 needs scipy (pip install scipy); 1 needs regex (pip install -e '.[test]')")


def test_other_reasons_come_last_and_the_rarest_are_only_counted():
    reasons = ["Skipped: POSIX terminals", "b", "b", "b", "Skipped: POSIX terminals", "c", "d", TORCH]
    assert explain_skips(reasons) == (
        "8 skipped: 1 needs torch (pip install -e '.[peers]'); 3 b; 2 POSIX terminals; "
        "2 for other reasons (pytest -rs lists them)")
