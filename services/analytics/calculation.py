"""Which code computes: an hour names it, so that one that comes out differently can say if this is why."""

from __future__ import annotations

import platform
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

import services.domain
from services.store.lineage import Calculation

_LIBRARIES: Final = ("numpy", "polars", "seuif97")
_DIGITS: Final = 16


@cache
def calculation() -> Calculation:
    """That of this process: the version, a digest of the source of services/domain (all that is computed by),
    and the libraries that arithmetic is left to."""
    root = Path(services.domain.__file__).parent
    digest = sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    libraries = {name: version(name) for name in _LIBRARIES}
    libraries |= {"python": platform.python_version(), "machine": platform.machine()}
    return Calculation(version("carbonflow"), digest.hexdigest()[:_DIGITS], libraries)
