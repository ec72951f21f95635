"""Recorded vendor payloads, in the folder TILLBRIDGE_SAMPLES or beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("TILLBRIDGE_SAMPLES") or Path(__file__).parents[3] / "shared" / "samples")


def sample_dir(vendor: str) -> Path:
    """The folder of "shopify" or "heartland". Skips the test with a reason where there are no samples at all."""
    if not ROOT.is_dir():
        pytest.skip("samples not beside the checkout")
    return ROOT / vendor


def sample(vendor: str, name: str) -> bytes:
    """The bytes of one file, e.g. `sample("heartland", "paginated_envelope.json")`."""
    return (sample_dir(vendor) / name).read_bytes()


def sample_names(vendor: str, pattern: str = "*.json") -> list[str]:
    """Names for `parametrize`, sorted; empty where there are no samples."""
    folder = ROOT / vendor
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(pattern)) if folder.is_dir() else []
