"""Archives that harm a careless reader, each made by a function, with the expected result."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import socket
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MIDI = next((Path(__file__).parents[2] / "examples" / "midis" / "Chopin").glob("*28_20.mid"))
GOOD = MIDI.read_bytes()
Made = Callable[[], bytes]


@dataclass(frozen=True)
class Kind:
    """One kind of archive: how it is made, and what must come of reading it."""

    name: str  # of its file
    make: Made | Callable[[Path], None]
    read: int  # members whose bytes are had
    refused: int = 0  # members that are refused, each with a reason
    reason: str | None = None  # why reading ends, if before the end
    repeated: int = 0  # of `read`, names that came before: ingest takes the first of a name


def zipped(
    *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
        archive.comment = comment
    return stream.getvalue()


def member(name: str, size: int = 0, kind: bytes = b"0", link: str = "") -> bytes:
    """The header of a tar's member, whatever follows it."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info.tobuf(tarfile.GNU_FORMAT)


def signed(header: bytes) -> bytes:
    """A changed header with its checksum put right."""
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def tarred(*members: tuple[str, bytes]) -> bytes:
    return b"".join(member(n, len(d)) + padded(d) for n, d in members) + bytes(1024)


GOOD_ZIP = zipped(("a.mid", GOOD), ("b.mid", GOOD))
GOOD_TAR = tarred(("a.mid", GOOD), ("b.mid", GOOD))


def changed(data: bytes, old: bytes, new: bytes, last: bool = False) -> bytes:
    """The same bytes with the first, or last, occurrence of `old` replaced from its beginning."""
    at = data.rindex(old) if last else data.index(old)
    return data[:at] + new + data[at + len(new) :]


def in_list(offset: int, new: bytes, data: bytes = GOOD_ZIP) -> bytes:
    """A zip whose first entry of the list is changed."""
    at = data.index(b"PK\1\2") + offset
    return data[:at] + new + data[at + len(new) :]


def in_end(offset: int, new: bytes, data: bytes = GOOD_ZIP) -> bytes:
    """A zip whose end record is changed."""
    at = data.rindex(b"PK\5\6") + offset
    return data[:at] + new + data[at + len(new) :]


def many_in_zip(count: int) -> bytes:
    """Empty members, written by hand: zipfile takes seconds for as many."""
    local = struct.Struct("<4s5H3L2H").pack(b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 10, 0)
    files, entries = bytearray(), bytearray()
    for number in range(count):
        name = b"%06d.mid" % number
        entries += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, len(files)
        )
        entries += name
        files += local + name
    shown = min(count, 0xFFFF)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, shown, shown, len(entries), len(files), 0)
    return bytes(files + entries) + end


def overlapping(count: int) -> bytes:
    """Every entry of the list is one and the same bomb."""
    data = zipped(("a.mid", bytes(16 << 20)))
    start = data.index(b"PK\1\2")
    stop = data.index(b"PK\5\6")
    entries = data[start:stop] * count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(entries), start, 0)
    return data[:start] + entries + end


def many_in_tar(count: int) -> bytes:
    header = bytearray(member("000000.mid"))
    made = bytearray()
    for number in range(count):
        header[:6] = b"%06d" % number
        made += signed(bytes(header))
    return bytes(made) + bytes(1024)


def pax(fields: bytes, size: int | None = None) -> bytes:
    return member("pax", len(fields) if size is None else size, b"x") + padded(fields)


def record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while len(b"%d" % length) + len(body) != length:
        length += 1
    return b"%d" % length + body


def sparse() -> bytes:
    header = bytearray(member("s.mid", 512, b"S"))
    header[482] = 1  # one more block of holes follows
    return signed(bytes(header)) + bytes(512) + bytes(512) + GOOD_TAR


def negative() -> bytes:
    header = bytearray(member("n.mid"))
    header[124:136] = b"\xff" * 12
    return signed(bytes(header)) + GOOD_TAR


def encrypted() -> bytes:
    data = in_list(8, b"\1\0")  # the flag in the list, then in the member itself
    return data[:6] + b"\1\0" + data[8:]


def wide_xz() -> bytes:
    """Says that it needs 2 GiB to be unpacked."""
    data = bytearray(lzma.compress(GOOD_TAR, preset=0))
    data[16] = 38  # in the header of the block, which begins at 12 and ends in its checksum
    data[20:24] = struct.pack("<L", zlib.crc32(bytes(data[12:20])))
    return bytes(data)


def endless_name() -> bytes:
    """A gzip file whose own name never ends."""
    return b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (4 << 20)


def holes() -> bytes:
    """A sparse member as pax writes it."""
    fields = record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.name", b"s.mid")
    return pax(fields) + tarred(("GNUSparseFile.0/s.mid", bytes(512)))[:-1024] + GOOD_TAR


