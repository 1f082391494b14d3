"""The registry: plugins in, offers out, and no plugin can spoil another's day."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from musictk import __version__
from musictk.errors import MusictkError, UnknownNameError
from musictk.plugin import CORE, GROUP, KINDS, Hooks, Registry, registry

ROOT = Path(__file__).parents[1]

GOOD = """
from musictk.plugin import hookimpl

@hookimpl
def register_architectures(register):
    register("{name}", "json:JSONDecoder", "A stand-in that imports fast.")

@hookimpl
def register_commands(app):
    @app.command("{name}-command")
    def command() -> None:
        print("{name} ran")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for plugin modules; what was imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("plugin_"):
            del sys.modules[name]


def point(folder: Path, name: str, source: str) -> EntryPoint:
    """An entry point to a plugin module with this source."""
    (folder / f"plugin_{name}.py").write_text(source)
    return EntryPoint(name, f"plugin_{name}", GROUP)


def test_a_name_offered_twice_names_both_plugins_and_the_first_stays(folder: Path) -> None:
    first = point(folder, "alpha", GOOD.format(name="lstm"))
    second = point(folder, "beta", GOOD.format(name="lstm"))
    found = Registry([second, first])
    (failure,) = found.failures
    assert failure.origin == "beta"
    assert "'lstm' is offered twice, by alpha and by beta" in failure.reason
    assert [(offer.name, offer.origin) for offer in found.offers()] == [("lstm", "alpha")]


@pytest.mark.parametrize(("kind", "name"), [("sampler", "top-k"), ("control", "role")])
def test_a_built_in_component_cannot_be_displaced(folder: Path, kind: str, name: str) -> None:
    """Whatever the name of the other entry point."""
    source = GOOD.replace("architectures", f"{kind}s").format(name=name)
    found = Registry([point(folder, "aaa", source), *entry_points(group=GROUP), CORE])
    (offer,) = (each for each in found.offers(kind) if each.name == name)
    assert "(musictk " in offer.origin
    assert [failure.origin for failure in found.failures] == ["aaa"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("3, 4, None", "architecture: the name 3 must be a string"),
        ('"lstm", "json:JSONDecoder", None', "architecture: the summary None must be a string"),
        ('"", "json:JSONDecoder", "x"', "architecture: the name '' must be a word without =:,|"),
        ('"my lstm", "json:JSONDecoder", "x"', "the name 'my lstm' must be a word"),
        ('"a=b", "json:JSONDecoder", "x"', "the name 'a=b' must be a word"),
        ('"lstm", "json.JSONDecoder", "x"', "'json.JSONDecoder' must be 'module:attribute'"),
        ('"lstm", ":JSONDecoder", "x"', "':JSONDecoder' must be 'module:attribute'"),
    ],
)
def test_an_offer_that_cannot_be_used_is_a_failure(
    folder: Path, arguments: str, reason: str
) -> None:
    source = GOOD.replace(
        '"{name}", "json:JSONDecoder", "A stand-in that imports fast."', arguments
    )
    found = Registry([point(folder, "odd", source.format(name="odd"))])
    (failure,) = found.failures
    assert reason in failure.reason
    assert not list(found.offers())


def test_an_unknown_name_names_the_plugins_that_failed(folder: Path) -> None:
    found = Registry([CORE, point(folder, "odd", "1 / 0")])
    with pytest.raises(UnknownNameError) as caught:
        found.load("runtime", "onxx")
    hint = "did you mean 'onnx'?; plugins that failed to load: odd; run: musictk plugins"
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    "source",
    [
        "import a_module_that_is_not_there",
        "def (",
        "raise RuntimeError('no licence')",
        "from musictk.plugin import hookimpl\n@hookimpl\ndef register_dances(register): ...",
        "from musictk.plugin import hookimpl\n@hookimpl\ndef register_samplers(wrong): ...",
        "from musictk.plugin import hookimpl\n"
        "@hookimpl\ndef register_samplers(register): register('only a name')",
    ],
    ids=["import", "syntax", "raises", "unknown hook", "wrong argument", "wrong offer"],
)
def test_a_broken_plugin_is_reported_and_the_others_work(folder: Path, source: str) -> None:
    broken = point(folder, "broken", source)
    good = point(folder, "good", GOOD.format(name="lstm"))
    found = Registry([broken, good])
    assert [failure.origin for failure in found.failures] == ["broken"]
    assert found.failures[0].reason
    assert [offer.name for offer in found.offers("architecture")] == ["lstm"]


