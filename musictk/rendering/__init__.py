"""Write music as MIDI files with sections, pictures and audio, and play it.

Nothing here imports torch; matplotlib is imported when a picture is drawn.
"""
