"""One row at a time through LightGBM's own fast path, which its Python package does not offer.

``Booster.predict`` prepares each call anew; the C interface prepares once (``FastInit``) and then costs a fraction. The
results are the same bits. Source: LightGBM's ``c_api.h``, the functions on a matrix of a single row.
"""

import ctypes
from typing import Final

import lightgbm as lgb
import numpy as np
from lightgbm.basic import _LIB as _LIGHTGBM
from numpy.typing import NDArray

_FLOAT64: Final = 1
_RAW_SCORE: Final = 1
_CONTRIBUTIONS: Final = 3
_ONE_THREAD: Final = b"num_threads=1"


class SingleRow:
    """A booster of one output, ready for single rows. Not for more than one thread: its buffers are shared."""

    def __init__(self, booster: lgb.Booster) -> None:
        self._booster = booster  # the handle below lives as long as this
        self._features: int = booster.num_feature()
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
            _LIGHTGBM.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster._handle,
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
        _checked(_LIGHTGBM.LGBM_BoosterPredictForMatSingleRowFast(prepared, self._at, self._written, out))


def _checked(status: int) -> None:
    if status:
        raise RuntimeError(f"LightGBM: {_LIGHTGBM.LGBM_GetLastError().decode()}")
