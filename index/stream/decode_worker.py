"""A process that decodes images and nothing else: it opens no file, and what it may take is limited.

Frames in: ``<IH`` (bytes, longest side) and the encoded image. Frames out: ``<I`` (bytes of a header), the header
as MessagePack, then the pixels. Run by `index.stream.sandbox`, with the limits as arguments.
"""

from __future__ import annotations

import io
import math
import os
import resource
import struct
import sys
from typing import BinaryIO

import msgspec
from PIL import ExifTags, Image

from index.stream.decode import MIN_SIDE, decode_image
from ops.errors import RejectError

REQUEST = struct.Struct("<IH")
LENGTH = struct.Struct("<I")


_KINDS = {
    "JPEG": ("RGB", "L", "CMYK"), "PNG": ("RGB", "RGBA", "P", "LA", "I;16"), "WEBP": ("RGB", "RGBA"), "GIF": ("P",),
    "BMP": ("RGB",), "TIFF": ("RGB", "I;16"),
}  # fmt: skip


class Answer(msgspec.Struct, frozen=True):
    """What became of an image.

    Attributes:
        shape: ``(height, width)`` of the pixels that follow, zeros if none do.
        size: original ``(width, height)``.
        reason: why it is refused; empty if it is not.
        detail: the reason in words.
    """

    shape: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)
    reason: str = ""
    detail: str = ""


def main(memory_mib: int, cpu_s: float) -> None:
    """Answers requests on standard input until it ends."""
    source = sys.stdin.buffer
    # Whatever a decoder prints must not get between the answers.
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _warm_up()
    limit_process(memory_mib)
    while head := source.read(REQUEST.size):
        length, max_side = REQUEST.unpack(head)
        raw = source.read(length)
        limit_cpu(cpu_s)
        _answer(sink, raw, max_side)


def _warm_up() -> None:
    """Decodes one of each kind, so that nothing is left to be imported when no file can be opened any more."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for kind, modes in _KINDS.items():
        for mode in modes:
            buffer = io.BytesIO()
            Image.new(mode, (MIN_SIDE, MIN_SIDE)).save(
                buffer, kind, **({} if kind in ("GIF", "BMP") else {"exif": exif})
            )
            decode_image(buffer.getvalue(), MIN_SIDE)


def limit_process(memory_mib: int) -> None:
    """Lets this process take so much more memory than it has, and open and write no file any more."""
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    most = mapped + memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # open files stay, no other can be opened


def limit_cpu(seconds: float) -> None:
    """Ends this process once it has computed for so many more seconds."""
    # The limit counts from the start of the process, so it moves on with each image.
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _answer(sink: BinaryIO, raw: bytes, max_side: int) -> None:
    try:
        pixels, size = decode_image(raw, max_side)
    except RejectError as error:
        header, body = Answer(reason=error.reason, detail=error.detail), b""
    else:
        header, body = Answer((pixels.shape[0], pixels.shape[1]), size), pixels.tobytes()
    packed = msgspec.msgpack.encode(header)
    sink.write(LENGTH.pack(len(packed)) + packed + body)
    sink.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
