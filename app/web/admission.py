"""What the service has in hand, and what it refuses because of that: decided here and nowhere else.

A request that carries a picture is asked about once, before its body is read: a service that is overloaded spends its
time on what it took, not on bodies that it will refuse. Bytes are counted as they arrive, since a declared length is
only a hint. A place is taken when the body is complete, since a client that sends slowly must keep nobody out.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

from prometheus_client import Gauge

from app.settings import Settings
from app.web.errors import Overloaded, UploadTooLarge

# Of one picture, which is read at once where it is small.
SMALL_ROUTES = {"/predict", "/explain", "/corrections"}
# Of several pictures: a long body has probably many small ones.
SEVERAL_ROUTES = {"/predict/batch", "/v2/models/digits/infer", "/v2/models/digits/versions/{version}/infer"}
PICTURE_ROUTES = {*SMALL_ROUTES, "/read", *SEVERAL_ROUTES}
VERSION = re.compile("/versions/[^/]+")
SMALL_BODY_BYTES = 2048  # the picture in a longer body is probably a large one
MAX_REFUSED = 500  # up to 64 kB of an unread body are in memory for each


def picture_route(path: str) -> str | None:
    """The route of a path, where requests for it carry pictures."""
    route = VERSION.sub("/versions/{version}", path, count=1)
    return route if route in PICTURE_ROUTES else None


class Resource(StrEnum):
    """What is counted and limited."""

    BYTES = "bytes"
    SMALL = "small"
    LARGE = "large"
    REFUSED = "refused"  # requests that wait for their refusal


class Admission:
    """Counts the bytes of request bodies, and the small and large pictures, that are in hand."""

    def __init__(self, settings: Settings, depth: Gauge) -> None:
        self.max_upload_bytes = settings.max_upload_bytes
        self.limits = {
            Resource.BYTES: settings.max_held_bytes,
            Resource.SMALL: settings.small_queue,
            Resource.LARGE: settings.decoders + settings.large_queue,
            Resource.REFUSED: MAX_REFUSED,
        }
        # The most places that a request with several pictures takes: others have theirs beside it.
        self.shares = {Resource.SMALL: max(1, settings.small_queue // 4), Resource.LARGE: 1}
        self.in_hand = dict.fromkeys(Resource, 0)
        self.depth = {resource: depth.labels(resource) for resource in (Resource.SMALL, Resource.LARGE)}

    def check(self, route: str, declared_bytes: int) -> None:
        """Raise UploadTooLarge or Overloaded where a request that declares this length is to be refused unread."""
        is_small = route in SEVERAL_ROUTES or (route in SMALL_ROUTES and declared_bytes <= SMALL_BODY_BYTES)
        self.check_size(declared_bytes)
        self.check_room(Resource.BYTES, 1)
        self.check_room(Resource.SMALL if is_small else Resource.LARGE, 1)

    def check_size(self, size: int) -> None:
        """Raise UploadTooLarge where a body is larger than allowed."""
        if size > self.max_upload_bytes:
            raise UploadTooLarge(f"The request is larger than {self.max_upload_bytes:,} bytes: send a smaller picture.")

    def check_room(self, resource: Resource, amount: int) -> None:
        """Raise Overloaded where so much more of a resource is more than allowed."""
        if self.in_hand[resource] + amount > self.limits[resource]:
            raise Overloaded("Too many pictures are being sent at once: send this one again in a second.")

    def add(self, resource: Resource, amount: int) -> None:
        """Count so much more of a resource, or less where it is negative."""
        self.in_hand[resource] += amount
        if resource in self.depth:
            self.depth[resource].set(self.in_hand[resource])

    @contextmanager
    def holding(self) -> Iterator["Holding"]:
        """What one request has in hand, given back in the end."""
        holding = Holding(self)
        try:
            yield holding
        finally:
            for resource, amount in holding.amounts.items():
                self.add(resource, -amount)


class Holding:
    """What one request has in hand."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.amounts: dict[Resource, int] = {}

    def take_bytes(self, count: int) -> None:
        """Count bytes of the body that have arrived; UploadTooLarge or Overloaded where they are too many."""
        self.admission.check_size(self.amounts.get(Resource.BYTES, 0) + count)
        self.take(Resource.BYTES, count)

    def take(self, resource: Resource, amount: int = 1) -> None:
        """Count so much more of a resource, or raise Overloaded."""
        self.admission.check_room(resource, amount)
        self.admission.add(resource, amount)
        self.amounts[resource] = self.amounts.get(resource, 0) + amount

    def take_share(self, wanted: Mapping[Resource, int]) -> None:
        """Take as many places as wanted, but no more than one request's share in all, or raise Overloaded."""
        for resource, amount in wanted.items():
            missing = min(amount, self.share(resource)) - self.amounts.get(resource, 0)
            if missing > 0:
                self.take(resource, missing)

    def share(self, resource: Resource) -> int:
        """The most places that a request with several pictures takes."""
        return self.admission.shares[resource]
