"""What a local engine gets of the Jupyter server's environment: a list of what it needs, and what is named.

The server's own environment holds what notebooks and their functions have no business with: Jupyter's and the hub's
tokens, and credentials of clouds. Whoever may run a query could read all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

NEEDED: Final = (
    # the account and its terminal
    *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LD_LIBRARY_PATH", "TMPDIR", "XDG_*"),
    *("LANG", "LANGUAGE", "LC_*", "TZ", "TZDIR"),
    # the languages that the engines run in
    *("PYTHON*", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"),
    *("JAVA_HOME", "JAVA_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"),
    *("OMP_*", "OPENBLAS_*", "MKL_*", "MALLOC_*", "RUST_LOG", "RUST_BACKTRACE", "TOKIO_WORKER_THREADS"),
    # the engines
    *("SPARK_*", "PYSPARK_*", "MASTER", "SAIL_*", "HADOOP_*", "HIVE_CONF_DIR", "YARN_CONF_DIR", "KRB5*"),
    # the way out of a closed network
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"),
)

# What queries on a cloud's storage usually want; named in the log when the engine does not get it.
_OF_CLOUDS: Final = (
    "AWS_*",
    "AZURE_*",
    "GOOGLE_*",
    "GCP_*",
    "GCLOUD_*",
    "CLOUDSDK_*",
    "DATABRICKS_*",
    "HF_*",
)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def for_engine(environment: Mapping[str, str], named: Iterable[str] = ()) -> dict[str, str]:
    """The variables that an engine gets. `named` are names or patterns (`AWS_*`) of the configuration."""
    patterns = (*NEEDED, *named)
    return {name: value for name, value in environment.items() if _matches(name, patterns)}


def withheld(environment: Mapping[str, str], named: Iterable[str] = ()) -> list[str]:
    """Names of a cloud's variables that are there and that the engine does not get."""
    given = for_engine(environment, named)
    return sorted(name for name in environment if name not in given and _matches(name, _OF_CLOUDS))