@pytest.mark.parametrize(
    ("requirement", "loaded"),
    [
        ("musictk", True),
        ("musictk>=9", False),
        ("musictk (>=0.1,<9)", True),
        ("MusicTK[audio] >= 0.1", True),
        ("musictk<0.1", False),
        (f"musictk<={__version__}", True),
        (f"musictk=={__version__}.0", True),
        (f"musictk!={__version__}", False),
        ("musictk==9.*", False),
        (f"musictk=={__version__.partition('.')[0]}.*", True),
        ("musictk~=9.1", False),
        ("musictk~=0.1", True),
        ("musictk>=9; extra == 'new'", True),
        ("musictk-other>=9", True),
    ],
)
def test_a_plugin_for_another_version_is_not_loaded(
    folder: Path, requirement: str, loaded: bool
) -> None:
    point(folder, "ahead", GOOD.format(name="lstm"))
    info = folder / "ahead-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: ahead\nVersion: 1\nRequires-Dist: {requirement}\n")
    (info / "entry_points.txt").write_text("[musictk]\nahead = plugin_ahead\n")
    found = Registry(each for each in entry_points(group=GROUP) if each.name == "ahead")
    assert [offer.name for offer in found.offers()] == ["lstm"] * loaded
    assert len(found.failures) == (not loaded)
    for failure in found.failures:
        assert failure.origin == "ahead (ahead 1)"
        wanted = requirement.replace(" ", "")
        said = f"it requires {wanted}, and this is musictk {__version__}; install versions of ahead"
        assert said in failure.reason


def test_a_plugin_offers_all_or_nothing(folder: Path) -> None:
    source = GOOD.format(name="lstm") + "\n@hookimpl\ndef register_samplers(register): 1 / 0\n"
    found = Registry([point(folder, "half", source)])
    assert list(found.offers()) == []
    assert "ZeroDivisionError" in found.failures[0].reason


def test_a_component_that_does_not_import_names_its_plugin(folder: Path) -> None:
    source = GOOD.format(name="lstm").replace("json:JSONDecoder", "json:Nothing")
    found = Registry([point(folder, "late", source)])
    assert found.failures == [], "offers are strings until they are used"
    with pytest.raises(MusictkError, match=r"'lstm' of plugin late does not load"):
        found.load("architecture", "lstm")


@pytest.mark.parametrize(("old", "new"), [("louder", "shift_velocity"), ("pitches", "attributes")])
def test_an_old_name_of_the_contract_is_an_error(folder: Path, old: str, new: str) -> None:
    source = f"""
from musictk.plugin import hookimpl

class Old:
    def {old}(self): ...

@hookimpl
def register_tokenizers(register):
    register("old", f"{{__name__}}:Old", "Written for 0.1.")
"""
    found = Registry([point(folder, "old", source)])
    with pytest.raises(MusictkError, match=f"plugin old defines {old}, which is now {new}"):
        found.load("tokenizer", "old")


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'conformer'"):
        registry().load("architecture", "confomer")
    with pytest.raises(UnknownNameError, match=r"choose from: .*gpt"):
        registry().load("architecture", "zzzz")
    with pytest.raises(UnknownNameError, match="there are none yet"):
        Registry([]).load("architecture", "gpt")


def test_commands_are_added_and_a_failing_one_is_left_out(folder: Path) -> None:
    bad = GOOD.format(name="bad").replace('print("bad ran")', "")
    bad = bad.replace('@app.command("bad-command")', "raise ValueError('not today')\n")
    bad = bad.replace("    def command() -> None:\n", "").rstrip()
    app = typer.Typer()
    found = Registry([point(folder, "bad", bad), point(folder, "good", GOOD.format(name="good"))])
    found.add_commands(app)

    @app.command()
    def other() -> None: ...

    assert "good ran" in CliRunner().invoke(app, ["good-command"]).output
    assert [failure.origin for failure in found.failures] == ["bad"]


