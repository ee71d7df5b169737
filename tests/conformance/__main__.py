"""``python -m tests.conformance [server|client]``: run the suite and print the score.

Exit status 0 when every case passes but for those in ``server-exceptions.txt`` and ``client-exceptions.txt``, which
must fail and have a reason each. What follows ``--`` goes to the runner, for example ``-- --run '**/unary/**'``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench._go import ROOT
from tests.conformance import suite
from tests.conformance.server import jupyter
from tests.support import certificates

_SCORE = re.compile(r"^(\d+) passed, (\d+) failed(?:.*?(\d+) .*expected)?", re.MULTILINE)
_ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}"}


def exceptions(mode: str) -> list[str]:
    """The patterns of the mode's list of exceptions, without its comments."""
    lines = (suite.HERE / f"{mode}-exceptions.txt").read_text("utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def run(mode: str, program: list[str], more: list[str]) -> dict[str, object]:
    """Run one mode; returns ``{"mode", "passed", "failed", "exceptions", "ok"}``."""
    command = [str(suite.RUNNER), "--mode", mode, "--conf", str(suite.HERE / f"{mode}.yaml")]
    if mode == "server":
        command += ["--parallel", "4"]
    for pattern in exceptions(mode):
        command += ["--known-failing", pattern]
    done = subprocess.run(
        [*command, *more, "--", sys.executable, "-W", "ignore", "-m", *program],
        cwd=ROOT,
        env=_ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        timeout=600,
        check=False,
    )
    print(done.stdout)
    score = _SCORE.search(done.stdout)
    passed, failed = (int(score[1]), int(score[2])) if score else (0, 0)
    return {
        "mode": mode,
        "passed": passed,
        "failed": failed,
        "exceptions": len(exceptions(mode)),
        "ok": done.returncode == 0 and passed > 0,
    }


def main(argv: list[str]) -> int:
    """Run the chosen modes; the last line printed is one JSON object with the scores."""
    cut = argv.index("--") if "--" in argv else len(argv)
    modes, more = argv[:cut] or ["server", "client"], argv[cut + 1 :]
    suite.build()
    scores = []
    if "server" in modes:
        with (
            tempfile.TemporaryDirectory(prefix="pcw-conformance-") as folder,
            contextlib.ExitStack() as stack,
        ):
            pair = certificates.make(Path(folder), "endpoint")
            plain = stack.enter_context(jupyter(Path(folder) / "plain", None))
            tls = stack.enter_context(jupyter(Path(folder) / "tls", pair))
            program = [
                "tests.conformance.server",
                "--plain",
                plain,
                "--tls",
                tls,
                "--certificate",
                str(pair.certificate),
            ]
            scores.append(run("server", program, more))
    if "client" in modes:
        # The runner gives the first answer twenty seconds; the first import of PySpark may take them on a busy machine.
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", "import tests.conformance.client"], cwd=ROOT, check=True
        )
        scores.append(run("client", ["tests.conformance.client"], more))
    print(json.dumps({"conformance": scores}))
    return 0 if all(score["ok"] for score in scores) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
