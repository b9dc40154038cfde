"""One row at a time through ONNX Runtime: one thread, the graph as it was written, the same bits each time."""

from math import nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Weights beside the file are under no hash. They are looked for below a place that can hold none.
_NOWHERE: Final = "/dev/null"


class OnnxRow:
    """A model in ONNX that takes ``width`` numbers and gives one.

    Raises:
        ValueError: the file is none, needs other files, or takes and gives something else; or there is no ONNX Runtime.
    """

    def __init__(self, model: bytes, width: int, output: str, column: int) -> None:
        try:
            import onnxruntime as ort
        except ImportError:
            raise ValueError("ONNX Runtime is not installed: pip install 'vagt[onnx]'") from None
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.use_deterministic_compute = True
        options.log_severity_level = 4
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
        try:
            self._session: Any = ort.InferenceSession(
                model, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception:
            # The library's own faults have no class in common but this one.
            raise ValueError("the file is no ONNX model that can be loaded by itself") from None
        taken = self._session.get_inputs()
        if len(taken) != 1 or taken[0].type != "tensor(float)":
            raise ValueError("the model must take one input, a table of 32-bit numbers")
        self._input, self._outputs, self._column = taken[0].name, [output], column
        try:
            self._score(np.zeros(width))
        except Exception:
            raise ValueError(
                f"the model does not turn {width} numbers into a column {column} of an output {output!r}"
            ) from None

    def __call__(self, row: NDArray[np.float64]) -> float:
        """The score of a row of 64-bit numbers; NaN where the model fails at it."""
        try:
            return self._score(row)
        except Exception:
            return nan

    def _score(self, row: NDArray[np.float64]) -> float:
        [given] = self._session.run(self._outputs, {self._input: row.astype(np.float32).reshape(1, -1)})
        [scores] = given.reshape(1, -1)
        return float(scores[self._column])
