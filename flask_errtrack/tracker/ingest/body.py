"""The body of a request: read and decompressed, never beyond a bound.

Owns the content encodings. Knows nothing of what is in the body.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import IO, Any

from .problems import Problem, TooLarge, UnknownEncoding

#: As it comes, and as it is unpacked: an event may come with attachments.
MAX_BODY_BYTES = 5 * 2**20

_STEP_BYTES = 64 * 1024
#: Some old clients say so of a body that is not compressed.
_PLAIN = ("", "identity", "utf-8")
# Older ones write out of bounds for some input.
_MIN_BROTLI = (1, 2, 1)
# What RFC 8878 wants every decoder to take; more would be memory for nothing.
_ZSTD_WINDOW_LOG = 23


def read_bounded(stream: IO[bytes]) -> bytes:
    """Return all of a stream, whatever it said about its length.

    :raises TooLarge: it is more than :data:`MAX_BODY_BYTES`.
    """
    parts: list[bytes] = []
    left = MAX_BODY_BYTES + 1
    while left and (part := stream.read(min(left, _STEP_BYTES))):
        parts.append(part)
        left -= len(part)
    if not left:
        raise TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")
    return b"".join(parts)


def decoded(body: bytes, encoding: str) -> bytes:
    """Return a body without its content encoding.

    :raises TooLarge: it would be more than :data:`MAX_BODY_BYTES`.
    :raises UnknownEncoding: it cannot be read here.
    :raises Problem: it is not what it says.
    """
    name = encoding.strip().lower()
    if name in _PLAIN:
        return body
    decode = _DECODERS.get(name)
    if decode is None:
        known = ", ".join(_DECODERS)
        raise UnknownEncoding(
            f"the Content-Encoding is {encoding!r:.60}; expected none or one of {known}"
        )
    return decode(body)


def from_base64(body: bytes) -> bytes:
    """Return the JSON that very old clients send: zlib inside base64.

    :raises Problem: the body is neither.
    """
    try:
        packed = base64.b64decode(body, validate=True)
    except binascii.Error:
        raise Problem(
            "the body is neither a JSON object nor base64 of a zlib stream"
        ) from None
    return _inflate(packed, zlib.MAX_WBITS, "base64")


def _gzip(body: bytes) -> bytes:
    return _inflate(body, zlib.MAX_WBITS | 16, "gzip")


def _deflate(body: bytes) -> bytes:
    """A zlib stream as the RFC has it, or a raw one as some clients have it."""
    try:
        return _inflate(body, zlib.MAX_WBITS, "deflate")
    except TooLarge:
        raise
    except Problem:
        return _inflate(body, -zlib.MAX_WBITS, "deflate")


def _inflate(body: bytes, window_bits: int, name: str) -> bytes:
    decoder = zlib.decompressobj(window_bits)
    try:
        data = decoder.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise _broken(name, error) from None
    return _checked(data, decoder.eof and not decoder.unused_data, name)


def _brotli(body: bytes) -> bytes:
    brotli = _package("brotli", "br")
    version = str(getattr(brotli, "__version__", "of unknown age"))
    if tuple(int(part) for part in re.findall(r"\d+", version)[:3]) < _MIN_BROTLI:
        raise UnknownEncoding(
            f"the package brotli is {version} here, which is not safe to read with; "
            "send gzip, or upgrade it to 1.2.1"
        )
    decoder = brotli.Decompressor()
    try:
        data = decoder.process(body, output_buffer_limit=MAX_BODY_BYTES + 1)
    except brotli.error as error:
        raise _broken("br", error) from None
    return _checked(data, decoder.is_finished(), "br")


def _zstd(body: bytes) -> bytes:
    zstd = _package("compression.zstd", "zstd", "backports.zstd")
    options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    decoder = zstd.ZstdDecompressor(options=options)
    try:
        data = decoder.decompress(body, max_length=MAX_BODY_BYTES + 1)
    except zstd.ZstdError as error:
        raise _broken("zstd", error) from None
    return _checked(data, decoder.eof and not decoder.unused_data, "zstd")


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}


def _package(name: str, encoding: str, *others: str) -> Any:
    """Import what reads an encoding, under the first of its names that is there."""
    for one in (name, *others):
        try:
            return import_module(one)
        except ModuleNotFoundError:
            continue
    raise UnknownEncoding(
        f"the package {(*others, name)[0]} is not installed here, so that "
        f"{encoding} cannot be read; send gzip"
    )


def _checked(data: bytes, is_whole: bool, name: str) -> bytes:
    if len(data) > MAX_BODY_BYTES:
        raise TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes unpacked")
    if not is_whole:
        raise Problem(f"the body is not one whole {name} stream")
    return data


def _broken(name: str, error: Exception) -> Problem:
    return Problem(f"the body is not {name}: {error}")