def test_the_built_ins_come_in_by_the_same_door() -> None:
    assert registry().failures == []
    assert {offer.kind for offer in registry().offers()} == set(KINDS)
    for offer in registry().offers():
        assert offer.origin.endswith(")"), "its distribution and version are known"
        assert offer.summary, f"{offer.kind} {offer.name} says what it is"


@pytest.mark.parametrize("hook", [name for name in vars(Hooks) if name.startswith("register_")])
def test_every_hook_is_documented(hook: str) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text("utf-8")
    arguments = list(inspect.signature(getattr(Hooks, hook)).parameters)[1:]
    assert re.search(rf"{hook}\({', '.join(arguments)}", page)
    assert str(inspect.getdoc(getattr(Hooks, hook))) in page


TAKES = """
from musictk.plugin import hookimpl

@hookimpl
def register_commands(app):
    @app.command("helpful")
    def helpful() -> None: ...

    @app.command("train")
    def train() -> None:
        print("not ours")
"""


def test_a_plugin_cannot_replace_a_command(folder: Path) -> None:
    """Neither one of ours nor another plugin's; of such a plugin no command is added."""
    app = typer.Typer()

    @app.command()
    def train() -> None:
        print("ours")

    sources = {"alpha": GOOD.format(name="one"), "beta": TAKES, "gamma": GOOD.format(name="two")}
    sources["omega"] = GOOD.format(name="three").replace("three-command", "two-command")
    found = Registry([point(folder, name, source) for name, source in sources.items()])
    found.add_commands(app)
    assert CliRunner().invoke(app, ["train"]).output == "ours\n"
    assert [(failure.origin, failure.reason) for failure in found.failures] == [
        ("beta", "MusictkError: the command 'train' exists already"),
        ("omega", "MusictkError: the command 'two-command' exists already"),
    ]
    assert found.commands == [("one-command", "alpha"), ("two-command", "gamma")]
    assert CliRunner().invoke(app, ["helpful"]).exit_code == 2


def test_one_name_offered_twice_by_one_plugin_is_a_failure(folder: Path) -> None:
    twice = GOOD.format(name="lstm").replace(
        "    register(", '    register("lstm", "json:JSONEncoder", "Another.")\n    register('
    )
    (failure,) = Registry([point(folder, "twice", twice)]).failures
    assert "'lstm' is offered twice, by twice and by twice" in failure.reason


def test_sys_exit_at_import_ends_nothing(folder: Path) -> None:
    bad = point(folder, "bad", "import sys\nsys.exit(3)")
    found = Registry([bad, point(folder, "good", GOOD.format(name="lstm"))])
    assert [failure.origin for failure in found.failures] == ["bad"]
    assert [offer.name for offer in found.offers()] == ["lstm"]


