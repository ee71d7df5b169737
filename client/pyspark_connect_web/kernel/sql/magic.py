"""`%sql` and `%%sql`: a query without quotes, its result a DataFrame that is shown as a table."""

from __future__ import annotations

import re
import shlex
from typing import Any

from pyspark_connect_web.kernel.display import mark
from pyspark_connect_web.kernel.sql.table import DEFAULT_LIMIT

__all__ = ["parse", "register_magics", "variables"]

USAGE = """Run SQL on Spark; the result is a DataFrame, its first rows are shown as a table.

    %sql SELECT 1 AS one
    frame = %sql SELECT * FROM people
    %%sql -o adults --limit 5
    SELECT * FROM people WHERE age >= :age

  -o, --output NAME   assign the DataFrame to NAME
  -l, --limit N       rows to show (20); the DataFrame itself has all of them
  -q, --quiet         show nothing

:name stands for the value of the variable `name`, {name} for a DataFrame or column of that name, as in
spark.sql(query, args={"name": name}) and spark.sql(query, name=name)."""

#: Comments, strings and quoted names (which keep their colons), casts (`::`), then `:name`.
_PARAMETER = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:\\.|''|[^'\\])*'|"(?:\\.|""|[^"\\])*"|`(?:``|[^`])*`|::|(?<![\w:]):([A-Za-z_]\w*)""",
    re.DOTALL,
)
#: Not the beginning of a comment.
_OPTION = re.compile(r"-[A-Za-z]\b|--[a-z]+(?=[\s=]|\Z)")
_FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")


class _Usage(ValueError):
    """The line of a magic cannot be understood."""


def parse(line: str, cell: str | None) -> tuple[str, str | None, int, bool]:
    """The query, the variable to assign, the rows to show, and whether to show nothing.

    Raises:
        ValueError: options that there are not, or no query.
    """
    rest, output, limit, quiet = line.strip(), None, DEFAULT_LIMIT, False
    while _OPTION.match(rest):
        option, _, rest = rest.partition(" ")
        option, equals, value = option.partition("=")
        rest = rest.strip()
        if option in ("-q", "--quiet"):
            quiet = True
            continue
        if option not in ("-o", "--output", "-l", "--limit"):
            raise _Usage(f"%sql has no option {option}.\n\n{USAGE}")
        if not equals:
            value, _, rest = rest.partition(" ")
            rest = rest.strip()
        value = "".join(shlex.split(value))
        if option in ("-o", "--output"):
            if not value.isidentifier():
                raise _Usage(f"{option} needs the name of a variable, not {value!r}.")
            output = value
        elif value.isdecimal():
            limit = int(value)
        else:
            raise _Usage(f"{option} needs a number of rows, not {value!r}.")
    query = "\n".join(part for part in (rest, cell or "") if part.strip())
    query = re.sub(r"[\s;]+\Z", "", query)
    if not query:
        raise _Usage(f"There is no query.\n\n{USAGE}")
    return query, output, limit, quiet


def variables(query: str, names: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `:name` and `{name}` stand for: the arguments of `spark.sql`. Unknown names are left to Spark."""
    found = (match[1] for match in _PARAMETER.finditer(query) if match[1])
    arguments = {name: names[name] for name in found if name in names}
    fields = {name: names[name] for name in _FIELD.findall(query) if name in names}
    return arguments, fields


def register_magics(shell: Any) -> None:
    """Add `%sql` and `%%sql` to a shell."""
    from IPython.core.error import UsageError
    from IPython.core.magic import no_var_expand

    @no_var_expand  # type: ignore[untyped-decorator, unused-ignore]
    def sql(line: str, cell: str | None = None) -> Any:
        if line.strip() in ("-h", "--help", "?"):
            print(USAGE)
            return None
        try:
            query, output, limit, quiet = parse(line, cell)
        except ValueError as error:
            raise UsageError(str(error)) from None
        arguments, fields = variables(query, shell.user_ns)
        frame = _session(shell).sql(query, args=arguments or None, **fields)
        if output is not None:
            shell.user_ns[output] = frame
        if quiet:
            return None
        mark(frame, limit)
        return frame

    sql.__doc__ = USAGE
    shell.register_magic_function(sql, magic_kind="line_cell", magic_name="sql")


def _session(shell: Any) -> Any:
    """The session that the notebook calls `spark`, or else the active one."""
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    named = shell.user_ns.get("spark")
    return named if isinstance(named, ConnectSession) else SparkSession.builder.getOrCreate()
