"""Which local engine: Apache Spark when it can run here, else embedded Sail; and who can reach it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pcw_server_ext.engines import lock, sail, spark
from pcw_server_ext.engines.environment import withheld
from pcw_server_ext.engines.process import Launch
from pcw_server_ext.errors import EngineError

OFF = (
    "This server starts no Spark engine of its own (PcwExtension.engine is off). Its administrator names a Spark"
    " Connect server in PcwExtension.endpoints, or in SPARK_REMOTE in the server's environment."
)


@dataclass(frozen=True)
class Choice:
    """The chosen engine, why, who can reach it, and how to start it (each start makes a new Launch).

    `reason` says too why Apache Spark was passed over; `lock` whether other accounts of the machine are kept out;
    `withheld` names the cloud credentials of the server's environment that the engine does not get.
    """

    kind: str
    reason: str
    make: Callable[[], Launch]
    lock: lock.Lock
    withheld: Sequence[str] = ()


def choose(
    wanted: str,
    *,
    driver_memory: str,
    configuration: Mapping[str, str],
    log: logging.Logger,
    environment: Mapping[str, str] = os.environ,
    named: Sequence[str] = (),
) -> Choice:
    """The engine for the trait `engine` (auto, spark, sail or off). Looks at files and runs `java -version`.

    `named` are the further variables of `environment` that it gets. Raises EngineError, which says what each engine
    lacks.
    """
    if wanted == "off":
        raise EngineError(OFF, permanent=True)
    lacking: list[str] = []
    if wanted in ("auto", "spark"):
        found = spark.find(environment)
        if isinstance(found, spark.SparkHome):
            home = found
            return Choice(
                "spark",
                f"pyspark in {home.home} with {home.java.path}",
                lambda: spark.launch(
                    home,
                    driver_memory=driver_memory,
                    configuration=configuration,
                    environment=environment,
                    named=named,
                ),
                spark.lock(configuration, environment),
                withheld(environment, named),
            )
        lacking.append(f"Apache Spark: {found}")
        log.debug("Apache Spark is not used: %s", found)
    if wanted in ("auto", "sail"):
        missing = sail.available()
        if missing is None:
            reason = "embedded Sail" + (f" ({lacking[0]})" if lacking else "")
            return _sail(reason, environment, named, others=lock.other_people() if wanted == "auto" else [])
        lacking.append(f"Sail: {missing}")
    raise EngineError("No Spark engine can be started here. " + ". ".join(lacking) + ".", permanent=True)


def _sail(reason: str, environment: Mapping[str, str], named: Sequence[str], *, others: list[str]) -> Choice:
    """Sail, unless nobody has asked for it and `others` could use it."""
    found = sail.lock()
    if others and not found.closed:
        people = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        raise EngineError(
            f"No Spark engine is started by itself here, because other people use this machine ({people}) and could"
            f" run code as you through its port. {found.text}. Install Apache Spark, which asks for a token"
            " (pip install 'pcw-server-ext[spark,java]'), configure PcwExtension.endpoints, or set"
            ' PcwExtension.engine = "sail" to start Sail all the same.',
            permanent=True,
        )
    return Choice(
        "sail",
        reason,
        lambda: sail.launch(environment, named=named, must_lock=bool(others)),
        found,
        withheld(environment, named),
    )
