"""Every setting of the service, read from the environment: DIGITS_ and the name in capitals."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    max_upload_bytes: int = Field(default=20_000_000, gt=0, description="Largest request body.")
    max_pixels: int = Field(default=50_000_000, gt=0, description="Most pixels (width × height) of a picture.")
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        gt=0,
        description="Pictures worked on at the same time.",
    )
    shutdown_timeout_seconds: int = Field(
        default=10, ge=0, description="How long running requests may go on after SIGTERM or Ctrl-C."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log lines to write."
    )
