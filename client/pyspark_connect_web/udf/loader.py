"""Runs on the server, inside its Python worker: turns source back into code objects.

The text of this file travels inside every pickled function (once), so it imports nothing of ours, keeps to the syntax
of Python 3.8 and is executed as a plain namespace, not as a module.
"""

import ast
import linecache
import sys

# A line number that no real source has: marks the wanted function while its place in the compiled code is looked up.
MARK = 3000017
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
compiled = {}


def load_code(source, index, dump, dump_index, name, filename, flags, freevars, version):
    """Compile `source` here and return the code object of its `index`-th function; nothing of it is executed.

    `dump` is the same statement as a dumped AST without annotations, for source whose syntax this Python lacks.
    Raises SyntaxError naming both Python versions.
    """
    key = (source, index, filename)
    if key in compiled:
        return compiled[key]

    def unsupported(reason):
        here = "%d.%d" % sys.version_info[:2]
        return SyntaxError(
            "%s() was written for Python %s and the server's Python %s cannot compile it (%s). "
            "Write it with the syntax of Python %s." % (name, version, here, reason, here)
        )

    def parse():
        parse_flags = flags | ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            return compile(source, filename, "exec", parse_flags, True), index
        except SyntaxError as error:
            if dump is None:
                raise unsupported(error) from None
            reason = error
        try:
            return ast.fix_missing_locations(eval(dump, dict(vars(ast)))), dump_index
        except Exception as error:
            raise unsupported("%s; %s" % (reason, error)) from None

    def build(tree):
        try:
            return compile(tree, filename, "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)
        except Exception as error:
            raise unsupported(error) from None

    def path_to_mark(code, path):
        for position, constant in enumerate(code.co_consts):
            if hasattr(constant, "co_code"):
                if constant.co_firstlineno == MARK and constant.co_name == name:
                    return path + [position]  # noqa: RUF005  (Python 3.8)
                found = path_to_mark(constant, path + [position])  # noqa: RUF005
                if found:
                    return found
        return None

    tree, wanted = parse()
    node = [item for item in ast.walk(tree) if isinstance(item, FUNCTIONS)][wanted]
    first = (getattr(node, "decorator_list", None) or [node])[0]
    first.lineno = first.end_lineno = MARK
    first.col_offset = first.end_col_offset = 0
    path = path_to_mark(build(tree), [])
    if not path:
        raise unsupported("the function was not found again after compiling")
    code = build(parse()[0])
    for position in path:
        code = code.co_consts[position]
    if code.co_freevars != freevars:
        raise unsupported("its closure is %r here and %r there" % (code.co_freevars, freevars))
    # Tracebacks from the server show the user's own line.
    linecache.cache.setdefault(filename, (len(source), None, source.splitlines(True), filename))
    compiled[key] = code
    return code


def set_class_state(cls, state):
    """Set the attributes of a class that was rebuilt here."""
    for name, value in state.items():
        setattr(cls, name, value)
    return cls


def set_dataclass_state(cls, state):
    """Make `cls` a dataclass again: its generated methods have no source, so they are generated here."""
    import dataclasses

    from pyspark.cloudpickle.cloudpickle import _class_setstate

    attributes, parameters, fields = state
    if "__dataclass_params__" in cls.__dict__:  # a reused worker already has it
        return cls
    _class_setstate(cls, (attributes, {}))
    cls.__annotations__ = {name: annotation for name, annotation, _ in fields}
    for name, _, options in fields:
        if sys.version_info < (3, 10):
            options.pop("kw_only", None)
        setattr(cls, name, dataclasses.field(**options))
    return dataclasses.dataclass(**parameters)(cls)


def make_namedtuple(name, qualname, module, fields, defaults, doc):
    """Rebuild a namedtuple class."""
    import collections

    cls = collections.namedtuple(name, fields, defaults=defaults, module=module)
    cls.__qualname__ = qualname
    cls.__doc__ = doc
    return cls


def make_cached_property(function, name):
    """Rebuild a functools.cached_property."""
    import functools

    made = functools.cached_property(function)
    made.attrname = name
    return made


def make_lru_cache(function, parameters):
    """Rebuild a function decorated with functools.lru_cache or functools.cache, its cache empty."""
    import functools

    return functools.lru_cache(**parameters)(function)


def make_singledispatch(function, registered):
    """Rebuild a function decorated with functools.singledispatch."""
    import functools

    made = functools.singledispatch(function)
    for kind, implementation in registered:
        made.register(kind, implementation)
    return made


def set_protocol_state(cls, state):
    """Set the attributes of a typing.Protocol that was rebuilt here; each Python lists its members anew."""
    import typing

    from pyspark.cloudpickle.cloudpickle import _class_setstate

    own, members = state
    _class_setstate(cls, own)
    if sys.version_info >= (3, 12):  # older ones look them up
        cls.__protocol_attrs__ = set(members)
    if getattr(cls, "_is_runtime_protocol", False):
        typing.runtime_checkable(cls)
    return cls
