"""The tests run with array annotations checked."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from latency_models import Prediction


def test_an_array_of_another_shape_than_annotated_is_refused():
    with pytest.raises(TypeCheckError):
        Prediction(np.zeros(2), np.zeros(3))
