"""Which local engine: Apache Spark when it can run here, else embedded Sail."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import EngineError
from . import sail, spark
from .process import Launch


@dataclass(frozen=True)
class Choice:
    """The chosen engine, why, and how to start it (each start makes a new Launch)."""

    kind: str
    reason: str
    make: Callable[[], Launch]


def choose(
    wanted: str,
    *,
    driver_memory: str,
    configuration: Mapping[str, str],
    log: logging.Logger,
    environment: Mapping[str, str] = os.environ,
) -> Choice:
    """The engine for the trait ``engine`` (auto, spark or sail). Looks at files and runs ``java -version``.

    Raises EngineError, which says what each engine lacks.
    """
    lacking: list[str] = []
    if wanted in ("auto", "spark"):
        found = spark.find(environment)
        if isinstance(found, spark.SparkHome):
            home = found
            return Choice(
                "spark",
                f"pyspark in {home.home} with {home.java}",
                lambda: spark.launch(
                    home, driver_memory=driver_memory, configuration=configuration, environment=environment
                ),
            )
        lacking.append(f"Apache Spark: {found}")
        log.debug("Apache Spark is not used: %s", found)
    if wanted in ("auto", "sail"):
        missing = sail.available()
        if missing is None:
            reason = "embedded Sail" + (f" ({lacking[0]})" if lacking else "")
            return Choice("sail", reason, lambda: sail.launch(environment))
        lacking.append(f"Sail: {missing}")
    raise EngineError("No Spark engine can be started here. " + ". ".join(lacking) + ".")
