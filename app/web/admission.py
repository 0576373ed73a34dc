"""Admission control: counts what is in progress, and refuses what would exceed a limit. Nothing else decides this.

A request with pictures is checked once before its body is read, so that an overloaded service spends its time on the
requests it has accepted, not on bodies that it will refuse. Bytes are counted as they arrive, since a declared length
is only a hint. A place is taken when the body is complete, so that a slow client does not keep others out.
"""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

from prometheus_client import Gauge

from app.settings import Settings
from app.web.errors import Overloaded, UploadTooLarge

SMALL_BODY_BYTES = 2048  # a longer body probably holds a large picture
# Each route for pictures, and the length up to which a body probably holds small ones: any if there may be several.
PICTURE_ROUTES = {
    "/predict": SMALL_BODY_BYTES,
    "/corrections": SMALL_BODY_BYTES,
    "/explain": -1,  # small pictures are read like large ones
    "/read": -1,
    "/predict/batch": math.inf,
    "/v2/models/digits/infer": math.inf,
    "/v2/models/digits/versions/{version}/infer": math.inf,
}
VERSION = re.compile("/versions/[^/]+")
MAX_REFUSED = 500  # each keeps up to 64 kB of an unread body in memory


def picture_route(path: str) -> str | None:
    """Return the route of a path, if its requests carry pictures."""
    route = VERSION.sub("/versions/{version}", path, count=1)
    return route if route in PICTURE_ROUTES else None


class Resource(StrEnum):
    """A resource that is counted and limited."""

    BYTES = "bytes"
    SMALL = "small"
    LARGE = "large"
    REFUSED = "refused"  # requests that are waiting to be refused


class Admission:
    """Counts and limits the bytes of request bodies, and the small and large pictures, in progress."""

    def __init__(self, settings: Settings, depth: Gauge) -> None:
        self.max_upload_bytes = min(settings.max_upload_bytes, settings.max_held_bytes)
        self.limits = {
            Resource.BYTES: settings.max_held_bytes,
            Resource.SMALL: settings.small_queue,
            Resource.LARGE: settings.decoders + settings.large_queue,
            Resource.REFUSED: MAX_REFUSED,
        }
        # Maximum places for a request with several pictures, so that other requests get some.
        self.shares = {Resource.SMALL: max(1, settings.small_queue // 4), Resource.LARGE: 1}
        self.in_use = dict.fromkeys(Resource, 0)
        self.inflating = asyncio.Lock()  # compressed bodies take turns: a piece of a form may take 0.1 s to parse
        self.depth = {resource: depth.labels(resource) for resource in (Resource.SMALL, Resource.LARGE)}

    def check(self, route: str, declared_bytes: int) -> None:
        """Raise UploadTooLarge or Overloaded if a request of this declared length has to be refused unread."""
        self.check_size(declared_bytes)
        self.check_room(Resource.BYTES, 1)
        self.check_room(Resource.SMALL if declared_bytes <= PICTURE_ROUTES[route] else Resource.LARGE, 1)

    def check_size(self, size: int) -> None:
        """Raise UploadTooLarge if a body is larger than allowed."""
        if size > self.max_upload_bytes:
            raise UploadTooLarge(f"The request is larger than {self.max_upload_bytes:,} bytes: send a smaller picture.")

    def check_room(self, resource: Resource, amount: int) -> None:
        """Raise Overloaded if this amount of a resource would exceed its limit."""
        if self.in_use[resource] + amount > self.limits[resource]:
            raise Overloaded("Too many pictures are being sent at once: try again in a second.")

    def add(self, resource: Resource, amount: int) -> None:
        """Add to the amount of a resource in use, or subtract if negative."""
        self.in_use[resource] += amount
        if resource in self.depth:
            self.depth[resource].set(self.in_use[resource])

    @contextmanager
    def holding(self) -> Iterator["Holding"]:
        """Track what one request holds, and release it at the end."""
        holding = Holding(self)
        try:
            yield holding
        finally:
            for resource, amount in holding.amounts.items():
                self.add(resource, -amount)


class Holding:
    """The resources that one request holds."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.amounts: Counter[Resource] = Counter()

    def take_bytes(self, count: int, size: int) -> None:
        """Count more bytes of a body of `size` so far; raise UploadTooLarge or Overloaded if there are too many."""
        self.admission.check_size(size)
        self.take(Resource.BYTES, count)

    def take(self, resource: Resource, amount: int = 1) -> None:
        """Take an amount of a resource, or raise Overloaded."""
        self.admission.check_room(resource, amount)
        self.admission.add(resource, amount)
        self.amounts[resource] += amount

    def take_share(self, wanted: Mapping[Resource, int]) -> None:
        """Take the wanted places, up to one request's share in total, or raise Overloaded."""
        for resource, amount in wanted.items():
            missing = min(amount, self.share(resource)) - self.amounts[resource]
            if missing > 0:
                self.take(resource, missing)

    def share(self, resource: Resource) -> int:
        """Return the maximum number of places for a request with several pictures."""
        return self.admission.shares[resource]
