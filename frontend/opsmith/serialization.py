"""`save` and `load`: objects with tensors in PyTorch's own `.pt` format.

A file is an uncompressed zip archive: `data.pkl` (a protocol-2 pickle in which a tensor refers to a
storage by number), `data/0`, `data/1`, ... (the storages' bytes), `byteorder` and `version`. The
pickle names PyTorch's classes, so that either library reads what the other wrote. Tensors that
share memory share it again after loading.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import struct
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from opsmith._checkpoint_read import Reader as _Reader
from opsmith._checkpoint_write import Writer as _Writer

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "remove_safe_globals",
    "safe_globals",
    "save",
]

_ALIGN = 64  # bytes; where PyTorch puts storages, so that they can be mapped
_safe_globals: list[Any] = []
_LEGACY = (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"\x80\x02}")


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Allow classes and functions, or (object, "module.name") pairs, in `weights_only` loads."""
    _safe_globals.extend(entry for entry in safe_globals if entry not in _safe_globals)


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` allowed."""
    return list(_safe_globals)


def clear_safe_globals() -> None:
    """Allow none of them any more."""
    _safe_globals.clear()


def remove_safe_globals(safe_globals: list[Any]) -> None:
    """Allow these no more."""
    _safe_globals[:] = [entry for entry in _safe_globals if entry not in safe_globals]


@contextlib.contextmanager
def safe_globals(safe_globals: list[Any]) -> Iterator[None]:
    """Allow classes and functions in `weights_only` loads within a `with` block."""
    before = list(_safe_globals)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _safe_globals[:] = before


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object to a file.

    A file named by its path is replaced only once the new one is complete.

    Args:
        obj: anything that can be pickled; tensors and parameters in it are stored as such.
        f: a path, or a binary file to write to.
        pickle_module: only `pickle` is supported.
        pickle_protocol: only 2 is supported.
        _use_new_zipfile_serialization: must be True; older formats are not written.
        _disable_byteorder_record: leave out the record `byteorder`.

    Raises:
        NotImplementedError: another pickle module, protocol or format.
        RuntimeError: tensors of different dtypes that share memory.
    """
    if pickle_module is not pickle or pickle_protocol != 2 or not _use_new_zipfile_serialization:
        raise NotImplementedError(
            "save: only the zip format with pickle protocol 2 is supported, found "
            f"pickle_module={pickle_module!r}, pickle_protocol={pickle_protocol}, "
            f"_use_new_zipfile_serialization={_use_new_zipfile_serialization}"
        )
    writer = _Writer()
    payload = writer.dump(obj)
    records: list[tuple[str, Any]] = [("data.pkl", payload)]
    if not _disable_byteorder_record:
        records.append(("byteorder", b"little"))
    if isinstance(f, str | os.PathLike):
        stem = os.path.splitext(os.path.basename(os.fspath(f)))[0] or "archive"
        with _replacing(os.fspath(f)) as file:
            _write_archive(file, stem, records, writer)
    else:
        _write_archive(f, "archive", records, writer)


def _write_archive(file: Any, root: str, records: list[tuple[str, Any]], writer: _Writer) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, data in records:
            _write_record(archive, f"{root}/{name}", data)
        for key, data in writer.storages():
            _write_record(archive, f"{root}/data/{key}", data)
        _write_record(archive, f"{root}/version", b"3\n")


def _write_record(archive: zipfile.ZipFile, name: str, data: Any) -> None:
    """Store a record so that its bytes begin at a multiple of `_ALIGN`."""
    size = memoryview(data).nbytes
    info = zipfile.ZipInfo(name)  # dated 1980: equal objects make equal files
    header = 30 + len(name.encode()) + 4
    if size * 1.05 > zipfile.ZIP64_LIMIT:
        header += 20  # zipfile adds a field of 64-bit sizes
    assert archive.fp is not None
    padding = -(archive.fp.tell() + header) % _ALIGN
    info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
    archive.writestr(info, data)


@contextlib.contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends without an error."""
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:  # a device or a pipe cannot be replaced
            yield file
        return
    temporary = f"{path}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `save`, PyTorch's or this one, wrote.

    Args:
        f: a path, or a binary file that can seek.
        map_location: where tensors go: a device, a dictionary from location to location, or a
            function of (flat tensor, location); by default where they were.
        pickle_module: only `pickle` is supported, and only without `weights_only`.
        weights_only: True (the default) allows tensors, numbers, strings, containers of them and
            what `add_safe_globals` names. False runs whatever code the file names: only for files
            you trust.
        mmap: map the storages of a named file into memory (privately) in place of reading them.
        **pickle_load_args: for `pickle.Unpickler`, without `weights_only`.

    Raises:
        RuntimeError: the file is cut short, damaged, or of another format.
        pickle.UnpicklingError: it names something that `weights_only` does not allow.
    """
    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if pickle_module not in (None, pickle):
        raise NotImplementedError(f"load: only pickle is supported, found {pickle_module!r}")
    if isinstance(f, str | os.PathLike):
        with open(f, "rb") as file:
            place = os.fspath(f)
            return _load(file, place, map_location, weights_only, bool(mmap), pickle_load_args)
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    if not hasattr(f, "seek") or not hasattr(f, "read"):
        raise AttributeError(
            f"{type(f).__name__} has no read or seek. You can only torch.load from a file that is "
            "seekable. Please pre-load the data into a buffer like io.BytesIO and try to load "
            "from it instead."
        )
    return _load(f, "<file>", map_location, weights_only, False, pickle_load_args)


def _load(
    file: Any,
    place: str,
    map_location: Any,
    weights_only: bool,
    mapped: bool,
    pickle_args: dict[str, Any],
) -> Any:
    start = file.tell()
    head = file.read(16)
    file.seek(start)
    if not head:
        raise EOFError(f"load: {place} is empty")
    if any(head.startswith(magic) for magic in _LEGACY):
        raise RuntimeError(
            f"load: {place} has the format of PyTorch before 1.6, expected a zip archive; save it "
            "again with a newer PyTorch"
        )
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, struct.error, OverflowError) as error:
        state = "is cut short" if head.startswith(b"PK\x03\x04") else "is no checkpoint"
        raise RuntimeError(f"load: {place} {state}, expected a zip archive ({error})") from None
    with archive:
        reader = _Reader(archive, file if mapped else None, place, map_location)
        if not weights_only:
            return reader.load_trusted(**pickle_args)
        return reader.load_restricted(_safe_globals)


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)
