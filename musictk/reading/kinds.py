"""The kinds of file, by file name extension."""

from __future__ import annotations

KINDS = {
    ".mid": "midi",
    ".midi": "midi",
    ".smf": "midi",
    ".kar": "midi",
    ".rmi": "midi",
    ".midi2": "midi",  # rejected with a reason
    ".txt": "text",
    ".abc": "abc",
}
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


RESOURCE_FOLDER = "__MACOSX"  # in archives from macOS: resource forks, no music


def kind_of(name: str) -> str | None:
    """The kind of a file by its name: midi, text, abc or archive; None for any other file."""
    if name.startswith("._"):  # a resource fork, as macOS stores it on other file systems
        return None
    lower = name.lower()
    if lower.endswith(ARCHIVES):
        return "archive"
    return KINDS.get(suffix(lower))


def suffix(name: str) -> str:
    """The last extension of a file name, as pathlib gives it, in a tenth of the time."""
    dot = name.rfind(".")
    return name[dot:] if 0 < dot < len(name) - 1 else ""
