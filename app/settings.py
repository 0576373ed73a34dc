"""Every setting of the service, read from the environment: DIGITS_ and the name in capitals."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def usable_cores() -> int:
    """Of the cores, those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """The service's settings; each one's sentence stands in its description and in the README."""

    model_config = SettingsConfigDict(env_prefix="DIGITS_", frozen=True)

    model: Path = Field(
        default=Path(__file__).parent.parent / "models" / "digits.onnx",
        description="The model file to serve.",
    )
    host: str = Field(
        default="127.0.0.1", description="The address to listen on; 0.0.0.0 is every one of the machine's."
    )
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    workers: int = Field(
        default_factory=lambda: os.environ.get("WEB_CONCURRENCY", 1),
        validate_default=True,
        ge=1,
        description="Processes that answer, to use as many cores; `WEB_CONCURRENCY` is heeded too.",
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Keys, with commas between them; where there are any, `/predict` and `/metrics` need one.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins, with commas between them, whose pages may ask from a browser; * is any."
    )
    max_upload_bytes: int = Field(default=20_000_000, gt=0, description="Largest request body.")
    max_held_bytes: int = Field(
        default=50_000_000, gt=0, description="Most bytes of request bodies in memory at once, in each worker."
    )
    body_timeout_seconds: float = Field(default=30, gt=0, description="How long a request's body may take to arrive.")
    header_timeout_seconds: float = Field(default=10, gt=0, description="How long a request's headers may take.")
    max_pixels: int = Field(
        default=50_000_000,
        gt=0,
        description="Most pixels (width × height) of a JPEG; of an AVIF 0.3 times as many, of a WebP 0.25, of others, "
        "and of a progressive JPEG, half.",
    )
    threads: int = Field(
        default_factory=lambda: min(4, usable_cores()),
        gt=0,
        description="Larger pictures that are worked on at the same time, in each worker.",
    )
    large_queue: int = Field(default=6, ge=0, description="Larger pictures that may wait for that.")
    small_queue: int = Field(default=64, gt=0, description="Small pictures that may wait, in each worker.")
    drain_seconds: int = Field(
        default=1, ge=0, description="How long `/health` says 503 after SIGTERM before no more connections are taken."
    )
    shutdown_timeout_seconds: int = Field(
        default=10, ge=0, description="How long running requests may go on after SIGTERM or Ctrl-C."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log lines to write."
    )

    @field_validator("api_keys", "cors_origins", mode="before")
    @classmethod
    def split(cls, value: object) -> object:
        """Take a list apart at its commas."""
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