KIND = """
from dataclasses import dataclass
from musictk.plugin import hookimpl
from musictk.tokens import Tokenizer

@hookimpl
def register_tokenizers(register):
    register("mine", "plugin_faulty:Mine", "A tokenizer.")

@dataclass(frozen=True)
class MyConfig:
    size: int = 3

class Mine(Tokenizer):
    Config = MyConfig
    name = "mine"
    def encode(self, piece): ...
    def decode(self, sequence): ...
    def bar_starts(self, sequence): ...
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("def bar_starts", "def bars", "lacks bar_starts"),
        ("    Config = MyConfig\n", "", "has no Config that is a dataclass"),
        ("@dataclass(frozen=True)", "", "has no Config that is a dataclass"),
        ("(frozen=True)", "", "has a Config that is not frozen; write @dataclass(frozen=True)"),
        ("Mine(Tokenizer)", "Mine", "is not a subclass of musictk.tokens.Tokenizer"),
        ('name = "mine"', 'name = "yours"', "has the name 'yours' in its class"),
        (
            "    def encode(self, piece): ...",
            "    def encode(self, piece): ...\n    def __init__(self, config): ...",
            "must be created with (config, learned)",
        ),
        (":Mine", ":mine", "does not load: "),
        (":Mine", ":register_tokenizers", "is not a class"),
    ],
)
def test_a_fault_in_a_component_is_named(folder: Path, old: str, new: str, fault: str) -> None:
    assert old in KIND
    found = Registry([point(folder, "faulty", KIND.replace(old, new))])
    with pytest.raises(MusictkError, match=re.escape(f"of plugin faulty {fault}")):
        found.load("tokenizer", "mine")


@pytest.mark.parametrize("kind", KINDS)
def test_a_component_is_a_subclass_of_its_kind(folder: Path, kind: str) -> None:
    source = GOOD.replace("architectures", f"{kind}s").format(name="mine")
    found = Registry([point(folder, "other", source)])
    with pytest.raises(MusictkError, match=f"{kind} 'mine' of plugin other is not a subclass of"):
        found.load(kind, "mine")


ARCHITECTURE = """
from dataclasses import dataclass
from musictk.model.contract import Architecture
from musictk.plugin import hookimpl

@hookimpl
def register_architectures(register):
    register("mine", "plugin_faulty:Mine", "An architecture.")

@dataclass(frozen=True)
class MyConfig:
    dim: int = 8
    depth: int = 1
    heads: int = 1
    dropout: float = 0
    max_length: int = 64

class Mine(Architecture):
    Config = MyConfig
    name = "mine"
    def begin(self, batch, capacity): ...
    def forward(self, x, state): ...
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("def begin", "def start", "lacks begin"),
        ("def forward", "def call", "lacks forward"),
        ("    heads: int = 1\n    dropout: float = 0\n", "", "has a Config without heads, dropout"),
        ("max_length", "length", "has a Config without max_length"),
        ("dim: int = 8", "dim = 8", "has a Config without dim"),
    ],
)
def test_a_fault_in_an_architecture_is_named(folder: Path, old: str, new: str, fault: str) -> None:
    assert old in ARCHITECTURE
    found = Registry([point(folder, "faulty", ARCHITECTURE.replace(old, new))])
    with pytest.raises(MusictkError, match=f"'mine' of plugin faulty {fault}"):
        found.load("architecture", "mine")


def test_an_architecture_without_a_fault_loads(folder: Path) -> None:
    found = Registry([point(folder, "faulty", ARCHITECTURE)])
    assert found.load("architecture", "mine").__name__ == "Mine"


def test_only_code_of_plugins_is_blamed(folder: Path) -> None:
    source = GOOD.format(name="bad") + "\ndef boom():\n    return int('x')\n"
    found = Registry([*entry_points(group=GROUP), CORE, point(folder, "bad", source)])
    with pytest.raises(ValueError, match="invalid literal") as caught:
        sys.modules["plugin_bad"].boom()
    where = r"ValueError: invalid literal .* \(plugin_bad\.py, line 15\)"
    assert re.fullmatch(f"plugin bad failed: {where}", found.blame(caught.value))
    own = found.load("sampler", "temperature")
    with pytest.raises(AttributeError) as ours:
        own(None, None)
    assert found.blame(ours.value) == ""


def test_a_plugin_without_hooks_is_a_failure(folder: Path) -> None:
    found = Registry([point(folder, "faulty", KIND.replace("@hookimpl", ""))])
    (failure,) = found.failures
    assert "mark its functions with @hookimpl" in failure.reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "from __future__ import annotations\nfrom musictk.plugin import hookimpl\n\n"
            "@hookimpl\ndef register_commands(app):\n    @app.command()\n"
            "    def roll(file: Unknown) -> None: ...\n",
            "NameError: name 'Unknown' is not defined",
        ),
        (
            "from musictk.plugin import hookimpl\n\n@hookimpl\ndef register_commands(app):\n"
            "    app.command('mine')(lambda: None)\n    app.callback()(lambda: None)\n",
            "it replaces the callback of musictk",
        ),
    ],
)
def test_commands_that_break_the_others_are_left_out(
    folder: Path, source: str, reason: str
) -> None:
    app = typer.Typer()
    app.callback()(lambda: print("ours"))
    app.command("train")(lambda: print("trained"))
    found = Registry([point(folder, "beta", source), point(folder, "gamma", GOOD.format(name="x"))])
    found.add_commands(app)
    (failure,) = found.failures
    assert failure.origin == "beta"
    assert reason in failure.reason
    assert CliRunner().invoke(app, ["train"]).output == "ours\ntrained\n"
    assert CliRunner().invoke(app, ["x-command"]).output == "ours\nx ran\n"


