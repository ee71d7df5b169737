"""What goes into the files of a site, looked at before: what is left out, hidden files, links, likely secrets.

Everybody who can open a site can read it, and what a folder holds besides notebooks is easily overlooked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.builder.lite_options import configuration_files, configured

#: JupyterLite compares its patterns with a path that begins with `/`.
HIDDEN = r"/\."

#: JupyterLite leaves these out, as its contents may be a whole repository. Here they are named: `lib/` is modules.
_TAKEN = (r"/build/", r"/dist/", r"/lib/", r"/untitled\..*", r"/Untitled\..*")

#: What a Jupyter server hides, and so a site's listings too: nobody would see it there.
_UNLISTED = (r"~$", r"\.pyo$", r"/__pycache__/")

_PIECE = 1 << 20
#: No pattern is longer than this, but for text that goes on alike.
_OVERLAP = 1 << 12
_MOST_NAMED = 10


@dataclass(frozen=True)
class Secret:
    """A kind of secret.

    Attributes:
        kind: as a person calls it.
        hint: letters that all of the kind have; looked for first, which is quick.
        pattern: what the kind looks like.
    """

    kind: str
    hint: bytes
    pattern: re.Pattern[bytes]


def _secret(kind: str, hint: str, pattern: str) -> Secret:
    return Secret(kind, hint.encode(), re.compile(pattern.encode()))


#: Only kinds that have a form of their own: a list that cries wolf is switched off.
SECRETS = (
    _secret("a private key", "PRIVATE KEY", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    _secret("an AWS access key", "AKIA", r"\bAKIA(?![0-9A-Z]*EXAMPLE)[0-9A-Z]{16}\b"),
    _secret("a temporary AWS access key", "ASIA", r"\bASIA(?![0-9A-Z]*EXAMPLE)[0-9A-Z]{16}\b"),
    _secret(
        "an AWS secret key",
        "secret_access_key",
        r"secret_access_key[\\\"' ]*[=:][\\\"' ]*(?![A-Za-z0-9/+]*EXAMPLE)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    ),
    _secret("an Azure storage key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    _secret("a Google API key", "AIza", r"\bAIza[0-9A-Za-z_-]{35}\b"),
    _secret("a Databricks token", "dapi", r"\bdapi[0-9a-f]{32}\b"),
    _secret("a GitHub token", "gh", r"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    _secret("a GitHub token", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{60,}\b"),
    _secret("a GitLab token", "glpat-", r"\bglpat-[A-Za-z0-9_-]{20,}\b"),
    _secret("a Hugging Face token", "hf_", r"\bhf_[A-Za-z0-9]{34}\b"),
    _secret("an npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
    _secret("a PyPI token", "pypi-AgE", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    _secret("a Slack token", "xox", r"\bxox[abprs]-[0-9]{6,}-[0-9A-Za-z-]{10,}"),
    _secret("an API key of a language model", "sk-", r"\bsk-(?:ant|proj)-[A-Za-z0-9_-]{32,}"),
    _secret(
        "a signed token (JWT)", "eyJ", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"
    ),
    _secret("a token of jupyter pcw token", "pcw_", r"\bpcw_[0-9a-f]{16}_[A-Za-z0-9_-]{43}"),
    _secret("a Jupyter token in an address", "token=", r"[?&]token=[0-9a-f]{48}\b"),
    _secret(
        "a token in an address of Spark",
        "sc://",
        r"sc://[^\s\"'\\;]+;[^\s\"'\\]*token=(?![<{$*]|\.\.\.)[^\s\"'\\;]{8,}",
    ),
    _secret(
        "a password in an address",
        "://",
        # not {password}, <password>, $PASSWORD, ****, ..., and not the words that stand for one
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'\\<>{}$]{1,64}:"
        r"(?!(?i:password|passwd|pass|pwd|secret|token|xxx+|\.\.\.)@)[^\s:/@\"'\\<>{}$*]{3,128}@"
        r"(?!(?:[a-z0-9-]+\.)*example(?:\.(?:com|org|net))?\b)[A-Za-z0-9\[][A-Za-z0-9.:-]*",
    ),
)


@dataclass
class Contents:
    """What was found in a site's contents.

    Attributes:
        left_out: paths that do not go into the site, folders with a `/` at the end, each with the reason.
        secrets: where something looks like a secret, and like which kind; never the secret itself.
        links: paths of the links that are left out.
    """

    left_out: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def patterns(self) -> tuple[str, ...]:
        """Return what makes JupyterLite leave out the links.

        It follows them by itself, and publishes what they lead to under that file's own name: a link to a hidden file
        would publish that file.
        """
        return tuple(rf"^/{re.escape(link)}\Z" for link in self.links)


def settle_patterns(manager: Any, *, include_hidden: bool) -> None:
    """Let a build of JupyterLite leave out what this package leaves out; patterns of the site's owner stay.

    Args:
        manager: JupyterLite's.
        include_hidden: publish names that begin with a dot.
    """
    if configured(manager.config, "ignore_contents") is None:
        manager.ignore_contents = tuple(
            pattern for pattern in manager.ignore_contents if pattern not in _TAKEN
        )
    hidden = () if include_hidden else (HIDDEN,)
    manager.extra_ignore_contents = (*manager.extra_ignore_contents, *_UNLISTED, *hidden)


def check_contents(
    contents: Sequence[Path],
    ignored: Sequence[str],
    *,
    own: Mapping[str, Path] | None = None,
    include_hidden: bool = False,
    allow_secrets: bool = False,
) -> Contents:
    """Look at files and folders that are about to be published.

    Args:
        contents: files, and folders whose files are meant.
        ignored: JupyterLite's patterns of what it leaves out.
        own: what else goes into the site as it is, by the names to show; see `own_files`.
        include_hidden: publish names that begin with a dot.
        allow_secrets: publish what looks like a secret.

    Raises:
        SiteRefused: a link leads out of its folder or nowhere, a hidden file is named itself, or something looks like a
            secret; all of these are named, with the next step.
    """
    found = Contents()
    published: set[str] = set()
    for top in contents:
        if top.name.startswith(".") and top.name != ".." and not include_hidden:
            raise SiteRefused(
                f"{top.name} is hidden, and hidden files are not published. To publish it, build with --include-hidden."
            )
        for path in _walk(top, ignored, include_hidden, found) if top.is_dir() else iter([top]):
            shown = path.relative_to(top).as_posix() if top.is_dir() else path.name
            published.add(shown)
            found.secrets += _told(shown, path)
    for shown, path in (own or {}).items():
        found.secrets += _told(shown, path)
    for link in found.links:
        if any(name == link or name.startswith(f"{link}/") for name in published):
            raise SiteRefused(
                f"{link} is a link in one of the folders and is in another one too. Remove the link, or build without "
                "one of the folders."
            )
    if found.secrets and not allow_secrets:
        named = found.secrets[:_MOST_NAMED]
        more = len(found.secrets) - len(named)
        raise SiteRefused(
            "Everybody who can open a site can read its files, and these look as if they held secrets:\n"
            + "".join(f"  {line}\n" for line in named)
            + (f"  and {more} more\n" if more else "")
            + "Take them out (of a notebook's outputs too). If they are no secrets, build with --allow-secrets."
        )
    return found


def own_files(lite_dir: Path, output: Path) -> dict[str, Path]:
    """Return what else of a lite folder goes into a site, by its path there; `output` is the site's folder.

    JupyterLite merges the configuration of each application too, from a folder of its name.

    Raises:
        SiteRefused: one of them is a link out of the lite folder, or to a hidden file.
    """
    beside = (lite_dir / name for name in ("_headers", "404.html"))
    paths = [*configuration_files(lite_dir, output), *(path for path in beside if path.is_file())]
    found = {path.relative_to(lite_dir).as_posix(): path for path in paths}
    root = lite_dir.resolve()
    for shown, path in found.items():
        if any(part.startswith(".") for part in _target(path, shown, root).parts):
            raise SiteRefused(
                f"{shown} is a link to a hidden file, and hidden files are not published. Put the file itself there."
            )
    return found


def _told(shown: str, path: Path) -> list[str]:
    return [f"{shown}, line {line}: {kind}" for line, kind in secrets_in(path)]


def secrets_in(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the kind of everything in a file that looks like a secret; each kind once."""
    with path.open("rb") as file:
        before, lines = b"", 1
        kinds: set[str] = set()
        while piece := file.read(_PIECE):
            data = before + piece
            # Text in UTF-16, as Windows writes it, has a zero beside each letter.
            for text in (data, data.replace(b"\0", b"")) if b"\0" in data else (data,):
                for secret in SECRETS:
                    if secret.kind in kinds or secret.hint not in text:
                        continue
                    match = secret.pattern.search(text)
                    if match:
                        kinds.add(secret.kind)
                        yield lines + text.count(b"\n", 0, match.start()), secret.kind
            before = data[-_OVERLAP:]
            lines += data.count(b"\n", 0, len(data) - len(before))


