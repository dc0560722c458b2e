from __future__ import annotations

import math
import time
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolane.engine.ids import make_id, new_id

NOW = 1_790_000_000.123


def test_the_example_of_the_standard() -> None:
    # RFC 9562, appendix A.6: its rand_a is random, here it is the fraction of the millisecond, 0.
    assert (
        make_id(0x017F22E279B0 / 1000, bytes.fromhex("18c4dc0c0c07398f"))
        == "017f22e2-79b0-7000-98c4-dc0c0c07398f"
    )


@given(st.floats(0, 2**48 / 1000, exclude_max=True), st.binary(min_size=8, max_size=8))
def test_every_id_is_a_uuid_of_version_7_that_tells_its_time(epoch_s: float, random: bytes) -> None:
    made = UUID(make_id(epoch_s, random))
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == pytest.approx(epoch_s * 1000, abs=1.001)


@given(
    st.floats(0, 2e9),
    st.floats(1e-6, 1e6),
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=8, max_size=8),
)
def test_a_later_id_sorts_after_an_earlier_one(at: float, pause: float, one: bytes, two: bytes) -> None:
    assert make_id(at, one) < make_id(at + pause, two)


def test_the_largest_of_all_still_fits() -> None:
    assert make_id(math.nextafter(2**48 / 1000, 0), b"\xff" * 8).startswith("ffffffff-ffff-7")


def test_equal_arguments_make_equal_ids() -> None:
    assert make_id(NOW, b"12345678") == make_id(NOW, b"12345678")
    assert make_id(NOW, b"12345678") != make_id(NOW, b"12345679")


@pytest.mark.parametrize("random", [b"", b"1234567", b"123456789"])
def test_a_wrong_number_of_random_bytes(random: bytes) -> None:
    with pytest.raises(ValueError, match="takes 8 random bytes"):
        make_id(NOW, random)


@pytest.mark.parametrize("epoch_s", [-0.001, 2**48 / 1000, math.inf, -math.inf, math.nan])
def test_a_time_that_does_not_fit(epoch_s: float) -> None:
    with pytest.raises(ValueError, match="holds a time from 1970"):
        make_id(epoch_s, bytes(8))


def test_the_systems_version() -> None:
    before = time.time()
    made = [new_id() for _ in range(1000)]
    after = time.time()
    assert len(set(made)) == 1000
    for one in made:
        assert before * 1000 - 1 <= UUID(one).int >> 80 <= after * 1000
