"""The plugin hooks, and the registry of components. Loads neither torch nor miditok.

A plugin is any object with functions marked `@hookimpl`, found through the entry point group
`musictk`. It offers components as strings (`"musictk_gpt.model:GPT"`); a component is imported only
when it is used. The built-in components are offered through the same hooks.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

from musictk import __version__
from musictk.errors import MusictkError, UnknownNameError, located, raised_in
from musictk.offers import KINDS as KINDS
from musictk.offers import Offer as Offer
from musictk.offers import check_offer

if TYPE_CHECKING:
    import typer

GROUP = "musictk"
CORE = EntryPoint("core", f"{__name__}:Core", GROUP)

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Register(Protocol):
    """Call it once for each component: `register("gpt", "musictk_gpt.model:GPT", "GPT-2")`."""

    def __call__(self, name: str, target: str, summary: str) -> None: ...


class Hooks:
    """Every hook a plugin may implement."""

    @hookspec
    def register_tokenizers(self, register: Register) -> None:
        """Offer tokenizers: subclasses of `musictk.tokens.Tokenizer`."""

    @hookspec
    def register_architectures(self, register: Register) -> None:
        """Offer architectures: subclasses of `musictk.model.contract.Architecture`."""

    @hookspec
    def register_controls(self, register: Register) -> None:
        """Offer bar controls: subclasses of `musictk.controls.Control`."""

    @hookspec
    def register_samplers(self, register: Register) -> None:
        """Offer samplers: subclasses of `musictk.generation.Sampler`."""

    @hookspec
    def register_runtimes(self, register: Register) -> None:
        """Offer runtimes: subclasses of `musictk.runtime.Loader`."""

    @hookspec
    def register_trackers(self, register: Register) -> None:
        """Offer experiment trackers: subclasses of `musictk.training.tracking.Tracker`."""

    @hookspec
    def register_commands(self, app: typer.Typer) -> None:
        """Add commands to the command line: `@app.command()` on your functions."""


class Core:
    """The components of musictk itself."""

    @staticmethod
    @hookimpl
    def register_runtimes(register: Register) -> None:
        """The runtimes that `musictk export` writes for, and eager PyTorch."""
        home = "musictk.runtime.builtin"
        register("onnx", f"{home}:OnnxLoader", "ONNX Runtime; needs no torch")
        register("torch", f"{home}:TorchLoader", "eager PyTorch, for checkpoints")
        register("torchscript", f"{home}:TorchScriptLoader", "TorchScript: PyTorch programs")

    @staticmethod
    @hookimpl
    def register_controls(register: Register) -> None:
        """Those that describe what is given and what is to be written."""
        home = "musictk.controls.arrangement"
        register("role", f"{home}:Role", "given or to be written; set where bars are rewritten")
        left = "bars left to write; set where bars are rewritten"
        register("remaining", f"{home}:Remaining", left)

    @staticmethod
    @hookimpl
    def register_trackers(register: Register) -> None:
        """The trackers of `train --track`; their libraries are optional."""
        home = "musictk.training.trackers"
        register("mlflow", f"{home}:MLflow", "MLflow")
        register("tensorboard", f"{home}:TensorBoard", "TensorBoard event files in runs/NAME")
        register("wandb", f"{home}:WandB", "Weights & Biases")


@dataclass(frozen=True)
class Failure:
    """A plugin that could not be loaded, and why. The others work without it."""

    origin: str
    reason: str


class Registry:
    """The offers of all plugins, by kind and name."""

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self.failures: list[Failure] = []
        self.commands: list[tuple[str, str]] = []  # (name, origin) of those of plugins
        self._offers: dict[tuple[str, str], Offer] = {}
        self._plugins: list[tuple[str, pluggy.PluginManager]] = []
        self._packages: dict[str, str] = {}  # origin by package; "" for those of musictk
        for point in sorted(points, key=_precedence):
            self._admit(point)

    def offers(self, kind: str | None = None) -> Iterator[Offer]:
        """Every offer (of one kind), sorted by kind and name."""
        for key in sorted(self._offers, key=lambda key: (KINDS.index(key[0]), key[1])):
            if kind in (None, key[0]):
                yield self._offers[key]

    def load(self, kind: str, name: str) -> Any:
        """The component called `name`; raises UnknownNameError with the nearest known name."""
        offer = self._offers.get((kind, name))
        if offer is None:
            others = [other.kind for other in self.offers() if other.name == name]
            hint = f"{name!r} names another kind of component: {others[0]}" if others else ""
            known = [other.name for other in self.offers(kind)]
            raise UnknownNameError(kind, name, known, hint, self._failed())
        return offer.load()

    def add_commands(self, app: typer.Typer) -> None:
        """Add every plugin's commands; a plugin that fails is recorded in `failures`."""
        known = _names(app.registered_commands, app.registered_groups)
        for origin, manager in self._plugins:
            before = list(app.registered_commands), list(app.registered_groups)
            callback = app.registered_callback
            added: list[str] = []
            if self._guarded(origin, partial(_add_commands, app, manager, known, added)):
                self.commands += [(name, origin) for name in added]
                known += added
            else:  # no command of a plugin that fails
                app.registered_commands[:], app.registered_groups[:] = before
                app.registered_callback = callback

    def blame(self, error: BaseException) -> str:
        """Which plugin failed, and where, if the error was raised in its code or below; else ""."""
        for place in reversed(raised_in(error)):
            if origin := self._packages.get(place.package):
                return f"plugin {origin} failed: {located(error, place.package)}"
        return ""

    def _failed(self) -> str:
        """The plugins that failed to load, which may offer what is unknown."""
        origins = ", ".join(dict.fromkeys(failure.origin for failure in self.failures))
        return f"plugins that failed to load: {origins}; run: musictk plugins" if origins else ""

    def _admit(self, point: EntryPoint) -> None:
        origin = _origin(point)
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(Hooks)

        def collect() -> None:
            _require_version(point)
            plugin = point.load()
            manager.register(plugin, name=point.name)
            manager.check_pending()
            if not manager.get_hookcallers(plugin):
                raise MusictkError("it has no hook", "mark its functions with @hookimpl")
            found: list[Offer] = []
            for kind in KINDS:
                hook = getattr(manager.hook, f"register_{kind}s")
                hook(register=_collector(kind, origin, found))
            self._offer(found)
            for module in (point.module, *(offer.target for offer in found)):
                package = re.split(r"[.:]", module)[0]
                if package not in sys.stdlib_module_names:
                    self._packages.setdefault(package, "" if _is_own(point) else origin)

        if self._guarded(origin, collect):
            self._plugins.append((origin, manager))

    def _offer(self, found: list[Offer]) -> None:
        own: dict[tuple[str, str], Offer] = {}
        for offer in found:
            key = offer.kind, offer.name
            earlier = self._offers.get(key) or own.get(key)
            own[key] = offer
            if earlier is not None:
                raise MusictkError(
                    f"{offer.kind} {offer.name!r} is offered twice, "
                    f"by {earlier.origin} and by {offer.origin}",
                    "uninstall one of them",
                )
        self._offers |= own

    def _guarded(self, origin: str, action: Callable[[], Any]) -> bool:
        try:
            action()
        except (Exception, SystemExit) as error:  # SystemExit: a plugin that calls sys.exit
            self.failures.append(Failure(origin, f"{type(error).__name__}: {error}"))
            return False
        return True


