"""A job's place on disk: output names, the hidden work folder, resume, and the final rename.

A finished film appears under its name whole or not at all. Until then everything lives in a hidden
folder beside the output, `.filmcli-NAME-KEY`, one encoded file per finished segment and a
`job.json` for people. KEY is the fingerprint of the input's content and of every setting that
changes the result, so the same command continues the same job, and another command cannot pick up
its pieces. A segment is finished when its file has its final name; nothing else is recorded.

Whatever step a crash or a power cut strikes at, the same command goes on to the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from filmcli.errors import MachineError, OutputExistsError, UsageError
from filmcli.locks import hold
from filmcli.pipeline.segments import Segment

_log = logging.getLogger(__name__)

_CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv")
_FIRST_PASS = "first_pass.json"


def output_path(source: str, label: str, output: str | None) -> str:
    """Say where the film goes: `output`, a file of the default name inside it, or beside the input.

    `label` is what was asked ("60fps", "2x", "slow4x"). The container is the input's if it can
    hold modern video and sound, else Matroska, which holds anything.
    """
    stem, extension = os.path.splitext(os.path.basename(source))
    name = f"{stem}.{label}{extension if extension.lower() in _CONTAINERS else '.mkv'}"
    if output is None:
        return os.path.join(os.path.dirname(source), name)
    if os.path.isdir(output) or is_folder_name(output):
        return os.path.join(output, name)
    return output


def is_folder_name(path: str) -> bool:
    """Whether a path ends as only a folder's does: with a slash, on Windows either one."""
    return path.endswith((os.sep, os.altsep or os.sep))


def check_output(source: str, output: str, overwrite: bool) -> None:
    """Refuse an output that is the input, stands in no writable folder, or exists already.

    Raises UsageError, MachineError or OutputExistsError.
    """
    if os.path.exists(output) and os.path.samefile(source, output):
        raise UsageError(
            f"{output} is the input itself",
            "the input is never replaced",
            "name another output with -o",
        )
    check_place(output)
    if os.path.lexists(output) and not overwrite:
        raise OutputExistsError(
            f"{output} exists already",
            "it was not made by this command with these settings",
            "replace it with -y, or name another output with -o",
        )


def check_place(output: str) -> None:
    """Refuse an output that is a folder (UsageError) or lies in no writable one (MachineError)."""
    folder = os.path.dirname(output) or "."
    if not os.path.isdir(folder):
        raise MachineError(
            f"cannot write {output}",
            f"there is no folder {folder}",
            f"create it: mkdir -p {folder}",
        )
    if os.path.isdir(output):
        raise UsageError(f"cannot write {output}", "it is a folder", "name a file with -o")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MachineError(
            f"cannot write {output}",
            f"no permission to create files in {folder}",
            "choose another folder with -o",
        )


