"""Forms of the runtime's files: made, kept, used again, and made anew when what is kept is not whole."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
from pathlib import Path

import brotli
import pytest

from pcw_server_ext.runtime.bundle import RuntimeFile
from pcw_server_ext.runtime.forms import Forms
from pcw_server_ext.web.content_codings import BROTLI, GZIP, IDENTITY

CONTENT = b"".join(hashlib.sha256(number.to_bytes(4, "little")).digest() for number in range(20_000))


@pytest.fixture
def file(tmp_path: Path) -> RuntimeFile:
    stored = tmp_path / "x.bin.br"
    stored.write_bytes(brotli.compress(CONTENT, quality=1))
    return RuntimeFile(
        "x.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "application/octet-stream", stored
    )


@pytest.fixture
def forms(tmp_path: Path) -> Forms:
    return Forms(tmp_path / "kept")


@pytest.mark.parametrize(
    ("coding", "decode"), [(BROTLI, brotli.decompress), (GZIP, gzip.decompress), (IDENTITY, bytes)]
)
def test_every_form_decodes_to_the_content(
    file: RuntimeFile, forms: Forms, tmp_path: Path, coding: str, decode: type[bytes]
) -> None:
    assert decode(forms.read(file, coding)) == CONTENT
    forms.write(file, coding, tmp_path / "written")
    assert decode((tmp_path / "written").read_bytes()) == CONTENT


def test_only_what_is_slow_to_make_is_kept(file: RuntimeFile, forms: Forms) -> None:
    assert forms.find(file, BROTLI) == file.stored
    assert forms.find(file, IDENTITY) is None
    assert forms.find(file, GZIP) is None
    list(forms.pieces(file, IDENTITY))
    assert not forms.folder.exists()
    made = b"".join(forms.pieces(file, GZIP))
    found = forms.find(file, GZIP)
    assert found is not None
    assert found.read_bytes() == made
    assert list(forms.folder.iterdir()) == [found]


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_form_that_is_not_taken_to_its_end_is_not_kept(file: RuntimeFile, forms: Forms, taken: int) -> None:
    pieces = forms.pieces(file, GZIP)
    for _ in range(taken):
        next(pieces)
    pieces.close()
    assert not forms.folder.exists() or list(forms.folder.iterdir()) == []


def test_damaged_bundle_leaves_nothing(file: RuntimeFile, forms: Forms) -> None:
    file.stored.write_bytes(file.stored.read_bytes()[:100_000] + bytes(100))
    with pytest.raises(brotli.error):
        forms.read(file, GZIP)
    assert list(forms.folder.iterdir()) == []


@pytest.mark.parametrize("damaged", [b"", b"\x1f\x8b", bytes(1000)])
def test_kept_form_that_is_not_whole_is_made_anew(file: RuntimeFile, forms: Forms, damaged: bytes) -> None:
    forms.read(file, GZIP)
    (kept,) = forms.folder.iterdir()
    kept.write_bytes(damaged)
    assert forms.find(file, GZIP) is None
    assert gzip.decompress(forms.read(file, GZIP)) == CONTENT
    assert forms.find(file, GZIP) == kept


def test_two_that_make_the_same_form_do_not_meet(file: RuntimeFile, forms: Forms) -> None:
    one, other = forms.pieces(file, GZIP), forms.pieces(file, GZIP)
    first = [next(one), next(one)]
    assert b"".join(other) == b"".join([*first, *one])
    (kept,) = forms.folder.iterdir()
    assert gzip.decompress(kept.read_bytes()) == CONTENT


def test_folder_that_takes_no_files_costs_the_form_nothing_but_time(
    file: RuntimeFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a file").write_bytes(b"")
    forms = Forms(tmp_path / "a file" / "kept")
    assert gzip.decompress(forms.read(file, GZIP)) == CONTENT
    assert "Compressed files of the browser runtime are not kept" in caplog.text


def test_what_nobody_asked_for_in_a_month_is_removed(file: RuntimeFile, forms: Forms) -> None:
    forms.folder.mkdir()
    names = ("old.gz", "recent.gz", "left.part", "of someone else")
    for name in names:
        (forms.folder / name).write_bytes(b"x")
    month = time.time() - 31 * 86400
    for name in ("old.gz", "left.part", "of someone else"):
        os.utime(forms.folder / name, (month, month))
    forms.read(file, GZIP)
    left = {path.name for path in forms.folder.iterdir()}
    assert left == {"recent.gz", "of someone else", f"{file.sha256}.gz"}


def test_use_counts_against_removal(file: RuntimeFile, forms: Forms) -> None:
    forms.read(file, GZIP)
    (kept,) = forms.folder.iterdir()
    os.utime(kept, (1, 1))
    assert forms.find(file, GZIP) == kept
    assert kept.stat().st_mtime > time.time() - 60


def test_unknown_form_is_refused(file: RuntimeFile, forms: Forms) -> None:
    with pytest.raises(ValueError, match="zstd"):
        forms.pieces(file, "zstd")
