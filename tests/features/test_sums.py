from math import fsum, inf, isnan, nan

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.sums import exact_sum

NUMBERS = st.floats(-1e250, 1e250) | st.floats(-200, 200) | st.integers(0, 3000).map(lambda tenths: tenths / 10)


@given(st.lists(NUMBERS, min_size=1, max_size=300), st.booleans())
def test_a_sum_is_the_exact_one_rounded_once(numbers, cancelled):
    numbers += [-one for one in numbers] if cancelled else []
    assert repr(exact_sum(np.array(numbers))) == repr(fsum(numbers))


@given(st.lists(NUMBERS, min_size=1, max_size=50), st.randoms())
def test_a_sum_does_not_depend_on_the_order(numbers, random):
    found = exact_sum(np.array(numbers))
    random.shuffle(numbers)
    assert exact_sum(np.array(numbers)) == found


def test_a_sum_keeps_what_lies_far_below_its_greatest_number():
    assert exact_sum(np.array([1e100, 1.0, -1e100, 2.0**-1074])) == 1.0
    assert exact_sum(np.array([1e100, 2.0**-1074, -1e100])) == 2.0**-1074


def test_what_is_no_number_is_not_hidden():
    assert isnan(exact_sum(np.array([1.0, nan])))
    assert exact_sum(np.array([1.0, inf])) == inf