@dataclass
class Job:
    """One film's work folder, held by this process alone while `open_job` is entered.

    `is_published` is set once the film has its final name: nothing is kept then.
    """

    output: str
    key: str
    folder: str
    suffix: str
    is_published: bool = False
    _finished_bytes: int | None = None

    @property
    def temporary(self) -> str:
        """Where the film is joined before it is verified: the output's folder, a short name."""
        extension = os.path.splitext(self.output)[1]
        name = _hidden_name(self.output, self.key)
        return os.path.join(os.path.dirname(self.output), name + extension)

    def check_name_is_free(self) -> None:
        """Refuse a name that was taken before the work folder was held: OutputExistsError.

        A run that waits for the lock while another ends would make the same film once more.
        """
        if os.path.lexists(self.output):
            raise _name_is_taken(self.output)

    def path(self, index: int) -> str:
        """Name of a finished segment's file."""
        return os.path.join(self.folder, f"{index:06d}{self.suffix}")

    def part(self, index: int) -> str:
        """Name of a segment's file while it is being written."""
        return os.path.join(self.folder, f"{index:06d}.part{self.suffix}")

    def is_finished(self, index: int) -> bool:
        """True if an earlier run, or this one, finished the segment."""
        return os.path.exists(self.path(index))

    def finish(self, index: int) -> None:
        """Give a completely written segment its final name, durably."""
        _sync(self.part(index))
        os.replace(self.part(index), self.path(index))
        self._finished_bytes = None

    def written(self, index: int) -> int:
        """Bytes of all finished segments, and of what there is of segment `index`."""
        if self._finished_bytes is None:
            done = [name for name in _segment_files(self) if ".part" not in name]
            sizes = (os.path.getsize(os.path.join(self.folder, name)) for name in done)
            self._finished_bytes = sum(sizes)
        try:
            return self._finished_bytes + os.path.getsize(self.part(index))
        except FileNotFoundError:  # the encoder has not begun
            return self._finished_bytes

    def record(
        self, facts: Mapping[str, Any], segments: Sequence[Segment], found: Mapping[str, Any]
    ) -> None:
        """Write job.json, and what the first pass `found` beside it, for `recall`.

        If an earlier run planned other segments, what it made is dropped.
        """
        plan = [list(segment) for segment in segments]
        path = os.path.join(self.folder, "job.json")
        with contextlib.suppress(OSError, ValueError), open(path) as earlier:
            if json.load(earlier).get("segments") == plan:
                return
        for name in os.listdir(self.folder):
            if name != "lock":
                os.unlink(os.path.join(self.folder, name))
        _write_json(os.path.join(self.folder, _FIRST_PASS), found)
        _write_json(path, {"version": 1, **facts, "segments": plan})

    def publish(self, overwrite: bool) -> None:
        """Move the verified film to its final name, atomically.

        Raises OutputExistsError if the name was taken meanwhile and `overwrite` is false.
        """
        _sync(self.temporary)
        if overwrite:
            os.replace(self.temporary, self.output)
        else:
            _move_to_free_name(self.temporary, self.output)
        self.is_published = True
        _sync(os.path.dirname(self.output))

    def publish_pictures(self, made: Sequence[str], names: Sequence[str]) -> None:
        """Give every one of the pictures `made` its final name, one after the other.

        A run that is struck down meanwhile is gone on with by the same command.
        """
        for path, name in zip(made, names, strict=True):
            _sync(path)
            os.replace(path, name)
        self.is_published = True
        _sync(os.path.dirname(self.output))


@contextlib.contextmanager
def open_job(
    output: str, key: str, suffix: str, work_dir: str | None, fresh: bool
) -> Iterator[Job]:
    """Enter the job's work folder, alone; leave nothing behind if nothing was finished.

    Raises MachineError if the folder cannot be made or another process works in it.
    """
    output = os.path.abspath(output)
    job = Job(output, key, _folder(output, key, work_dir), suffix)
    with _lock(job):
        try:
            _discard_halves(job)
            if fresh:
                _discard_segments(job)
            yield job
        finally:
            try:
                _leave(job)
            except KeyboardInterrupt:
                _leave(job)
                raise


def clear_up(output: str, key: str, suffix: str, work_dir: str | None) -> None:
    """Remove what a run leaves that was killed after its film had got its name, if one was."""
    output = os.path.abspath(output)
    job = Job(output, key, _folder(output, key, work_dir), suffix, is_published=True)
    if os.path.isdir(job.folder):
        with contextlib.suppress(MachineError), _lock(job):
            _leave(job)


@contextlib.contextmanager
def _lock(job: Job) -> Iterator[None]:
    """Hold the job's work folder, made if it is not there; MachineError if another run does."""
    path = os.path.join(job.folder, "lock")
    while True:
        try:
            os.makedirs(job.folder, exist_ok=True)
            lock = open(path, "w")  # noqa: SIM115 (held until the end)
        except FileNotFoundError:
            continue  # a run that ended removed the folder in between
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.rmdir(job.folder)
            if not isinstance(error, OSError):
                raise
            raise MachineError(
                f"cannot make the work folder for {job.output}",
                f"{error.strerror}: {job.folder}",
                "choose another folder with --work-dir",
            ) from error
        with lock:
            try:
                hold(lock.fileno())
            except OSError as error:
                raise MachineError(
                    f"another run is making {job.output}",
                    f"it holds {job.folder}",
                    "wait for it, or name another output with -o",
                ) from error
            # A run that ended meanwhile took the file away: then this lock keeps nobody out.
            if _is_file_at(lock.fileno(), path):
                yield
                return


