"""A script: type musictk commands in a process that dies when it opens a network socket.

python silent.py SECONDS COMMAND [-- COMMAND …]

A seccomp filter (Linux, no privileges needed) also sees sockets that native code opens, in any
thread and in every child. SECONDS is how long to wait at the end for what comes late.
"""

from __future__ import annotations

import ctypes
import platform
import socket
import struct
import sys
import time

NO_FILTER = 77  # the exit code where this kernel or machine has no such filter
_SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}  # architecture, call number
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF instructions
_KILL, _ALLOW = 0x80000000, 0x7FFF0000
_NUMBER, _ARCHITECTURE, _FAMILY = 0, 4, 16  # offsets in struct seccomp_data
_NO_NEW_PRIVILEGES, _SET_FILTER, _MODE_FILTER = 38, 22, 2  # prctl


def forbid() -> bool:
    """From now on an IPv4 or IPv6 socket kills the process; False where that cannot be had."""
    if sys.platform != "linux" or platform.machine() not in _SOCKET:
        return False
    architecture, number = _SOCKET[platform.machine()]
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, 6, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _FAMILY),
        (_EQUAL, 1, 0, socket.AF_INET),
        (_EQUAL, 0, 1, socket.AF_INET6),
        (_RETURN, 0, 0, _KILL),
        (_RETURN, 0, 0, _ALLOW),
    ]
    program = b"".join(struct.pack("HBBI", *line) for line in code)
    buffer = ctypes.create_string_buffer(program, len(program))
    described = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
    )
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return int(prctl(_SET_FILTER, _MODE_FILTER, ctypes.addressof(described), 0, 0)) == 0


def type_commands(words: list[str]) -> None:
    """Each command in this process; ends with the exit code of the first that fails."""
    from musictk.cli.main import main

    while words:
        cut = words.index("--") if "--" in words else len(words)
        command, words = words[:cut], words[cut + 1 :]
        try:
            main(command)
        except SystemExit as end:
            if end.code:
                raise


if __name__ == "__main__":
    if not forbid():
        sys.exit(NO_FILTER)
    if sys.argv[2:] == ["native"]:
        ctypes.CDLL(None).socket(2, 1, 0)
    else:
        type_commands(sys.argv[2:])
    time.sleep(float(sys.argv[1]))