def _walk(top: Path, ignored: Sequence[str], include_hidden: bool, found: Contents) -> Iterator[Path]:
    root = top.resolve()
    waiting = [top]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            shown = path.relative_to(top).as_posix()
            if path.name.startswith(".") and not include_hidden:
                found.left_out.append(f"{shown}{'/' if path.is_dir() else ''} (hidden)")
                continue
            if any(re.search(pattern, f"/{shown}") for pattern in ignored):
                found.left_out.append(f"{shown}{'/' if path.is_dir() else ''} (JupyterLite leaves it out)")
                continue
            if path.is_symlink():
                target = _target(path, shown, root)
                published = not any(
                    _is_left_out(above, ignored, include_hidden)
                    for above in (target, *target.parents)
                    if above.name
                )
                where = "is in the site under its own name" if published else "is not in the site either"
                found.left_out.append(f"{shown} (a link; what it leads to {where})")
                found.links.append(shown)
            elif path.is_dir():
                waiting.append(path)
            elif path.is_file():
                yield path


def _is_left_out(path: PurePath, ignored: Sequence[str], include_hidden: bool) -> bool:
    """Whether a path, relative to its folder, is itself hidden or one that JupyterLite leaves out."""
    hidden = path.name.startswith(".") and not include_hidden
    return hidden or any(re.search(pattern, f"/{path.as_posix()}") for pattern in ignored)


def _target(path: Path, shown: str, root: Path) -> Path:
    """Return what a link leads to, relative to its folder; raises `SiteRefused` for one that leads out of it."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise SiteRefused(
            f"{shown} is a link that leads nowhere. Remove it, or put the file there."
        ) from None
    if target != root and root not in target.parents:
        raise SiteRefused(
            f"{shown} is a link that leads out of the folder. Put the file itself there, or name it with --contents."
        )
    return target.relative_to(root)
