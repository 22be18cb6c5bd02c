"""What one request may ask and what the server holds at once; `GET /api/limits` announces it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """Beyond these a request is refused at once: 413, 422 or 429, with what was given and what is allowed."""

    model_config = ConfigDict(frozen=True)

    images: int = Field(default=64, description="images of one request")
    pixels: int = Field(default=2**24, description="pixels of one request's images together")
    upload_bytes: int = Field(default=16 * 2**20, description="bytes of a request's body")
    upload_pixels: int = Field(default=2**24, description="pixels of an uploaded picture, before it is decoded")
    waiting: int = Field(default=1024, description="requests that wait or are being made; the next one is answered 429")
    seconds: float = Field(default=60.0, description="that a request waits for its images; then it is answered 503")
    decoding: int = Field(default=2, description="uploads that are decoded at the same time; others wait")
    loaded: int = Field(default=4, description="models in memory; the one unused longest is dropped")
    training: int = Field(default=1, description="training jobs at the same time")
    jobs: int = Field(default=2, description="other jobs (checks, evaluations) at the same time")
