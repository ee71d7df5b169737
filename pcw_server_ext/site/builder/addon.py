"""The JupyterLite addon: `jupyter lite build` in an environment with this package makes a working site."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from jupyterlite_core.addons.base import BaseAddon  # type: ignore[import-untyped]
from jupyterlite_core.constants import JUPYTERLITE_JSON  # type: ignore[import-untyped]
from traitlets import Bool, TraitError, Unicode, validate

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site import inventory, pages, record
from pcw_server_ext.site.builder import lite_config as config
from pcw_server_ext.site.builder import packages, publish, runtime_files
from pcw_server_ext.site.builder.contents import settle_listings
from pcw_server_ext.site.recipes.headers_file import NAME as HEADERS_NAME
from pcw_server_ext.site.recipes.headers_file import headers_file
from pcw_server_ext.site.serving.folder import NOT_FOUND
from pcw_server_ext.site.settings import SiteSettings
from pcw_server_ext.version import __version__

ASSETS = Path(__file__).parents[1] / "assets"
LABEXTENSION = Path(__file__).resolve().parents[2] / "labextension"

Task = dict[str, Any]


class PcwAddon(BaseAddon):  # type: ignore[misc]  # jupyterlite-core is untyped
    """Adds the browser runtime, the page scripts and what the host needs."""

    __all__ = ("build", "post_build", "pre_build", "status")

    aliases: ClassVar[dict[str, str]] = {
        "pcw-host": "PcwAddon.host",
        "pcw-endpoint": "PcwAddon.endpoint",
        "pcw-profile": "PcwAddon.profile",
        "pcw-channel": "PcwAddon.channel",
        "pcw-isolation": "PcwAddon.isolation",
        "pcw-include-hidden": "PcwAddon.include_hidden",
        "pcw-allow-secrets": "PcwAddon.allow_secrets",
    }

    host = Unicode(
        SiteSettings.host,
        help="Where the site will be hosted: jupyter, netlify, cloudflare, github-pages, envoy, nginx or static "
        "(any host, isolation by service worker).",
    ).tag(config=True)
    endpoint = Unicode(
        SiteSettings.endpoint,
        help="grpc-web address of Spark to build in (https://host/path), 'ask' to let the page ask for it, or "
        "'same-origin' for pcw/grpc/ of the site's own server; empty takes what the host suggests. Never a token.",
    ).tag(config=True)
    profile = Unicode(
        SiteSettings.profile,
        help="lean (PySpark alone) or full (numpy, pandas and pyarrow inside the site as well).",
    ).tag(config=True)
    channel = Unicode(
        SiteSettings.channel,
        help="sab (shared memory, needs an isolated page) or xhr (where isolation is impossible; slower, whole "
        "responses in memory).",
    ).tag(config=True)
    isolation = Unicode(
        SiteSettings.isolation,
        help="Cross-Origin-Embedder-Policy: credentialless, require-corp, or off (with the xhr channel only).",
    ).tag(config=True)

    include_hidden = Bool(
        False, help="Publish contents whose names begin with a dot. Default False: they are left out."
    ).tag(config=True)
    allow_secrets = Bool(
        False,
        help="Publish contents that look like keys, tokens or passwords. Default False: the build stops.",
    ).tag(config=True)
    check_contents = Bool(
        True,
        help="Look at the contents before they are published. Default True; `jupyter pcw build` does it itself.",
    ).tag(config=True)

    @validate("host", "endpoint", "profile", "channel", "isolation")
    def _validate_choice(self, proposal: dict[str, Any]) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        try:
            # The combination is checked when everything is known.
            SiteSettings(**({"channel": "xhr"} | {name: value})).checked()
        except SiteRefused as error:
            raise TraitError(f"PcwAddon.{name}: {error}") from None
        return str(value)

    @property
    def settings(self) -> SiteSettings:
        """The choices; raises `SiteRefused`."""
        return SiteSettings(self.host, self.endpoint, self.profile, self.channel, self.isolation).checked()

    def status(self, manager: Any) -> Iterator[Task]:
        """Say what would be built."""
        chosen = self.settings
        yield self.task(
            name="settings",
            actions=[
                lambda: print(
                    f"    host: {chosen.host}  endpoint: {chosen.endpoint}  profile: {chosen.profile}"
                )
            ],
        )

    def pre_build(self, manager: Any) -> Iterator[Task]:
        """Remove files that are no longer among the contents; copy the kernel's extension."""
        config.check_configuration(Path(manager.lite_dir), Path(manager.output_dir))
        if self.check_contents:
            publish.settle_patterns(manager, include_hidden=self.include_hidden)
            found = publish.check_contents(
                [*map(Path, manager.contents)],
                (*manager.ignore_contents, *manager.extra_ignore_contents),
                own=publish.own_files(Path(manager.lite_dir), Path(manager.output_dir)),
                include_hidden=self.include_hidden,
                allow_secrets=self.allow_secrets,
            )
            manager.extra_ignore_contents = (*manager.extra_ignore_contents, *found.patterns())
            for line in found.left_out:
                self.log.info("pcw: not in the site: %s", line)
        yield self.task(name="stale", uptodate=[False], actions=[lambda: self._remove_stale(manager)])
        yield self.task(
            name="labextension", uptodate=[False], actions=[lambda: self._copy_labextension(manager)]
        )

    def build(self, manager: Any) -> Iterator[Task]:
        """Copy the browser runtime."""
        chosen = self.settings
        plan = runtime_files.plan_runtime(runtime_files.BUNDLE, chosen.found_host, chosen.profile)
        target = manager.output_dir / plan.path / "manifest.json"
        yield self.task(
            name="runtime",
            uptodate=[target.is_file],
            actions=[lambda: runtime_files.copy_runtime(plan, manager.output_dir, chosen.found_host)],
        )

    def post_build(self, manager: Any) -> Iterator[Task]:
        """Settle pages, configuration, service worker and the host's files; always, it takes milliseconds."""
        chosen = self.settings
        yield self.task(
            name="settle",
            uptodate=[False],
            actions=[lambda: self._settle(manager, chosen)],
        )

    def _settle(self, manager: Any, chosen: SiteSettings) -> None:
        output: Path = manager.output_dir
        host = chosen.found_host
        plan = runtime_files.plan_runtime(runtime_files.BUNDLE, host, chosen.profile)
        for name in config.FOREIGN:
            shutil.rmtree(output / "extensions" / name, ignore_errors=True)
        text = (output / JUPYTERLITE_JSON).read_text(encoding="utf-8")
        chosen_packages: packages.ChosenPackages | None = getattr(manager, "pcw_packages", None)
        if chosen_packages is not None:
            packages.write(chosen_packages, output)
        preinstalled = (output / packages.PREINSTALLED).is_file()
        text = config.settled(
            text, chosen, plan.path, config.own_config(manager.lite_dir), preinstalled=preinstalled
        )
        _write(output / JUPYTERLITE_JSON, text)
        version = str(json.loads(text)["jupyter-config-data"]["appVersion"])
        written = [*self._workers(output, chosen), *self._bridge(output, plan.path)]
        _write(output / "pcw-site.js", (ASSETS / "pcw-site.js").read_text(encoding="utf-8"))
        written.append("pcw-site.js")
        found = pages.find_pages(output)
        for page in found:
            text = page.read_text(encoding="utf-8")
            _write(page, pages.with_scripts(text, host, channel=chosen.channel, version=version))
        settle_listings(output)
        if host.takes_headers_file:
            _write(
                output / HEADERS_NAME, headers_file(chosen.isolation, _text(manager.lite_dir / HEADERS_NAME))
            )
        else:
            (output / HEADERS_NAME).unlink(missing_ok=True)
        if host.jekyll:
            _write(output / ".nojekyll", "")
        else:
            (output / ".nojekyll").unlink(missing_ok=True)
        _write(output / NOT_FOUND, _text(manager.lite_dir / NOT_FOUND, ASSETS / NOT_FOUND))
        apps = [page.relative_to(output).as_posix() for page in found]
        hashes = {
            name: hashlib.sha256((output / name).read_bytes()).hexdigest()
            for name in sorted([*written, *apps])
        }
        _write(
            output / record.NAME,
            record.SiteRecord(
                host=chosen.host,
                isolation=chosen.isolation,
                channel=chosen.channel,
                profile=chosen.profile,
                endpoint=chosen.endpoint,
                runtime=plan.manifest["hash"],
                version=__version__,
                apps=tuple(apps),
                files=hashes,
            ).dumps(),
        )
        _write(output / inventory.NAME, inventory.dumps(output))

    def _remove_stale(self, manager: Any) -> None:
        contents = manager._addons.get("contents")
        files: Path = manager.output_dir / "files"
        if contents is None or not files.is_dir():
            return
        kept = {target for _, target in contents.file_src_dest}
        for path in sorted(files.rglob("*"), reverse=True):
            if path.is_file() and path not in kept:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
                shutil.rmtree(
                    manager.output_dir / "api" / "contents" / path.relative_to(files), ignore_errors=True
                )

    def _workers(self, output: Path, chosen: SiteSettings) -> list[str]:
        """Put our service worker before JupyterLite's own: one scope has one worker."""
        own, theirs = output / "service-worker.js", output / "service-worker-jupyterlite.js"
        source = (ASSETS / "service-worker.js").read_text(encoding="utf-8")
        if "service-worker-jupyterlite.js" not in own.read_text(encoding="utf-8"):
            # Unpacked anew by JupyterLite.
            own.replace(theirs)
        _write(own, source.replace("__PCW_ISOLATION__", chosen.isolation))
        names = [own.name, theirs.name]
        if chosen.found_host.worker_isolates:
            _write(
                output / "coi-serviceworker.js", (ASSETS / "coi-serviceworker.js").read_text(encoding="utf-8")
            )
            names.append("coi-serviceworker.js")
        else:
            (output / "coi-serviceworker.js").unlink(missing_ok=True)
        return names

    def _bridge(self, output: Path, runtime: str) -> list[str]:
        """Put the page bridge where the documents say it is."""
        names = ["pcw_kernel_bridge.js", "network_worker.js"]
        for name in names:
            _write(output / name, (output / runtime / "js" / name).read_text(encoding="utf-8"))
        return names

    def _copy_labextension(self, manager: Any) -> None:
        """Put the extension that belongs to this package into the site.

        JupyterLite has copied the one installed in the environment, if any; in a source tree that one is older.
        """
        target = manager.output_dir / "extensions" / config.EXTENSION
        described = LABEXTENSION / "package.json"
        if not described.is_file():
            return
        copied = target / "package.json"
        if not copied.is_file() or copied.read_bytes() != described.read_bytes():
            self.copy_one(LABEXTENSION, target)


def _text(*paths: Path) -> str:
    """Return the text of the first of these files that is there; none is no text."""
    return next((path.read_text(encoding="utf-8") for path in paths if path.is_file()), "")


def _write(path: Path, text: str) -> None:
    """Write `text` unless it is there: what does not change keeps its time, and caches stay valid."""
    data = text.encode()
    if not path.is_file() or path.read_bytes() != data:
        path.write_bytes(data)
