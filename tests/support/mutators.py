"""Small changes of a source file, one at a time: what `mutants.py` puts into the package to see whether a test notices.

It runs nothing. Messages of errors, docstrings, annotations and what a decorator says of samples are left alone.
"""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
             ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
             ast.BitXor: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift}
COMPARISONS = {ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt],
               ast.Gt: [ast.GtE, ast.LtE], ast.GtE: [ast.Gt, ast.Lt], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is],
               ast.In: [ast.NotIn], ast.NotIn: [ast.In]}
PAIRS = ("maximum minimum", "max min", "argmax argmin", "zeros_like ones_like", "zeros ones", "floor ceil", "sin cos",
         "sinh cosh", "any all", "isinf isnan", "tril triu", "cumsum cumprod", "add multiply", "append extend",
         "less less_equal", "greater greater_equal", "sum prod", "exp expm1", "log log1p", "sign abs")
NAMES = {a: b for pair in map(str.split, PAIRS) for a, b in (pair, pair[::-1])}
COMPOUND = (ast.If, ast.While, ast.For, ast.With, ast.Try, ast.FunctionDef, ast.ClassDef, ast.Module,
            ast.comprehension)
REGISTERS = ("op", "ufunc_op", "composite", "composed", "nondifferentiable", "S", "Sample", "Domain")  # these take data
SYMMETRIC = ("minimum", "maximum", "max", "min", "hypot", "array_equal", "allclose", "logaddexp", "add", "multiply",
             "equal", "not_equal", "vecdot", "swapaxes")  # of two arguments, in any order
SPARED = ("out", "strict")  # keywords: about memory, and about what can not happen


class Mutant(NamedTuple):
    """One change: where, what stood there and what stands there now, and the compiled module with it."""

    file: str
    line: int
    end: int
    where: str
    before: str
    after: str
    code: CodeType

    @property
    def key(self) -> str:
        """What it is called in the list of survivors: no line number, so that it outlives other changes."""
        return f"{self.file} {self.where}: {self.before} -> {self.after}"


def changes(node: Any) -> Iterator[Any]:
    """What can stand in the place of a node."""
    match node:
        case ast.BinOp(op=ast.MatMult()):
            yield ast.BinOp(node.right, node.op, node.left)
        case ast.BinOp() if type(node.op) in OPERATORS:
            yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        case ast.AugAssign():
            yield ast.Pass()
            if type(node.op) in OPERATORS:
                yield ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())):
            yield ast.Constant(1 - node.operand.value)  # subtle: as a size -2 is as good as -1, as an axis 2 is
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield node.operand
        case ast.Compare(ops=[op]):
            for other in COMPARISONS[type(op)]:
                yield ast.Compare(node.left, [other()], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for i in range(len(node.values)):
                rest = node.values[:i] + node.values[i + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.IfExp():
            yield ast.IfExp(node.test, node.orelse, node.body)
        case ast.If() | ast.While():
            yield type(node)(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.comprehension(ifs=[test]):
            yield ast.comprehension(node.target, node.iter, [ast.UnaryOp(ast.Not(), test)], node.is_async)
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int()):
            yield ast.Constant(node.value + 1)
        case ast.Constant(value=float()):
            yield ast.Constant(2 * node.value + 0.25)
        case ast.Constant(value=str()):
            yield ast.Constant(node.value[:-1] if len(node.value) > 1 else "~")
        case ast.Call():
            if len(node.args) > 1 and not any(isinstance(a, ast.Starred) for a in node.args[:2]) \
                    and called(node) not in SYMMETRIC:
                yield ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
            for k in (k for k in node.keywords if k.arg not in SPARED):
                yield ast.Call(node.func, node.args, [other for other in node.keywords if other is not k])
        case ast.Attribute(attr=name) if name in NAMES:
            yield ast.Attribute(node.value, NAMES[name], node.ctx)
        case ast.Name(id=name) if name in ("any", "all", "max", "min"):
            yield ast.Name(NAMES[name], node.ctx)
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Lambda() if [a.arg for a in node.args.args[:2]] == ["g", "y"] and "zeros_like" not in text(node)[:40]:
            yield ast.Lambda(node.args, ast.BinOp(node.body, ast.Mult(), ast.Constant(2)))
        case ast.Expr(value=ast.Call()) | ast.Assign() | ast.AnnAssign(value=ast.expr()) | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Expr(value=ast.Yield()):
            return
        case ast.Continue() | ast.Break():
            yield ast.Pass()
        case ast.With():
            yield ast.If(ast.Constant(True), node.body, [])


def children(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, str, int | None, Any]]:
    """(parent, field, index, child) of the nodes in which something may change."""
    here, level = node, len(path)
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_comment", "exc", "msg", "names"):
            continue
        if field == "decorator_list" or (isinstance(here, ast.Call) and level <= 3 and called(here) in REGISTERS):
            parts = [x for part in (value if isinstance(value, list) else [value]) if isinstance(part, ast.AST)
                     for x in ast.walk(part) if isinstance(x, ast.Lambda)]
            yield from ((node, "", None, x) for x in parts)  # rules alone
            continue
        for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.JoinedStr) or not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring
            yield node, field, i, child


