"""Audio of the pieces that `sample` writes: files beside their MIDI files, and playing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from musictk.cli.output import Output
from musictk.cli.playing import play_samples
from musictk.errors import MusictkError, UsageError
from musictk.files import require_writable
from musictk.jobs.named_music import read_score
from musictk.jobs.pieces import AUDIO
from musictk.jobs.samples import SampleBatch
from musictk.rendering import audio, speaker
from musictk.rendering.soundfonts import check_soundfont, find_soundfont


@dataclass
class Rendered:
    """The audio files that were written, by the path of their piece, and why others were not."""

    files: dict[Path, Path] = field(default_factory=dict)
    failed: list[MusictkError] = field(default_factory=list)


@dataclass(frozen=True)
class SampleAudio:
    """What to do with pieces when they are composed."""

    midi: Path | None  # the file of the piece
    suffix: str = ""  # of the audio file beside it; "": none
    soundfont: Path | None = None
    playing: bool = False

    @staticmethod
    def prepare(out: Path | None, soundfont: Path | None, play: bool, count: int) -> SampleAudio:
        """Raises MusictkError for what would fail when the pieces are composed."""
        suffix = "" if out is None or out.suffix.lower() not in AUDIO else out.suffix
        if not suffix and not play:
            if soundfont is not None:
                raise UsageError("--soundfont needs audio", "add -o out.wav or --play")
            return SampleAudio(out)
        midi = out
        if out is not None and suffix:
            audio.require_format(out)
            midi = out.with_suffix(".mid")
            for number in range(1, count + 1):
                _require_pair(_numbered(midi, number, count), _numbered(out, number, count))
        soundfont = soundfont or find_soundfont()
        check_soundfont(soundfont)
        if play:
            speaker.require_player()
        return SampleAudio(midi, suffix, soundfont, play)

    def render(self, output: Output, batch: SampleBatch) -> Rendered:
        """Write the audio of each piece beside it."""
        done = Rendered()
        if not self.suffix:
            return done
        with output.progress("rendering") as bar:
            for number, piece in enumerate(batch.made):
                bar.update(number, len(batch.made))
                path = piece.path.with_suffix(self.suffix)
                try:
                    audio.render(read_score(piece.path), path, self.soundfont)
                    done.files[piece.path] = path
                except MusictkError as error:
                    done.failed.append(error)
        for other in done.failed[1:]:
            output.warn(str(other))
        return done

    def play(self, output: Output, batch: SampleBatch) -> None:
        """Play one piece after the other, if that was asked for."""
        if not self.playing:
            return
        settings = audio.AudioSettings()
        for piece in batch.made:
            soundfont = self.soundfont or find_soundfont()
            samples = audio.synthesize(read_score(piece.path), soundfont, settings)
            play_samples(output, samples, settings.rate)


def _numbered(path: Path, number: int, count: int) -> Path:
    """As `sample` numbers the files of several pieces."""
    return path if count == 1 else path.with_stem(f"{path.stem}-{number}")


def _require_pair(midi: Path, sound: Path) -> None:
    """Raise MusictkError where `sound` cannot be written, or `midi` has no audio beside it.

    That file was not named by the user: it may be music of the user's own.
    """
    require_writable(sound)
    if midi.exists() and not sound.exists():
        raise UsageError(
            f"{midi} exists, and the MIDI of {sound} would replace it",
            f"choose another name; for audio of that file: musictk render {midi} -o {sound}",
        )