def test_commands_in_a_group_without_a_name_are_listed(folder: Path) -> None:
    source = (
        "import typer\nfrom musictk.plugin import hookimpl\n\n@hookimpl\n"
        "def register_commands(app):\n    inner = typer.Typer()\n"
        "    inner.command('one')(lambda: None)\n    inner.command('two')(lambda: None)\n"
        "    app.add_typer(inner)\n"
    )
    app = typer.Typer()
    found = Registry([point(folder, "alpha", source)])
    found.add_commands(app)
    assert found.commands == [("one", "alpha"), ("two", "alpha")]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("pass", "lacks values"),
        ("values = 'lohi'", "has wrong values: 'lohi' is not a sequence of strings"),
        ("values = property(lambda self: ('lo',))", "is not a sequence of strings"),
        ("values = (1, 2)", "has wrong values: 1 is not a string"),
        ("values = ('lo', '')", "has wrong values: a value is empty"),
        ("values = ('lo', 'hi', 'lo')", "has wrong values: 'lo' occurs twice"),
        ("values = ()", "has 0 values where 1 to 255 are needed"),
        ("values = tuple(map(str, range(256)))", "has 256 values where 1 to 255 are needed"),
        ("values, parts = ('lo',), 0", "has parts=0, which must be an integer of at least 1"),
        ("values, parts = ('lo',), 1.0", "has parts=1.0, which must be an integer"),
    ],
)
def test_a_fault_in_the_values_of_a_control_is_named(folder: Path, body: str, fault: str) -> None:
    (folder / "plugin_mine.py").write_text(
        "from musictk.controls import Control\n\nclass Mine(Control):\n    name = 'mine'\n"
        f"    {body}\n    def measure(self, bars): ...\n"
    )
    source = GOOD.replace("architectures", "controls").replace(
        "json:JSONDecoder", "plugin_mine:Mine"
    )
    found = Registry([point(folder, "odd", source.format(name="mine"))])
    with pytest.raises(MusictkError, match="control 'mine' of plugin odd ") as caught:
        found.load("control", "mine")
    assert fault in str(caught.value)


LACKING = {
    "runtime": (
        "musictk.runtime import Loader",
        "Loader",
        "def load(self, directory, threads, device): ...",
        "does not set file",
    ),
    "control": (
        "musictk.controls import Control",
        "Control",
        "def __init__(self, level): ...\n    def applies(self, tokenizer): ...\n"
        "    def measure(self, music): ...",
        "must be created with ()",
    ),
    "tracker": (
        "musictk.training.tracking import Tracker",
        "Tracker",
        "def __init__(self, project): ...",
        "must be created with ()",
    ),
}


@pytest.mark.parametrize("kind", LACKING)
def test_a_component_that_cannot_be_created_names_its_plugin(folder: Path, kind: str) -> None:
    place, base, body, reason = LACKING[kind]
    (folder / "plugin_mine.py").write_text(
        f"from {place}\n\nclass Mine({base}):\n    name = 'mine'\n    hint = lambda self: ''\n"
        f"    {body}\n\nMine.__abstractmethods__ = frozenset()\n"
    )
    source = GOOD.replace("architectures", f"{kind}s").replace(
        "json:JSONDecoder", "plugin_mine:Mine"
    )
    found = Registry([point(folder, "odd", source.format(name="mine"))])
    with pytest.raises(MusictkError, match=re.escape(reason)) as caught:
        found.load(kind, "mine")
    assert "of plugin odd" in str(caught.value)
