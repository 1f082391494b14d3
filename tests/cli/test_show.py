"""The `show` command."""

from __future__ import annotations

from tests.cli.shell import Shell


def test_what_a_run_attends_to_is_a_picture(shell: Shell) -> None:
    shell("show", "midis/Satie/gymnopedie_3.mid", "--attention", "-o", "maps.png")
    picture = (shell.directory / "maps.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5000
