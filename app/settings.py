"""Settings of the service, from environment variables that begin with DIGITS_."""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    DirectoryPath,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.picture.file_formats import MAX_PIXELS

PREFIX = "DIGITS_"
MAX_PROCESSES = 1024  # more is a typing error, and would take all memory of the machine
HERE = Path(__file__).parent
OF_KEYS = "API_KEYS", "API_KEYS_FILE"
ORIGIN = re.compile(r"\*|null|[a-z-]+://[^/]+")


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shipped(name: str) -> Path:
    """Return the path of a model file, in the installed package or in a clone."""
    installed = HERE / name
    return installed if installed.exists() else HERE.parent / "models" / name


class Settings(BaseSettings):
    """The service's settings; docs/configuration.md repeats their descriptions."""

    # An empty variable counts as unset. Errors leave the input out, since it may hold
    # an API key.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    model: Path = shipped("digits.onnx")
    """Path of the model file that reads single digits."""
    lines_model: Path = shipped("lines.onnx")
    """Path of the model file that reads numbers."""
    pages_model: Annotated[Path | None, NoDecode] = shipped("pages.onnx")
    """Path of the model file that finds the lines of a page, or `none`: then a picture
    is read as one line.
    """
    second_opinion: bool = True
    """Whether the network for numbers is asked about doubtful digits too."""
    host: str = "127.0.0.1"
    """Address to listen on. 0.0.0.0 listens on all interfaces."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on. 0 picks a free one."""
    workers: int = Field(
        default_factory=lambda: os.environ.get("WEB_CONCURRENCY") or 1,
        validate_default=True,
        ge=1,
        le=MAX_PROCESSES,
    )
    """Number of worker processes. Defaults to `WEB_CONCURRENCY`, else 1."""
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Comma-separated API keys. If any are set, reading pictures and `/metrics` require
    one.
    """
    api_keys_file: Path | None = None
    """Path of a file with further API keys, in lines `name: key`. It is read again when
    it changes.
    """
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated origins whose pages may call the API. `*` allows all."""
    max_upload_bytes: PositiveInt = 20_000_000
    """Maximum size of a request body, in bytes."""
    max_held_bytes: PositiveInt = 50_000_000
    """Maximum total size of the request bodies in memory, in bytes, per worker."""
    body_timeout_seconds: PositiveFloat = 30
    """Maximum time during which nothing of a request body arrives, in seconds. All of
    it may take as long, and 1 s more for each 20 kB.
    """
    client_timeout_seconds: PositiveFloat = 10
    """Maximum time to wait for a client, in seconds: to send its request headers, to
    finish a refused body, or to read its response.
    """
    max_pixels: PositiveInt = MAX_PIXELS
    """Maximum number of pixels (width × height) of a picture."""
    max_pages: PositiveInt = 500
    """Maximum number of pages of a PDF or TIFF that one request reads."""
    min_legibility: float = Field(default=0, ge=0, le=1)
    """Minimum legibility, except for `/read` and `/corrections`. Pictures below it get
    the error `not-a-digit`.
    """
    forms_dir: DirectoryPath | None = None
    """Folder of forms, such as `meter.json` for `?form=meter`; it must exist."""
    corrections_dir: DirectoryPath | None = None
    """Folder for corrections. If it is set, `/corrections` stores pictures in it; it
    must exist.
    """
    max_corrections: PositiveInt = 10_000
    """Maximum number of corrections in the folder."""
    max_corrections_bytes: PositiveInt = 1_000_000_000
    """Maximum total size of the folder of corrections, in bytes."""
    decoders: int = Field(
        default_factory=lambda: min(2, usable_cores()), ge=1, le=MAX_PROCESSES
    )
    """Number of processes that decode large pictures, per worker."""
    decoder_memory_bytes: int = Field(default=220_000_000, gt=0, le=10**12)
    """Maximum memory for one picture and its file in a decoder, in bytes.
    Linux only.
    """
    queue_seconds: PositiveFloat = 5
    """Maximum time that a picture waits for its turn, in seconds. A request that would
    wait longer is refused at once.
    """
    drain_seconds: NonNegativeInt = 1
    """Time after SIGTERM, in seconds, during which `/health` answers 503 and the
    service still listens.
    """
    shutdown_timeout_seconds: NonNegativeInt = 9
    """Maximum time for running requests to finish, in seconds, after Ctrl-C or
    `DIGITS_DRAIN_SECONDS`.
    """
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest log level to write: `debug`, `info`, `warning` or `error`."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """Format of log lines: `text`, `json`, or `auto`, which is text on a terminal and
    JSON elsewhere.
    """

    @property
    def files(self) -> tuple[Path, Path, Path | None]:
        """The model files."""
        return self.model, self.lines_model, self.pages_model

    @field_validator("pages_model", mode="before")
    @classmethod
    def check_pages_model(cls, value: object) -> object:
        """Accept `none` in place of a path."""
        return None if value == "none" else value

    @field_validator("api_keys", "cors_origins", mode="before")
    @classmethod
    def split(cls, value: object) -> object:
        """Split a comma-separated list."""
        if not isinstance(value, str):
            return value
        return [part.strip() for part in value.split(",") if part.strip()]

    @field_validator("api_keys", mode="before")  # which runs before the one above
    @classmethod
    def check_keys(cls, value: object) -> object:
        """Reject values that would leave the service open, or lock everyone out."""
        if isinstance(value, str) and not (value.isascii() and value.strip(", ")):
            raise ValueError(
                "write one or more keys of ASCII characters, separated by commas"
            )
        return value

    @field_validator("cors_origins")
    @classmethod
    def check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """Reject what no browser sends as the origin of a page."""
        if not all(map(ORIGIN.fullmatch, origins)):
            raise ValueError("write origins as https://example.org, without a path")
        return origins


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return a warning for each variable with the prefix that is not a setting."""
    settings = [name.upper() for name in Settings.model_fields]
    known = {*settings, "URL"}  # clients have that one, and API_KEY
    if any(environment.get(f"{PREFIX}{name}") for name in OF_KEYS):
        known.add("API_KEY")
    warnings = []
    for variable in sorted(environment):
        name = variable.upper().removeprefix(PREFIX)
        if name != variable.upper() and name not in known:
            near = get_close_matches(name, settings, 1)
            hint = f" Did you mean {PREFIX}{near[0]}?" if near else ""
            warnings.append(f"{variable} is not a setting of Digits.{hint}")
    return warnings