@cache
def registry() -> Registry:
    """The registry of musictk itself and every plugin installed in this environment."""
    return Registry([CORE, *entry_points(group=GROUP)])


def _add_commands(
    app: typer.Typer, manager: pluggy.PluginManager, known: list[str], added: list[str]
) -> None:
    """Add a plugin's commands, and their names to `added`.

    Raises for a name that is `known`, and for commands that Typer cannot build.
    """
    import typer

    commands, groups = len(app.registered_commands), len(app.registered_groups)
    callback = app.registered_callback
    manager.hook.register_commands(app=app)
    if app.registered_callback is not callback:
        raise MusictkError("it replaces the callback of musictk", "add a group with app.add_typer")
    alone = typer.Typer()
    alone.registered_commands = app.registered_commands[commands:]
    alone.registered_groups = app.registered_groups[groups:]
    if alone.registered_commands or alone.registered_groups:
        typer.main.get_command(alone)  # fails for parameters with unknown annotations
    added += _names(alone.registered_commands, alone.registered_groups)
    for name in added:
        if name in known or added.count(name) > 1:
            raise MusictkError(f"the command {name!r} exists already")


def _names(commands: Iterable[Any], groups: Iterable[Any]) -> list[str]:
    """The names of an application's commands and groups; those in a group without a name."""
    names = [each.name or each.callback.__name__.lower().replace("_", "-") for each in commands]
    for each in groups:
        inner = each.typer_instance
        if named := each.name or inner.info.name:
            names.append(str(named))
        else:
            names += _names(inner.registered_commands, inner.registered_groups)
    return names


def _collector(kind: str, origin: str, found: list[Offer]) -> Register:
    def register(name: str, target: str, summary: str) -> None:
        check_offer(kind, name, target, summary)
        found.append(Offer(kind, name, target, summary, origin))

    return register


def _precedence(point: EntryPoint) -> tuple[int, str]:
    """The components of musictk come first, so that no plugin takes one of their names."""
    return 0 if point == CORE else 1 if _is_own(point) else 2, point.name


def _is_own(point: EntryPoint) -> bool:
    return point == CORE or (point.dist is not None and point.dist.name == __package__)


def _require_version(point: EntryPoint) -> None:
    """Raise MusictkError for a plugin whose package requires another version of musictk."""
    if point.dist is None or _is_own(point):
        return
    from musictk import versions  # not needed without such plugins

    wanted = versions.required(str(__package__), point.dist.requires or ())
    if not versions.within(__version__, wanted):
        raise MusictkError(
            f"it requires {__package__}{wanted}, and this is {__package__} {__version__}",
            f"install versions of {point.dist.name} and {__package__} that fit each other",
        )


def _origin(point: EntryPoint) -> str:
    if point == CORE:
        return f"core (musictk {__version__})"
    if point.dist is None:
        return point.name
    return f"{point.name} ({point.dist.name} {point.dist.version})"
