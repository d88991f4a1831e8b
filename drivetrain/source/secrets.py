"""Passwords come from the environment, and stand in no message."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from drivetrain.errors import DataError

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def with_secrets(location: str, where: str) -> str:
    """A location with its references to environment variables (`${DB_PASSWORD}`) filled in.

    Raises:
        DataError: A variable is not set.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise DataError(
                f"refers to the environment variable `{found[1]}`, which is not set.", f"Set `{found[1]}`.", where
            )
        return os.environ[found[1]]

    return _REFERENCE.sub(value, location)


def redacted(location: str) -> str:
    """A location as messages may show it: scheme, host and path, without user, password and query."""
    parts = urlsplit(location)
    if not parts.scheme:
        return location
    return f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}{parts.path}"


def without_secrets(message: str, location: str) -> str:
    """A message of a server without the user, the password and the query of a location."""
    parts = urlsplit(location)
    secrets = [parts.password, unquote(parts.password or ""), parts.query, parts.username]
    secrets += [pair.partition("=")[2] for pair in parts.query.split("&")]
    for secret in secrets:
        if secret:
            message = message.replace(secret, "***")
    return message
