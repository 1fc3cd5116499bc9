"""Weights from a model hub, by pinned revision. The only file of Muster that opens the network, and only when asked to.

A file comes into a hidden folder beside its place, goes on where it stopped, and takes its place when its hash is right.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from composer.errors import InputError, InputErrors, MachineError, MusterError, Where
from composer.inference.bundle import Bundle, Source
from composer.inference.bundle_verify import (
    Verified,
    check_file,
    hash_file,
    part_of,
    refuse_linked_folder,
    verify_bundle,
)
from composer.inference.kinds import EVERY

#: Called with (file, number of it from 1, files in all).
Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Fetched:
    """files: what was brought, as '<source>/<path>'; the others were there."""

    files: tuple[str, ...]
    verified: Verified


def fetch_bundle(bundle: Bundle, told: Told | None = None, quiet: bool = False) -> Fetched:
    """Brings what is missing, then verifies the whole bundle. Raises InputError for what is wrong with it, MachineError
    where the hub cannot be reached: then what has come so far is kept for the next try."""
    missing = [path for path in sorted(bundle.files) if not os.path.lexists(bundle.path_of(path))]
    _refuse(bundle, missing)
    for number, path in enumerate(missing, 1):
        if told is not None:
            told(path, number, len(missing))
        _bring(bundle, path, quiet)
    for name in {path.partition("/")[0] for path in missing}:
        shutil.rmtree(_partial(bundle.sources[name]), ignore_errors=True)
    return Fetched(tuple(missing), verify_bundle(bundle))


def _refuse(bundle: Bundle, missing: list[str]) -> None:
    """What cannot be brought, said before anything is: no repository, or a folder that is not the bundle's own."""
    mistakes: list[MusterError] = []
    for name in sorted({path.partition("/")[0] for path in missing}):
        source = bundle.sources[name]
        where = bundle.file.where("sources", name) if bundle.file is not None else Where(file=bundle.folder)
        if source.repository is None:
            hint = "bring the folder yourself, or write repository and revision"
            mistakes.append(InputError("these weights come from no repository", where=where, hint=hint))
        elif not source.folder.is_relative_to(bundle.folder) or source.folder == bundle.folder:
            hint = "leave `path:` out and they go into weights/ beside bundle.yaml"
            mistakes.append(InputError("fetch writes into the bundle's own folder only", where=where, hint=hint))
        else:
            try:
                refuse_linked_folder(source.folder, bundle.folder)
            except InputError as error:
                mistakes.append(error)
    if mistakes:
        raise InputErrors(mistakes)


def _bring(bundle: Bundle, listed: str, quiet: bool) -> None:
    name, _, inside = listed.partition("/")
    source = bundle.sources[name]
    partial, place = _partial(source) / inside, source.folder / inside
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "copy the bundle's folder to one of your own and name that in MUSTER_MODELS"
        raise MachineError(
            f"cannot be written ({error.strerror})", where=Where(file=partial.parent), hint=hint
        ) from None
    _download(source, inside, partial, quiet)
    digest = hash_file(partial)
    if digest != bundle.files[listed]:
        partial.unlink()
        raise InputError(
            f"{source.repository} has another file than bundle.yaml says",
            where=Where(file=place),
            expected=bundle.files[listed],
            got=digest,
            hint="what came was thrown away",
        )
    try:
        check_file(partial, EVERY[bundle.family], _part(bundle, listed))
    except InputError:
        partial.unlink()
        raise
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(partial, place)


def _part(bundle: Bundle, listed: str) -> str | None:
    """An index of shards is looked at when its shards are there, by `verify_bundle`."""
    return None if ".safetensors.index." in listed else part_of(bundle, listed)


def _partial(source: Source) -> Path:
    return source.folder.with_name(f".{source.folder.name}.partial")


def _download(source: Source, inside: str, target: Path, quiet: bool) -> None:
    """One file at the pinned commit; what is in `target` already is not asked for again.

    huggingface_hub's own download starts a file anew after an interruption, so its two halves are called by themselves."""
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers, disable_progress_bars, enable_progress_bars

    assert source.repository is not None and source.revision is not None
    where = Where(file=f"{source.repository}@{source.revision[:12]}/{inside}")
    url = hf_hub_url(
        source.repository, inside, revision=source.revision, endpoint=os.environ.get("HF_ENDPOINT") or None
    )
    (disable_progress_bars if quiet else enable_progress_bars)()
    try:
        headers = build_hf_headers(library_name="muster")
        about = get_hf_file_metadata(url, headers=headers)
        if about.commit_hash != source.revision:
            raise InputError("the hub answers with another revision", where=where, got=str(about.commit_hash)[:60])
        if about.size is None:
            raise MachineError("the hub does not say how large it is", where=where)
        begun = target.stat().st_size if target.exists() else 0
        begun = begun if begun <= about.size else 0
        with target.open("ab" if begun else "wb") as file:
            http_get(url, file, resume_size=begun, headers=headers, expected_size=about.size, displayed_filename=inside)
    except MusterError:
        raise
    except errors.GatedRepoError:
        hint = "accept its licence on the hub's page, and log in with `hf auth login`"
        raise InputError("the hub wants to know who you are", where=where, hint=hint) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError):
        raise InputError("the hub has no such file", where=where) from None
    except errors.OfflineModeIsEnabled:
        hint = "unset it, or bring the files on a disk into the bundle's weights folder"
        raise MachineError("HF_HUB_OFFLINE forbids the network", where=where, hint=hint) from None
    except Exception as error:  # httpx's, the system's, the hub's: all mean that it did not come
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        hint = "without a network, bring the files on a disk; else run it again, it goes on where it stopped"
        raise MachineError("the hub cannot be reached", where=where, got=reason, hint=hint) from None
