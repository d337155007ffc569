"""The house rules over Python sources: each takes a parsed room and names its breaches, one line each."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "posswitch"
PURE_PACKAGES = ("base", "codec", "crypto", "scheme", "engine")
ROOM_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

IMPURE_MODULES = {
    "clock": ("time",),
    "randomness": ("random", "secrets", "uuid"),
    "files": ("apsw", "fcntl", "io", "os", "pathlib", "shutil", "sqlite3", "tempfile"),
    "network": ("select", "selectors", "socket", "socketserver", "ssl", "urllib"),
    "processes": ("ctypes", "multiprocessing", "signal", "subprocess", "sys"),
    "waiting": ("asyncio", "concurrent", "queue", "threading", "uvloop"),
    "log": ("logging", "structlog"),
}
IMPURE = {module: kind for kind, modules in IMPURE_MODULES.items() for module in modules}
IMPURE_CALLS = frozenset({"open", "print", "input", "exec", "eval"})
IMPURE_METHODS = frozenset({"now", "utcnow", "today", "generate_key", "open"})
PERMITS = (
    ("codec", "pathlib"),  # the operator names a dialect file, and codec reads it when asked
    ("crypto", "threading"),  # a cipher context stays open and belongs to the thread that opened it
)

VAGUE_NAMES = ("util", "utils", "manager", "managers", "helper", "helpers", "common", "misc")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def rooms(*packages: str) -> list[Path]:
    """Every module of the named packages, or of the whole product."""
    folders = [SOURCE / package for package in packages] or [SOURCE]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def impurities(tree: ast.Module, package: str = "") -> list[str]:
    """Clock, randomness, I/O, `await` or iteration over a set in a room of levels 0 to 3."""
    sets = _names_of_sets(tree)
    found = []
    for node in ast.walk(tree):
        found += [f"line {node.lineno}: {what}" for what in _impure(node, package, sets)]
    return found


def _impure(node: ast.AST, package: str, sets: frozenset[str]) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from _impure_modules([alias.name for alias in names], package)
        case ast.ImportFrom(module=str(module)):
            yield from _impure_modules([module], package)
        case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
            yield f"calls {name}"
        case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_METHODS:
            yield f"calls .{name}"
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            yield "waits"
    yield from ("iterates over a set" for walked in _walked(node) if _is_set(walked, sets))


def _impure_modules(names: list[str], package: str) -> Iterator[str]:
    for name in names:
        top = name.partition(".")[0]
        if top in IMPURE and (package, top) not in PERMITS:
            yield f"imports {name} ({IMPURE[top]})"


def _walked(node: ast.AST) -> list[ast.expr]:
    """The expressions whose order `node` depends on."""
    match node:
        case ast.For(iter=walked) | ast.Starred(value=walked) | ast.YieldFrom(value=walked):
            return [walked]
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return [generator.iter for generator in node.generators]
        case ast.Call(func=ast.Name(id="list" | "tuple" | "iter" | "enumerate" | "zip" | "map"), args=args):
            return args
        case ast.Call(func=ast.Attribute(attr="join" | "extend"), args=args):
            return args
    return []


def _is_set(node: ast.expr, sets: frozenset[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Name(id=name):
            return name in sets
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub(), right=right):
            return _is_set(left, sets) or _is_set(right, sets)
    return False


def _names_of_sets(tree: ast.Module) -> frozenset[str]:
    names = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_set(value, frozenset()):
                names.append(name)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                if ast.unparse(annotation).partition("[")[0] in ("set", "frozenset"):
                    names.append(name)
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                if ast.unparse(annotation).partition("[")[0] in ("set", "frozenset"):
                    names.append(name)
    return frozenset(names)


def oversizes(tree: ast.Module, source: str) -> list[str]:
    """A room without its purpose in the first line, a room too long, or a function too long."""
    found = []
    purpose = (ast.get_docstring(tree, clean=False) or "").partition("\n")[0]
    if not purpose.strip() or not source.startswith(('"""', 'r"""')):
        found.append("line 1: the first line does not say the room's purpose")
    if (lines := len(source.splitlines())) > ROOM_LINES_MAX:
        found.append(f"the room has {lines} lines, at most {ROOM_LINES_MAX}")
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS) and (lines := _lines(node)) > FUNCTION_LINES_MAX:
            found.append(f"line {node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}")
    return found


def _lines(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def vague_parts(path: Path) -> list[str]:
    """The parts of a module's path that could hold anything, and so say nothing."""
    words = [word for part in path.with_suffix("").parts for word in part.lower().split("_")]
    return [word for word in words if word in VAGUE_NAMES]