def recall(output: str, key: str, work_dir: str | None) -> dict[str, Any] | None:
    """What the first pass of an interrupted run of the same job found, None if there is none."""
    folder = _folder(os.path.abspath(output), key, work_dir)
    with contextlib.suppress(OSError, ValueError), open(os.path.join(folder, _FIRST_PASS)) as file:
        told = json.load(file)
        return told if isinstance(told, dict) else None
    return None


def unfinished(output: str, key: str, work_dir: str | None) -> list[str]:
    """Work folders of other settings for the same output: kept, so that they can be named."""
    folder = _folder(os.path.abspath(output), key, work_dir)
    parent, name = os.path.split(folder)
    prefix = name.rsplit("-", 1)[0] + "-"
    if not os.path.isdir(parent):  # a --work-dir that is still to be made
        return []
    return [
        os.path.join(parent, entry)
        for entry in os.listdir(parent)
        if entry.startswith(prefix) and entry != name
    ]


def _folder(output: str, key: str, work_dir: str | None) -> str:
    return os.path.join(work_dir or os.path.dirname(output), _hidden_name(output, key))


def _hidden_name(output: str, key: str) -> str:
    return f".filmcli-{hashlib.sha256(os.fsencode(output)).hexdigest()[:8]}-{key}"


def _write_json(path: str, facts: Mapping[str, Any]) -> None:
    try:
        with open(path + ".part", "w") as file:
            json.dump(facts, file, indent=1)
    except OSError as error:
        error.filename = path  # the system does not name it if writing fails
        raise
    _sync(path + ".part")
    os.replace(path + ".part", path)


def _segment_files(job: Job) -> list[str]:
    return [name for name in os.listdir(job.folder) if name.endswith(job.suffix)]


def _discard_segments(job: Job) -> None:
    for name in _segment_files(job):
        os.unlink(os.path.join(job.folder, name))


def _leave(job: Job) -> None:
    """Remove what is half made, and the folder too if nothing in it is of use to a next run."""
    _discard_halves(job)
    if _segment_files(job) and not job.is_published:
        _log.warning("finished parts are kept: the same command goes on from there")
    else:
        _remove_folder(job.folder)


def _discard_halves(job: Job) -> None:
    """Remove files that are being written, or were when an earlier run was killed.

    The children of a killed run may still be at it: their files lose their names, so that they
    and ours do not write into one.
    """
    halves = [os.path.join(job.folder, name) for name in _segment_files(job) if ".part" in name]
    for path in (job.temporary, *halves):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _remove_folder(folder: str) -> None:
    """Remove a work folder, its lock last, so that nobody else moves in before it is empty."""
    for name in os.listdir(folder):
        if name != "lock":
            os.unlink(os.path.join(folder, name))
    # An interrupted removal begins anew; Windows removes no file that is open, and leaves it empty.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        os.unlink(os.path.join(folder, "lock"))
    with contextlib.suppress(OSError):  # the next run has come, and keeps it
        os.rmdir(folder)


def _is_file_at(handle: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _sync(path: str) -> None:
    """Make a file's bytes, or a folder's names, survive a power cut.

    Windows opens no folders, and writes only through what is open for writing.
    """
    if sys.platform == "win32" and os.path.isdir(path):
        return
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _move_to_free_name(source: str, target: str) -> None:
    """Rename without ever replacing: a hard link fails if the name is taken."""
    try:
        os.link(source, target)
    except FileExistsError as error:
        raise _name_is_taken(target) from error
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise _name_is_taken(target) from None
        os.replace(source, target)
        return
    os.unlink(source)


def _name_is_taken(output: str) -> OutputExistsError:
    return OutputExistsError(
        f"{output} appeared while its film was being made",
        "it is not replaced without being asked",
        "replace it with -y, or name another output with -o",
    )
