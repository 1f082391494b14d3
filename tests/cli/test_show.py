"""The `show` command."""

from __future__ import annotations

import pytest

from tests.cli.shell import Shell


def test_what_a_run_attends_to_is_a_picture(shell: Shell) -> None:
    shell("show", "midis/Satie/gymnopedie_3.mid", "--attention", "-o", "maps.png")
    picture = (shell.directory / "maps.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5000


@pytest.mark.parametrize(
    ("suffix", "start"),
    [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF-"), ("PNG", b"\x89PNG")],
)
def test_the_suffix_chooses_the_format(
    shell: Shell, capsys: pytest.CaptureFixture[str], suffix: str, start: bytes
) -> None:
    pictures = []
    for name in ("one", "two"):
        code, _, errors = shell.here(
            capsys, "show", "midis/Satie/gymnopedie_3.mid", "-o", f"{name}.{suffix}"
        )
        assert code == 0, errors
        pictures.append((shell.directory / f"{name}.{suffix}").read_bytes())
    assert pictures[0].startswith(start)
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("name", ["out.jpg", "out.mid", "out"])
@pytest.mark.parametrize("more", [[], ["--attention"]])
def test_another_suffix_is_refused(
    shell: Shell, capsys: pytest.CaptureFixture[str], name: str, more: list[str]
) -> None:
    file = "midis/Satie/gymnopedie_3.mid"
    code, _, errors = shell.here(capsys, "show", file, "-o", name, *more)
    assert code == 2
    assert "choose from: .png, .svg, .pdf" in errors
    assert not (shell.directory / name).exists()
