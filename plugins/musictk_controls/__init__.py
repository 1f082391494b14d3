"""The built-in bar controls."""

from musictk.plugin import Register, hookimpl


@hookimpl
def register_controls(register: Register) -> None:
    register("place", "musictk_controls.place:Place", "place in the piece: first to last bar")
    register("key", "musictk_controls.harmony:Key", "key, such as E minor")
    register("chord", "musictk_controls.harmony:Chord", "chord of each half bar, such as Am")
    register("metre", "musictk_controls.time:Metre", "metre, such as 3/4")
    register("tempo", "musictk_controls.time:Tempo", "tempo in quarter notes per minute")
    register("density", "musictk_controls.texture:Density", "notes per quarter note")
    register("polyphony", "musictk_controls.texture:Polyphony", "notes that sound together")
    register("lowest", "musictk_controls.register:Lowest", "lowest pitch")
    register("highest", "musictk_controls.register:Highest", "highest pitch")