def link_members() -> bytes:
    """Links, devices and pipes that are named as music is."""
    kinds = (b"1", b"2", b"3", b"4", b"5", b"6")
    return b"".join(member(f"{n}.mid", 0, kind, "/etc/passwd") for n, kind in enumerate(kinds))


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # the whole path may be too long for a socket
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def linked(path: Path) -> None:
    target = path.with_name("target-of-link")
    target.write_bytes(GOOD_ZIP)
    path.symlink_to(target)


BOMB = bytes(128 << 20)
KINDS = (
    # Zip files that are in order, in many ways.
    Kind("plain.zip", lambda: GOOD_ZIP, 2),
    Kind("stored.zip", lambda: zipped(("a.mid", GOOD), method=zipfile.ZIP_STORED), 1),
    Kind("bzip2.zip", lambda: zipped(("a.mid", GOOD), method=zipfile.ZIP_BZIP2), 1),
    Kind("lzma.zip", lambda: zipped(("a.mid", GOOD), method=zipfile.ZIP_LZMA), 1),
    Kind("nested.zip", lambda: zipped(("in.zip", GOOD_ZIP), ("in.tar", GOOD_TAR)), 0),
    Kind("absolute.zip", lambda: zipped(("/etc/a.mid", GOOD)), 1),
    Kind("upwards.zip", lambda: zipped(("../../a.mid", GOOD)), 1),
    Kind("twice.zip", lambda: zipped(("a.mid", GOOD), ("a.mid", GOOD)), 2, repeated=1),
    Kind("folders.zip", lambda: zipped(("a.mid/", b""), ("b/", b"")), 0),
    Kind("empty.zip", zipped, 0),
    Kind("comment.zip", lambda: zipped(("a.mid", GOOD), comment=b"c" * 65535), 1),
    Kind("before.zip", lambda: b"#!/bin/sh\n" * 99 + GOOD_ZIP, 2),
    Kind("nul.zip", lambda: GOOD_ZIP.replace(b"a.mid", b"a\0mid"), 1),
    Kind("long.zip", lambda: zipped(("n" * 65000 + ".mid", GOOD)), 1),
    # Members that cannot be had; the others can.
    Kind("crc.zip", lambda: in_list(16, b"\1\2\3\4"), 1, refused=1),
    Kind("encrypted.zip", encrypted, 1, refused=1),
    Kind("method.zip", lambda: in_list(10, b"\x63\0"), 1, refused=1),
    Kind("beyond.zip", lambda: in_list(42, b"\xff\xff\xff\x7f"), 1, refused=1),
    Kind("other.zip", lambda: changed(GOOD_ZIP, b"a.mid", b"z.mid"), 1, refused=1),
    Kind("damaged.zip", lambda: changed(GOOD_ZIP, b"b.mid", b"b.mid" + b"\xff" * 99), 1, refused=1),
    Kind("huge.zip", lambda: in_list(24, b"\xfe\xff\xff\xff"), 2),
    Kind("bomb.zip", lambda: zipped(("a.mid", bytes(64 << 20)), ("b.mid", GOOD)), 1, refused=1),
    # Lists that cannot be believed.
    Kind("utf8.zip", lambda: in_list(46, b"\xff", in_list(8, b"\0\x08")), 0, reason="bad_archive"),
    Kind("zero.zip", lambda: b"", 0, reason="bad_archive"),
    Kind("cut.zip", lambda: GOOD_ZIP[:-30], 0, reason="bad_archive"),
    Kind("noise.zip", lambda: random.Random(1).randbytes(5000), 0, reason="bad_archive"),
    Kind("tar.zip", lambda: GOOD_TAR, 0, reason="bad_archive"),
    Kind("fewer.zip", lambda: in_end(10, b"\1\0"), 2),
    Kind("more.zip", lambda: in_end(8, b"\xff\x7f\xff\x7f"), 2),
    Kind("list.zip", lambda: in_end(12, b"\xff\xff\xff\x7f"), 0, reason="archive_limit"),
    Kind("place.zip", lambda: in_end(16, b"\xff\xff\xff\x7f"), 0, refused=2),
    Kind("zip64.zip", lambda: in_end(12, b"\xff" * 8), 0, reason="archive_limit"),
    Kind("spanned.zip", lambda: in_end(4, b"\7\0\7\0"), 2),
    Kind("same.zip", lambda: overlapping(500), 4, reason="archive_limit"),
    Kind("many.zip", lambda: many_in_zip(100_000), 0, reason="archive_limit"),
    Kind("most.zip", lambda: many_in_zip(250_000), 0, reason="archive_limit"),
    # Tar files that are in order, in many ways.
    Kind("plain.tar", lambda: GOOD_TAR, 2),
    Kind("plain.tar.gz", lambda: gzip.compress(GOOD_TAR), 2),
    Kind("plain.tar.bz2", lambda: bz2.compress(GOOD_TAR), 2),
    Kind("plain.tar.xz", lambda: lzma.compress(GOOD_TAR), 2),
    Kind("gzip.tar", lambda: gzip.compress(GOOD_TAR), 2),
    Kind("parts.tgz", lambda: gzip.compress(GOOD_TAR[:700]) + gzip.compress(GOOD_TAR[700:]), 2),
    Kind("parts.txz", lambda: lzma.compress(GOOD_TAR[:9]) + lzma.compress(GOOD_TAR[9:]), 2),
    Kind("nested.tar", lambda: tarred(("in.tar", GOOD_TAR), ("in.zip", GOOD_ZIP)), 0),
    Kind("absolute.tar", lambda: tarred(("/a.mid", GOOD), ("../b.mid", GOOD)), 2),
    Kind("twice.tar", lambda: tarred(("a.mid", GOOD), ("a.mid", GOOD)), 2, repeated=1),
    Kind("links.tar", lambda: link_members() + GOOD_TAR, 2),
    Kind("empty.tar", lambda: bytes(10240), 0),
    Kind("pax.tar", lambda: pax(record(b"path", b"p/" * 200 + b"a.mid")) + GOOD_TAR, 2),
    Kind("long.tar", lambda: member("l", 600, b"L") + padded(b"n" * 596 + b".mid") + GOOD_TAR, 2),
    Kind("sparse.tar", sparse, 2),
    Kind("holes.tar", holes, 2),
    Kind("names.tar", lambda: tarred(("\udcff\udcfe.mid", GOOD)), 1),
    Kind("old.tar", lambda: signed(GOOD_TAR[:257] + bytes(255)) + GOOD_TAR[512:], 2),
    # Tar files that end before they are done.
    Kind("zero.tar", lambda: b"", 0, reason="bad_archive"),
    Kind("noise.tar", lambda: random.Random(2).randbytes(5000), 0, reason="bad_archive"),
    Kind("zip.tar", lambda: GOOD_ZIP, 0, reason="bad_archive"),
    Kind("cut.tar", lambda: GOOD_TAR[: 1024 + len(padded(GOOD))], 1, reason="bad_archive"),
    Kind("cut.tar.gz", lambda: gzip.compress(GOOD_TAR)[:-40], 1, reason="bad_archive"),
    Kind("crc.tar.gz", lambda: gzip.compress(GOOD_TAR)[:-8] + bytes(8), 0, reason="bad_archive"),
    Kind("sum.tar", lambda: changed(GOOD_TAR, b"b.mid", b"c.mid"), 1, reason="bad_archive"),
    Kind("negative.tar", negative, 0, reason="bad_archive"),
    Kind("huge.tar", lambda: member("h.mid", 1 << 62) + GOOD, 0, 1, reason="bad_archive"),
    Kind("skipped.tar", lambda: member("h.jpg", 1 << 62) + GOOD, 0, reason="bad_archive"),
    Kind("fields.tar", lambda: pax(b"99999 path=a.mid\n") + GOOD_TAR, 0, reason="bad_archive"),
    Kind("header.tar", lambda: pax(b"", 1 << 33) + bytes(4096), 0, reason="archive_limit"),
    Kind("name.tar", lambda: member("l", 1 << 33, b"L") + bytes(4096), 0, reason="archive_limit"),
    Kind("endless.tar.gz", endless_name, 0, reason="bad_archive"),
    Kind("wide.tar.xz", wide_xz, 0, reason="bad_archive"),
    Kind("bomb.tar.gz", lambda: gzip.compress(tarred(("b.jpg", BOMB))), 0, reason="archive_limit"),
    Kind("music.tgz", lambda: gzip.compress(tarred(("b.mid", BOMB))), 0, 1, "archive_limit"),
    Kind(
        "bomb.tar.bz2", lambda: bz2.compress(tarred(("b.jpg", BOMB)), 1), 0, reason="archive_limit"
    ),
    Kind(
        "bomb.tar.xz",
        lambda: lzma.compress(tarred(("b.jpg", BOMB)), preset=0),
        0,
        reason="archive_limit",
    ),
    Kind("many.tar", lambda: many_in_tar(100_000), 5000, reason="archive_limit"),
    Kind(
        "most.tar.gz", lambda: gzip.compress(many_in_tar(250_000), 1), 5000, reason="archive_limit"
    ),
    # What is no file at all.
    Kind("pipe.zip", fifo, 0, reason="unreadable"),
    Kind("pipe.tar", fifo, 0, reason="unreadable"),
    Kind("device.zip", device, 0, reason="unreadable"),
    Kind("device.tar.gz", device, 0, reason="unreadable"),
    Kind("socket.zip", listening, 0, reason="unreadable"),
    Kind("dangling.tar", dangling, 0, reason="unreadable"),
    Kind("folder.zip", Path.mkdir, 0, reason="unreadable"),
    Kind("link.zip", linked, 2),
)
DISK = (fifo, device, listening, dangling, linked, Path.mkdir)


def write(kind: Kind, folder: Path) -> Path:
    """Make one of them in a folder."""
    path = folder / kind.name
    if kind.make in DISK:
        kind.make(path)
    else:
        path.write_bytes(kind.make())  # type: ignore[call-arg, arg-type]
    return path
