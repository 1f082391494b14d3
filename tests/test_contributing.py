"""What contributors rely on: workflows, make targets, links, pinned versions, the release check."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
YAML = sorted([*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"])
PAGES = [
    ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "README.md")
]
CODE = re.compile(r"```.*?```|`[^`\n]+`|^    [^\n]+$", re.S | re.M)
READ_ONLY: tuple[dict[str, str], ...] = ({}, {"contents": "read"})
# What a job may do beside reading the repository.
WRITES = {
    "attest": {"id-token": "write", "attestations": "write"},
    "publish": {"id-token": "write"},
    "release": {"contents": "write"},
}


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, job) of every job of every workflow."""
    for path in WORKFLOWS:
        yield from yaml.safe_load(path.read_text("utf-8"))["jobs"].items()


def steps() -> Iterator[dict[str, Any]]:
    for _, job in jobs():
        yield from job.get("steps", ())


def constraints() -> dict[str, str]:
    """Name -> version of every line of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if not line.startswith("#")]
    found = {each.name: str(each.specifier).removeprefix("==") for each in pinned}
    assert len(found) == len(pinned), "a package is listed twice"
    return found


def release(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of tools/release.py in a folder."""
    command = [sys.executable, str(ROOT / "tools" / "release.py"), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_every_yaml_file_is_read() -> None:
    assert len(WORKFLOWS) >= 2
    for path in YAML:
        assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict), path.name


def test_workflows_have_the_least_permissions() -> None:
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text("utf-8"))
        assert workflow["permissions"] in READ_ONLY, path.name
        assert "pull_request_target" not in workflow[True], path.name  # YAML 1.1 reads `on` as true
        assert "secrets." not in path.read_text("utf-8"), path.name
    for name, job in jobs():
        allowed = (*READ_ONLY, WRITES.get(name, {}))
        assert job.get("permissions", {}) in allowed, name
    published = dict(jobs())["publish"]
    assert published["environment"] == "pypi"
    assert published["permissions"] == {"id-token": "write"}


def test_actions_are_pinned_to_commits() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert len(used) > 10, "the steps were read"
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action), action
    for step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_scripts_of_workflows_take_values_from_the_environment() -> None:
    """A `${{ … }}` inside a script would run whatever a branch or a tag is called."""
    for step in steps():
        assert "${{" not in step.get("run", ""), step["run"]


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M)
    assert phony is not None
    assert set(phony[1].split()) == targets
    texts = [code for page in PAGES for code in CODE.findall(page.read_text("utf-8"))]
    texts += [step.get("run", "") for step in steps()]
    texts += [(ROOT / ".ci" / "run").read_text("utf-8")]
    texts += CODE.findall((ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").read_text("utf-8"))
    named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(texts)))
    assert {"test", "format"} <= named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
    if page.name == "CONTRIBUTING.md":
        paths = re.findall(r"`((?:musictk|plugins|tests|docs|tools|examples)/[\w./-]+)`", text)
        assert len(paths) > 10
        for path in paths:
            assert (ROOT / path).exists() or "NAME" in path, f"{page.name} names {path}"


def test_every_dependency_is_pinned_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    pinned = constraints()
    for requirement in map(Requirement, wanted):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name != "torch":  # the Makefile's TORCH chooses it
            assert requirement.specifier.contains(pinned[name]), requirement
    assert not any(name.startswith(("torch", "nvidia", "cuda")) for name in pinned)


def test_pre_commit_runs_the_same_ruff() -> None:
    version = constraints()["ruff"]
    text = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert set(re.findall(r"ruff==([\d.]+)", text)) == {version}


def test_the_release_check_compares_tag_versions_and_changelog(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    version, other = project["version"], "99.0.0"
    (tmp_path / "musictk").mkdir()
    for name in ("pyproject.toml", "musictk/__init__.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(f"# Changelog\n\n## {version}\n\nNew.\n\n## 0.0.1\n\nOld.\n", "utf-8")
    assert release(tmp_path, "check", f"v{version}") == (0, "", "")
    assert release(tmp_path, "notes", f"v{version}") == (0, "New.\n", "")
    code, _, said = release(tmp_path, "check", f"v{other}")
    assert (code, said.count("\n")) == (1, 1)
    assert other in said
    assert release(tmp_path, "check", version)[0] == 1, "a tag begins with v"
    changelog.write_text(f"# Changelog\n\n## {version} (unreleased)\n\nNew.\n", "utf-8")
    assert "unreleased" in release(tmp_path, "check", f"v{version}")[2]
    changelog.write_text("# Changelog\n\n## 0.0.1\n\nOld.\n", "utf-8")
    assert "no section" in release(tmp_path, "check", f"v{version}")[2]
    package = tmp_path / "musictk" / "__init__.py"
    package.write_text(f'__version__ = "{other}"\n', "utf-8")
    assert "__init__" in release(tmp_path, "check", f"v{version}")[2]


def test_the_release_workflow_runs_the_check() -> None:
    scripts = [step.get("run", "") for step in dict(jobs())["build"]["steps"]]
    assert any("tools/release.py check" in script for script in scripts)
    assert release(ROOT, "check", "v0.0.0")[0] == 1
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert release(ROOT, "notes", f"v{project['version']}")[0] == 0
