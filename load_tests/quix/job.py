"""The job in Quix Streams. It runs in an environment of its own, and ends when its standard input does.

State is the last 50 values of each patient; a LightGBM model of 300 trees scores simple statistics of them; every
record gives one output. The model is trained at the start, on made-up numbers and always the same: it says nothing of
anybody, and costs what a real one costs. A patient who is new has 50 values already, as those of the service have a
history.
"""

import sys
import threading
import time
from typing import Any, Final

import lightgbm
import numpy as np
from quixstreams import Application, State

VALUES: Final = 50
TREES: Final = 300
_HISTORY: Final = [float(60 + number % 30) for number in range(VALUES)]
_ROWS: Final = 4000


def statistics(values: list[float]) -> np.ndarray[Any, Any]:
    """One row for the model: shape (1, 8)."""
    all_ = np.asarray(values)
    low, high = all_.min(), all_.max()
    return np.array([[all_[-1], all_.mean(), all_.std(), low, high, high - low, all_[-1] - all_[0], all_[-10:].mean()]])


def model() -> lightgbm.Booster:
    """Of 300 trees with 31 leaves each."""
    chance = np.random.default_rng(1)
    rows = np.concatenate([statistics(list(chance.normal(75, 12, VALUES))) for _ in range(_ROWS)])
    answers = (rows[:, 0] + chance.normal(0, 10, _ROWS) > 80).astype(int)
    options = {"objective": "binary", "num_leaves": 31, "num_threads": 1, "seed": 1, "verbosity": -1}
    return lightgbm.train(options, lightgbm.Dataset(rows, answers), num_boost_round=TREES)


def job(bootstrap: str, group: str, source: str, output: str, folder: str) -> Application:
    """The application, which starts at the beginning of ``source``."""
    booster = model()

    def score(value: Any, state: State) -> dict[str, Any]:
        items = value if isinstance(value, list) else [value]
        values = [*state.get("values", _HISTORY), *(one["value"] for one in items)][-VALUES:]
        state.set("values", values)
        return {"id": items[0]["id"], "score": float(booster.predict(statistics(values), num_threads=1)[0])}

    application = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        state_dir=folder,
        producer_extra_config={"acks": "all", "enable.idempotence": True},
        loglevel="WARNING",
    )
    frame = application.dataframe(application.topic(source, value_deserializer="json"))
    scored = frame.apply(score, stateful=True)
    # It would hand on the input's instant, and the others' outputs bear the instant of their production.
    stamped = scored.set_timestamp(lambda *_: time.time_ns() // 1_000_000)
    stamped.to_topic(application.topic(output, value_serializer="json"))
    return application


def main() -> None:
    """``job.py BOOTSTRAP GROUP SOURCE OUTPUT FOLDER``."""
    application = job(*sys.argv[1:])

    def stop_with_parent() -> None:
        sys.stdin.read()
        application.stop()

    threading.Thread(target=stop_with_parent, daemon=True).start()
    application.run()


if __name__ == "__main__":
    main()
