"""What SOAP needs of `aiohttp.web`: requests, responses, and a server without routes.

Imported from where aiohttp has them: with `aiohttp.web` come its router, its applications and its
files, 1.5 MB that a device without a panel has no use for.
"""

from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

__all__ = [
    "BaseRequest",
    "RequestHandler",
    "RequestPayloadError",
    "Response",
    "Server",
    "StreamResponse",
]
