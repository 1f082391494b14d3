"""What Ctrl-C ends a command with: one line, and exit code 130."""

from __future__ import annotations

from typing import Any

from musictk.errors import MusictkError

_AGAIN = "run the command again to continue"
# What remains after an interruption. Files are written completely or not at all.
REMAINS = {
    "ingest": f"the files that were read are in the catalog; {_AGAIN}",
    "catalog": "the catalog is unchanged",
    "tokenize": f"complete shards are kept; {_AGAIN}",
    "train": "to resume a run that has a checkpoint: musictk train --resume RUN"
    " (see musictk runs list)",
    "sample": "the pieces that were written are kept",
    "export": f"complete exports are kept; {_AGAIN}",
    "render": "nothing was written",
    "--play": "the files are written",
}


class InterruptionError(MusictkError):
    """Ctrl-C ended the command."""

    exit_code = 130

    def __init__(self, command: str = "") -> None:
        super().__init__("interrupted", REMAINS.get(command, ""))


def add_to(program: Any) -> None:
    """Let Ctrl-C end every command with InterruptionError."""
    invoke = program.invoke

    def interruptible(context: Any) -> Any:
        try:
            return invoke(context)
        except KeyboardInterrupt as error:
            raise InterruptionError(context.invoked_subcommand or "") from error

    program.invoke = interruptible
