"""Local Spark Connect servers, started on first use in a subprocess.

choose          which engine: Apache Spark when it is there, else embedded Sail
sail, spark     how each is started
process         one engine process: spawn, readiness, last log lines, end
supervise       the small program in front of an engine that makes it die with the server
local           start on first use, restart after a crash, remember failures for a while
"""

from pcw_server_ext.engines.choose import Choice, choose
from pcw_server_ext.engines.local import LocalEngine

__all__ = ["Choice", "LocalEngine", "choose"]
