"""Models from a folder with a ``hubconf.py``, and weights from an address.

Repositories on GitHub are not fetched: their code is written for another library. Clone one and
load it with ``source="local"``.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

HUBCONF = "hubconf.py"
_HASH = re.compile(r"-([a-f0-9]*)\.")
_state: dict[str, str] = {}


def get_dir() -> str:
    """Where files are kept: ``$TORCH_HOME/hub``, or ``~/.cache/torch/hub``."""
    home = os.environ.get("TORCH_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch"
    )
    return _state.get("dir") or os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep them elsewhere."""
    _state["dir"] = os.path.expanduser(os.fspath(d))


def _conf(repo_or_dir: str, source: str) -> Any:
    """The module of a folder's ``hubconf.py``."""
    from importlib.util import module_from_spec, spec_from_file_location

    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github":
        raise RuntimeError(
            f"hub does not fetch '{repo_or_dir}': clone it, and load it with source='local'"
        )
    path = os.path.join(repo_or_dir, HUBCONF)
    spec = spec_from_file_location(HUBCONF, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise FileNotFoundError(f"there is no {HUBCONF} in '{repo_or_dir}'")
    module = module_from_spec(spec)
    sys.path.insert(0, repo_or_dir)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(repo_or_dir)
    missing = [d for d in getattr(module, "dependencies", ()) if not _found(d)]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _found(package: str) -> bool:
    from importlib.util import find_spec

    return package == "torch" or find_spec(package) is not None


def _entry(module: Any, model: str) -> Any:
    entry = getattr(module, model, None)
    if not callable(entry):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return entry


def list(
    github: str, force_reload: bool = False, skip_validation: bool = False,
    trust_repo: Any = None, verbose: bool = True, source: str = "local",
) -> list[str]:  # fmt: skip
    """The entry points of a folder's ``hubconf.py``."""
    module = _conf(github, source)
    return sorted(n for n, v in vars(module).items() if callable(v) and not n.startswith("_"))


def help(
    github: str, model: str, force_reload: bool = False, skip_validation: bool = False,
    trust_repo: Any = None, source: str = "local",
) -> str | None:  # fmt: skip
    """The docstring of an entry point."""
    doc: str | None = _entry(_conf(github, source), model).__doc__
    return doc


def load(
    repo_or_dir: str, model: str, *args: Any, source: str = "github", trust_repo: Any = None,
    force_reload: bool = False, verbose: bool = True, skip_validation: bool = False, **kwargs: Any,
) -> Any:  # fmt: skip
    """What an entry point of a folder's ``hubconf.py`` returns."""
    return _entry(_conf(repo_or_dir, source), model)(*args, **kwargs)


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Fetch a file; it is put in place only when it is whole and its SHA-256 begins as said.

    Raises:
        RuntimeError: another hash.
    """
    import hashlib
    import tempfile
    import urllib.request

    dst = os.path.expanduser(dst)
    request = urllib.request.Request(url, headers={"User-Agent": "opsmith.hub"})
    digest = hashlib.sha256()
    folder = os.path.dirname(os.path.abspath(dst))
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:
        try:
            with urllib.request.urlopen(request) as source:
                while block := source.read(1 << 17):
                    part.write(block)
                    digest.update(block)
            part.close()
            found = digest.hexdigest()
            if hash_prefix is not None and not found.startswith(hash_prefix):
                raise RuntimeError(
                    f'invalid hash value (expected "{hash_prefix}", got "{found}")'
                )
            os.replace(part.name, dst)
        except BaseException:
            os.unlink(part.name)
            raise


def load_state_dict_from_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True,
    check_hash: bool = False, file_name: str | None = None, weights_only: bool = True,
) -> Any:  # fmt: skip
    """Load a checkpoint from an address; it is fetched once and kept in ``model_dir``."""
    from urllib.parse import urlparse

    from .serialization import load as read

    model_dir = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(model_dir, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(model_dir, name)
    if not os.path.exists(path):
        found = _HASH.search(name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress)
    return read(path, map_location=map_location, weights_only=weights_only)


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url",
    "set_dir",
]  # fmt: skip
