"""Settings as flags: a dataclass with one field per flag, read from the command line, with recipes as other defaults.

It knows no model and no data; a wrong flag ends the script with one line and exit status 2.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar, get_type_hints

DATA = Path(__file__).resolve().parents[2] / "data"
SEED = 2**64 - 1  # the largest seed of a generator
T = TypeVar("T")
Recipes = Mapping[str, Mapping[str, Any]]  # for each recipe the settings that it changes


class UserError(ValueError):
    """A mistake of the user's, printed in one line: what was got, what was expected, what to do."""


def setting(default: Any, help: str, choices: tuple[str, ...] = (), least: float | None = None,
            above: float | None = None, most: int = 10**9) -> Any:
    """A field of a settings dataclass: its default, its line in --help, and which values are allowed."""
    allowed = {"choices": choices, "least": least, "above": above, "most": most}
    return dataclasses.field(default=default, metadata={"help": help, **allowed})


@dataclasses.dataclass
class Settings:
    """The flags that every script has."""

    seed: int = setting(2147483647, "seed of everything random: weights, batches, samples", least=0, most=SEED)
    quick: bool = setting(False, "run for a few seconds only, to see that everything works")
    plots: str = setting(None, "folder for the figures")
    given: ClassVar[frozenset[str]] = frozenset()  # of parsed settings: those that a flag or the recipe has set

    @property
    def own_data(self) -> bool:
        """Whether --data names another file than the lecture's: then no notebook's loss is shown beside ours."""
        default, given = getattr(type(self), "data", None), getattr(self, "data", None)
        return given is not None and (default is None or Path(given).resolve() != Path(default).resolve())


@dataclasses.dataclass
class LectureSettings(Settings):
    """The same for a script that can repeat the notebook's run."""

    recipe: str = setting("ours", "lecture: the notebook's settings and random streams, its printed figures beside "
                          "ours; flags may shorten such a run, but not change it", choices=("ours", "lecture"))

    @property
    def lecture(self) -> bool:
        return self.recipe == "lecture"


@dataclasses.dataclass
class NamesSettings(Settings):
    """The same for a script that learns names."""

    data: str = setting(str(DATA / "names.txt"), "UTF-8 file with one item per line, such as a name")
    names: int = setting(20, "names to make up at the end", least=0)


LAST = ("data", "names", "eager", *(f.name for f in dataclasses.fields(LectureSettings)))  # below a script's own flags
FREE = ("steps", "names")  # what a lecture's recipe sets, but a flag may change: the run is shorter, not another


class Parser(argparse.ArgumentParser):
    """Reports an error in one line, with exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parse(settings: type[T], description: str, recipes: Recipes | None = None,
          arguments: list[str] | None = None) -> T:
    """Settings from the command line: a flag for each field, `--no-name` where a field is True.

    A recipe's settings replace the defaults, and flags replace both. With `--recipe lecture` a flag that changes what
    the notebook did is an error, because its figures could not come out.
    """
    recipes = {"ours": {}, **(recipes or {})}
    parser = Parser(description=description, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = get_type_hints(settings)
    fields = dataclasses.fields(settings)  # type: ignore[arg-type]
    for field in sorted(fields, key=lambda f: f.name in LAST):
        flag, shown = "--" + field.name.replace("_", "-"), dict(field.metadata)
        if isinstance(field.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default,
                                help=escaped(shown["help"]))
            continue
        default = "" if field.default in (None, "") else f" (default: {field.default!s})"
        kind, choices = kinds[field.name], shown["choices"]
        parser.add_argument(flag, default=field.default, help=escaped(shown["help"] + default.replace("\n", r"\n")),
                            type=converter(kind, shown["least"], shown["above"], shown["most"], choices),
                            metavar="{" + ",".join(choices) + "}" if choices else METAVARS.get(field.name, SIGNS[kind]))
    recipe = getattr(parser.parse_args(arguments), "recipe", "ours")
    parser.set_defaults(**recipes[recipe])
    parsed = settings(**vars(parser.parse_args(arguments)))
    unset = argparse.Namespace(**dict.fromkeys((field.name for field in fields), parser))  # no default replaces these
    flags = {name for name, value in vars(parser.parse_args(arguments, unset)).items() if value is not parser}
    parsed.given = frozenset(flags | recipes[recipe].keys())  # type: ignore[attr-defined]
    if recipe == "lecture":
        check_lecture(parsed, recipes[recipe], parser)
    return parsed


def escaped(help: str) -> str:
    """The text for argparse, which formats help with the operator %."""
    return help.replace("%", "%%")


def check_lecture(s: Any, recipe: Mapping[str, Any], parser: Parser) -> None:
    """Refuse what would make the notebook's figures impossible: its settings, its seed, its data, more steps."""
    if s.own_data:
        parser.error(f"argument --data: got {s.data} with --recipe lecture; expected the notebook's own data, or its "
                     f"figures can't come out; leave out one of the two")
    for name, expected in {"seed": type(s).seed, **recipe}.items():
        got = getattr(s, name)
        if (got > expected) if name == "steps" else (got != expected and name not in FREE):
            most = "at most " * (name == "steps")
            parser.error(f"argument --{name.replace('_', '-')}: got {got} with --recipe lecture; expected the "
                         f"notebook's {most}{expected}, or its figures can't come out; leave out one of the two")


def only_one(s: Settings, *names: str) -> None:
    """Refuse two of these settings at once: a run can only follow one, and would ignore the other."""
    first, second, *_ = [f"--{name.replace('_', '-')}" for name in names if getattr(s, name)] + ["", ""]
    if second:
        raise UserError(f"argument {second}: got {first} too; expected one of them; leave out the other")


def check_saved(s: Settings, saved: Mapping[str, Any], path: str) -> None:
    """Refuse a flag that differs from the saved setting, which is the one that counts."""
    for name, kept in saved.items():
        if name in s.given and (got := getattr(s, name)) != kept:
            raise UserError(f"argument --{name.replace('_', '-')}: got {got}; expected {kept}, as in {path}; leave it "
                            f"out")


def converter(kind: type, least: float | None, above: float | None, most: int,
              choices: tuple[str, ...]) -> Callable[[str], Any]:
    """A function from a flag's text to its value, which refuses what is not allowed."""

    def convert(text: str) -> Any:
        try:
            value = kind(text.replace("_", "")) if kind is not str else text
        except ValueError:
            raise argparse.ArgumentTypeError(f"got {text!r}; expected {NAMES[kind]}") from None
        if choices and value not in choices:
            raise argparse.ArgumentTypeError(f"got {text!r}; expected {', '.join(choices[:-1])} or {choices[-1]}")
        if least is not None and not least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"got {text}; expected {NAMES[kind]}, {least} or more")
        if kind is int and value > most:
            raise argparse.ArgumentTypeError(f"got {text}; expected a whole number, at most {most:,}")
        if above is not None and not above < value < float("inf"):
            raise argparse.ArgumentTypeError(f"got {text}; expected {NAMES[kind]} above {above}")
        if text == "":
            raise argparse.ArgumentTypeError("got nothing; expected a value; leave the flag out to do without it")
        return value

    return convert


NAMES = {int: "a whole number", float: "a number", str: "text"}
SIGNS = {int: "N", float: "X", str: "FILE"}
METAVARS = {"plots": "DIR", "prompt": "TEXT"}
