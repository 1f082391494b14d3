"""Music made visible and audible: MIDI files with sections, pictures, audio.

Nothing here imports torch; matplotlib is imported when a picture is drawn.
"""