def called(node: ast.Call) -> str:
    """The last name of the function."""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


@contextmanager
def put(parent: Any, field: str, i: int | None, new: Any, old: Any) -> Iterator[None]:
    """The tree with another node in this place, inside the block."""
    def place(x: Any) -> None:
        if i is None:
            setattr(parent, field, x)
        else:
            getattr(parent, field)[i] = x

    place(ast.fix_missing_locations(ast.copy_location(new, old)))
    try:
        yield
    finally:
        place(old)


def mutants(path: Path, name: str, only: str = "*") -> Iterator[Mutant]:
    """Every mutant that differs from the file once compiled; `only`: a pattern for the functions."""
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    plain = [described(code) for code in codes(compile(tree, str(path), "exec"))]
    stack: list[tuple[Any, str, int | None, Any, tuple[Any, ...]]] = [(None, "", None, tree, ())]
    while stack:
        parent, field, i, node, path_to = stack.pop()
        inner = [(*child, (*path_to, node)) for child in children(node, path_to)]
        stack += [(*held(node, child[3]), *child[3:]) if not child[1] else child for child in inner[::-1]]
        registers = isinstance(node, ast.Call) and len(path_to) <= 3 and called(node) in REGISTERS
        for new in changes(node) if parent is not None and not registers else ():
            if isinstance(node, ast.stmt) and not any(isinstance(p, ast.FunctionDef | ast.Lambda) for p in path_to) \
                    and isinstance(new, ast.Pass):
                continue  # without a constant of its own a module can not be imported
            where = ".".join(p.name for p in path_to if isinstance(p, ast.FunctionDef | ast.ClassDef)) or next(
                (text(p.targets[0]) for p in (*path_to, node) if isinstance(p, ast.Assign)), "module")
            if not fnmatch(where, only):
                continue
            context = next((x for p, x in zip(path_to[::-1], [node, *path_to[::-1]], strict=False)
                            if isinstance(p, COMPOUND) or isinstance(x, ast.stmt | ast.Lambda)), node)
            before, after = (header(node), header(new)) if isinstance(node, COMPOUND) else (text(context), "")
            with put(parent, field, i, new, node):
                after = after or text(new if context is node else context)
                try:
                    code = compile(tree, str(path), "exec")
                except (SyntaxError, ValueError):
                    continue
            if [described(c) for c in codes(code)] != plain:
                line = getattr(node, "lineno", getattr(context, "lineno", 1))
                yield Mutant(name, line, getattr(node, "end_lineno", line), where, before, after, code)


def held(root: Any, wanted: Any) -> tuple[Any, str, int | None]:
    """The node, field and index that hold a node somewhere under the root."""
    for node in ast.walk(root):
        for field, value in ast.iter_fields(node):
            if value is wanted:
                return node, field, None
            if isinstance(value, list):
                for i, x in enumerate(value):
                    if x is wanted:
                        return node, field, i
    raise LookupError(wanted)


def header(node: Any) -> str:
    """The first line of a compound statement."""
    return ast.unparse(node).split("\n")[0]


def text(node: Any) -> str:
    """The source of a node on one line."""
    return " ".join(ast.unparse(node).split())


def codes(code: CodeType) -> list[CodeType]:
    """A code object and all that are nested in it, in order."""
    found = [code]
    for c in code.co_consts:
        if isinstance(c, CodeType):
            found += codes(c)
    return found


def described(code: CodeType) -> tuple[Any, ...]:
    """What a code object does; equal for codes that do the same."""
    constants = [None if isinstance(c, CodeType) else (type(c), repr(c)) for c in code.co_consts]
    return code.co_name, code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars
