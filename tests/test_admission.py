"""Admission: the resources that requests hold, and the requests that are refused because of them."""

import pytest

from app.metrics import Metrics
from app.settings import Settings
from app.web.admission import Admission, Resource
from app.web.errors import Overloaded, UploadTooLarge

LARGE_BODY = 10_000


@pytest.fixture
def metrics() -> Metrics:
    return Metrics({})


@pytest.fixture
def admission(metrics) -> Admission:
    settings = Settings(max_upload_bytes=20_000, max_held_bytes=30_000, small_queue=2, decoders=1, large_queue=1)
    return Admission(settings, metrics.queue_depth)


@pytest.mark.parametrize("route", ["/predict", "/corrections"])
def test_a_request_is_refused_unread_if_its_queue_is_full(admission, route):
    with admission.holding() as first, admission.holding() as second:
        first.take(Resource.LARGE)
        admission.check(route, LARGE_BODY)
        second.take(Resource.LARGE)
        with pytest.raises(Overloaded, match="again in a second"):
            admission.check(route, LARGE_BODY)
        admission.check(route, 300)
    admission.check(route, LARGE_BODY)


@pytest.mark.parametrize("route", ["/read", "/explain"])
def test_numbers_and_explanations_always_need_a_place_in_the_large_queue(admission, route):
    with admission.holding() as first, admission.holding() as second:
        first.take(Resource.LARGE)
        second.take(Resource.LARGE)
        with pytest.raises(Overloaded):
            admission.check(route, 300)
        admission.check("/predict", 300)


def test_a_batch_of_any_size_needs_a_place_in_the_small_queue(admission):
    with admission.holding() as first, admission.holding() as second:
        first.take(Resource.LARGE, 2)
        admission.check("/predict/batch", LARGE_BODY)
        second.take(Resource.SMALL, 2)
        with pytest.raises(Overloaded):
            admission.check("/predict/batch", LARGE_BODY)


def test_a_check_reserves_nothing(admission):
    for _ in range(100):
        admission.check("/predict", 300)
        admission.check("/predict", LARGE_BODY)
    assert set(admission.in_use.values()) == {0}


@pytest.mark.parametrize("kind", [Resource.SMALL, Resource.LARGE])
def test_a_full_queue_refuses_another_picture(admission, kind):
    with admission.holding() as first, admission.holding() as second, admission.holding() as third:
        first.take(kind)
        second.take(kind)
        with pytest.raises(Overloaded):
            third.take(kind)
    assert admission.in_use[kind] == 0


def test_bytes_are_counted_as_they_arrive_across_all_requests(admission):
    with admission.holding() as first, admission.holding() as second:
        first.take_bytes(15_000, 15_000)
        second.take_bytes(15_000, 15_000)
        with pytest.raises(Overloaded):
            admission.check("/predict", 0)
        with pytest.raises(Overloaded):
            second.take_bytes(1, 15_001)
    admission.check("/predict", 0)


def test_a_body_over_the_limit_is_refused(admission):
    admission.check("/predict", 20_000)
    with pytest.raises(UploadTooLarge, match="larger than 20,000 bytes"):
        admission.check("/predict", 20_001)
    with admission.holding() as holding:
        holding.take_bytes(12_000, 12_000)
        holding.take_bytes(8_000, 20_000)
        with pytest.raises(UploadTooLarge):
            holding.take_bytes(1, 20_001)


def test_a_request_that_fails_releases_what_it_holds(admission, metrics):
    def depth(kind: Resource) -> float | None:
        return metrics.registry.get_sample_value("digits_queue_depth", {"queue": kind})

    def fail_in_the_middle():
        with admission.holding() as holding:
            holding.take_bytes(100, 100)
            holding.take(Resource.SMALL)
            assert (admission.in_use[Resource.BYTES], depth(Resource.SMALL), depth(Resource.LARGE)) == (100, 1, 0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    assert set(admission.in_use.values()) == {0}
    assert depth(Resource.SMALL) == 0
