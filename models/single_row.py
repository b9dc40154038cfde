"""One row at a time through LightGBM's own fast path, which its Python package does not offer.

``Booster.predict`` prepares each call anew; the C interface prepares once (``FastInit``) and then costs a fraction. The
results are the same bits. Source: LightGBM's ``c_api.h``, the functions on a matrix of a single row.

The package itself, which brings SciPy along, is not imported: that would be a third of a worker's start.
"""

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

_FLOAT64: Final = 1
_RAW_SCORE: Final = 1
_CONTRIBUTIONS: Final = 3
_ONE_THREAD: Final = b"num_threads=1"


class SingleRow:
    """A model of one output, ready for single rows. Not for more than one thread: its buffers are shared.

    Raises:
        ValueError: the text is no LightGBM model.
    """

    def __init__(self, model: str) -> None:
        self._booster, number = ctypes.c_void_p(), ctypes.c_int()
        iterations = ctypes.byref(ctypes.c_int())
        text = ctypes.c_char_p(model.encode())
        _checked(_library().LGBM_BoosterLoadModelFromString(text, iterations, ctypes.byref(self._booster)))
        _checked(_library().LGBM_BoosterGetNumFeature(self._booster, ctypes.byref(number)))
        self._features = number.value
        self._row = np.empty(self._features)
        self._at = ctypes.c_void_p(self._row.ctypes.data)
        self._written = ctypes.byref(ctypes.c_int64())
        self._margin = (ctypes.c_double * 1)()
        self._parts = (ctypes.c_double * (self._features + 1))()
        self._score = self._prepared(_RAW_SCORE)
        self._explain = self._prepared(_CONTRIBUTIONS)

    def margin(self, row: NDArray[np.float64]) -> float:
        """The raw log-odds of a row; NaN is missing."""
        self._predict(self._score, row, self._margin)
        return self._margin[0]

    def contributions(self, row: NDArray[np.float64]) -> list[float]:
        """What each feature adds to the raw log-odds (TreeSHAP), and last the base value."""
        self._predict(self._explain, row, self._parts)
        return list(self._parts)

    def _prepared(self, kind: int) -> ctypes.c_void_p:
        prepared = ctypes.c_void_p()
        _checked(
            _library().LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster,
                ctypes.c_int(kind),
                ctypes.c_int(0),
                ctypes.c_int(-1),
                ctypes.c_int(_FLOAT64),
                ctypes.c_int32(self._features),
                ctypes.c_char_p(_ONE_THREAD),
                ctypes.byref(prepared),
            )
        )
        return prepared

    def _predict(
        self, prepared: ctypes.c_void_p, row: NDArray[np.float64], out: "ctypes.Array[ctypes.c_double]"
    ) -> None:
        if row.shape != self._row.shape:
            raise ValueError(f"a row of {row.shape} where the model has {self._features} features")
        self._row[:] = row
        _checked(_library().LGBM_BoosterPredictForMatSingleRowFast(prepared, self._at, self._written, out))


@cache
def _library() -> ctypes.PyDLL:
    package = find_spec("lightgbm")
    assert package is not None
    assert package.origin is not None
    # Not CDLL: a row takes some 10 µs, and who lets go of the interpreter for that may wait for milliseconds to have it
    # back from the thread that reads Kafka.
    library = ctypes.PyDLL(str(next(Path(package.origin).parent.glob("lib/lib_lightgbm.*"))))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _checked(status: int) -> None:
    if status:
        raise ValueError(f"LightGBM: {_library().LGBM_GetLastError().decode()}")
