"""What cannot be sent to a server's Python is refused by the client."""

from __future__ import annotations

import pytest
from pyspark_connect_web.udf.errors import SourceUnavailable
from pyspark_connect_web.udf.source import find_source


def matching(x: int) -> int:
    match x:
        case 0:
            return 1
    return x


def test_syntax_that_the_server_lacks_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(SourceUnavailable) as caught:
        find_source(matching.__code__, (3, 9))
    assert str(caught.value) == (
        "matching() was not sent: the server's Python 3.9 has no match statements, which came with Python 3.10. "
        "Write it with the syntax of Python 3.9."
    )
    assert find_source(matching.__code__, (3, 10)).name == "matching"
