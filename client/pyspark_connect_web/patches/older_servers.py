"""Lets PySpark 4.3 work with servers of Spark 4.0 and 4.1, and says in words that Spark 3 is too old for it.

`createDataFrame` asks for settings that Spark 4.0 does not have, and takes for plain numbers what Spark 4.1 tells with
a unit (``3221225472b``); the ordinary client fails with both. Spark 3 does not know the message that carries
`spark.sql`, sees an empty statement, and says that its syntax is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

from pyspark_connect_web.errors import UnsupportedServer
from pyspark_connect_web.patches.apply import installed_version, replace
from pyspark_connect_web.patches.pyspark_types import ConnectClient

__all__ = ["patch_settings", "refusal_of_spark_3"]

_LOCAL = "spark.sql.session.localRelation"
_THRESHOLD = f"{_LOCAL}CacheThreshold"
#: What holds where a server has no such setting: Spark 4.3's own defaults.
_DEFAULTS: Final[Mapping[str, str]] = {
    f"{_LOCAL}SizeLimit": str(3 << 30),
    f"{_LOCAL}ChunkSizeRows": "10000",
    f"{_LOCAL}ChunkSizeBytes": str(16 << 20),
    f"{_LOCAL}BatchOfChunksSizeBytes": str(512 << 20),
    "spark.sql.execution.pandas.convertToArrowArraySafely": "false",
    "spark.sql.execution.pandas.inferPandasDictAsMap": "false",
    "spark.sql.pyspark.inferNestedDictAsStruct.enabled": "false",
    "spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled": "false",
    "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled": "false",
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
}
#: Such a server has no message for data in chunks either: data goes inside the plan, whatever its size.
_NEVER = str((1 << 63) - 1)

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)b?", re.IGNORECASE)
_UNITS = ("", "k", "m", "g", "t")
#: What Spark 3 says of messages that it does not know.
_SPARK_3 = re.compile(r"PARSE_SYNTAX_ERROR|PARSE_EMPTY_STATEMENT|[A-Z]TYPE_NOT_SET")

# Clients whose server lacks a setting, and versions that servers have told.
_lacking: WeakSet[ConnectClient] = WeakSet()
_versions: WeakKeyDictionary[ConnectClient, str] = WeakKeyDictionary()


def patch_settings() -> None:
    """Let `createDataFrame` work with servers that lack its settings; idempotent."""
    replace("pyspark.sql.connect.client.core:SparkConnectClient.get_config_dict", _tolerant)


def _tolerant(original: Callable[..., Mapping[str, str | None]]) -> Callable[..., Mapping[str, str | None]]:
    def get_config_dict(self: ConnectClient, *keys: str) -> Mapping[str, str | None]:
        from pyspark.errors import PySparkException

        if self not in _lacking:
            try:
                return _without_units(original(self, *keys))
            except PySparkException as error:
                if "SQL_CONF_NOT_FOUND" not in str(error) or not set(keys) & set(_DEFAULTS):
                    raise
                _lacking.add(self)
        return _without_units(_known(self, keys))

    return get_config_dict


def _known(client: ConnectClient, keys: tuple[str, ...]) -> dict[str, str | None]:
    """The settings that the server has, and the defaults of the others."""
    from pyspark.sql.connect import proto

    get = proto.ConfigRequest.GetOption(keys=keys)
    told = dict(client.config(proto.ConfigRequest.Operation(get_option=get)).pairs)
    found: dict[str, str | None] = {
        key: _DEFAULTS.get(key) if told.get(key) is None else told[key] for key in keys
    }
    if _THRESHOLD in found and told.get(f"{_LOCAL}SizeLimit") is None:
        found[_THRESHOLD] = _NEVER
    return found


def _without_units(settings: Mapping[str, str | None]) -> dict[str, str | None]:
    """The settings, sizes as numbers of bytes: PySpark reads these with `int`."""
    found = dict(settings)
    for key, value in settings.items():
        size = _SIZE.fullmatch(value or "") if key.startswith(_LOCAL) else None
        if size is not None:
            found[key] = str(int(size[1]) << 10 * _UNITS.index(size[2].lower()))
    return found


def refusal_of_spark_3(client: ConnectClient, error: BaseException) -> UnsupportedServer | None:
    """What to say instead of an error, when the server is a Spark 3 that did not understand the request.

    It is asked for its version once, when it says what Spark 3 says of a request that it does not know.
    """
    if not _SPARK_3.search(str(error)):
        return None
    version = _version(client)
    if not version.startswith(("1.", "2.", "3.")):
        return None
    return UnsupportedServer(
        f"The server runs Apache Spark {version}. This client is PySpark {installed_version('PySpark')}, whose requests"
        " Spark 3 does not understand. Connect to a server with Spark 4, or use PySpark 3.5 in an ordinary Python for"
        " this one."
    )


def _version(client: ConnectClient) -> str:
    from pyspark.errors import PySparkException

    if client not in _versions:
        _versions[client] = ""  # an error of the question itself asks nothing
        try:
            _versions[client] = str(client._analyze(method="spark_version").spark_version or "")
        except PySparkException:
            return ""
    return _versions[client]
