"""Says in one line why tests were skipped: which packages they need, and how these are installed."""

import configparser
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MISSING = re.compile(r"could not import '(\w+)")  # what `pytest.importorskip` says


def extra_of(package: str) -> str:
    """What to install for a package: the extra of setup.cfg that has it, else the package."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    extras = config["options.extras_require"]
    return next((f"-e '.[{name}]'" for name in ("test", *extras) if package in extras[name].split()), package)


def explain_skips(reasons: Iterable[str]) -> str:
    """One line for all reasons of skips; the packages that most tests need come first, other reasons last."""
    needed: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for reason in reasons:
        if missing := MISSING.search(reason):
            needed[missing[1]] += 1
        else:
            others[reason.removeprefix("Skipped: ")] += 1
    by_extra: dict[str, list[str]] = {}
    for package, count in needed.most_common():
        by_extra.setdefault(extra_of(package), []).append(f"{count} need{'s' * (count == 1)} {package}")
    parts = [f"{', '.join(needs)} (pip install {extra})" for extra, needs in by_extra.items()]
    parts += [f"{count} {reason}" for reason, count in others.most_common(2)]
    if rest := sum(count for _, count in others.most_common()[2:]):
        parts.append(f"{rest} for other reasons (pytest -rs lists them)")
    return f"{needed.total() + others.total()} skipped: {'; '.join(parts)}"
