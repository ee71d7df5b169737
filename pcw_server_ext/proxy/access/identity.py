"""Who Spark sees: the server puts the user into every request, whatever the browser sent.

Every request of SparkConnectService has ``UserContext user_context = 2`` with ``user_id = 1`` and ``user_name = 2``
(spark/connect/base.proto). A second occurrence behind the message is merged over the first and its strings win
(protobuf encoding, "Last One Wins"), so nothing but the lengths of the top level's fields is read, and a plan of many
megabytes costs no more than a small one. They are read since a last field that claims more bytes than it has would
swallow what is put behind it: such a request is refused. Spark keeps sessions by user and session id, so a foreign
session id leads nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from pcw_server_ext.proxy.call.methods import USER_CONTEXT

_USER_ID: Final = 1
_USER_NAME: Final = 2
_LENGTH_DELIMITED: Final = 2


def encode_varint(value: int) -> bytes:
    """Protobuf's variable-length number."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a protobuf message."""
    return encode_varint(number << 3 | _LENGTH_DELIMITED) + encode_varint(len(payload)) + payload


def user_context(user_id: str, user_name: str) -> bytes:
    """Bytes that, put behind any request of SparkConnectService, set its user."""
    names = encode_field(_USER_ID, user_id.encode()) + encode_field(_USER_NAME, user_name.encode())
    return encode_field(USER_CONTEXT, names)


def sent_user_context(payload: bytes) -> bytes:
    """The UserContext of a client's request as a field of another one."""
    return encode_field(USER_CONTEXT, payload) if payload else b""


def under_a_hub(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether JupyterHub started this server, so that its users are real."""
    return "JUPYTERHUB_API_TOKEN" in environment
