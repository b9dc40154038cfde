"""Makes `words.json` and `manifest.json` of the example from made-up sentences: `python docs/examples/…/train.py`."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline

from models.reader import terms

HERE = Path(__file__).parent

rows = [line.split(",", 1) for line in HERE.joinpath("sentences.csv").read_text(encoding="utf-8").splitlines()[1:]]
says, sentences = np.array([int(row[0]) for row in rows]), [row[1] for row in rows]

words = CountVectorizer(analyzer=lambda text: sorted(terms(text)), binary=True)
model = make_pipeline(words, LogisticRegression(C=3.0))
right = cross_val_predict(model, sentences, says, cv=LeaveOneOut()) == says
print(f"{right.sum()} of {len(right)} sentences are told rightly by a model that was fitted on the others")

model.fit(sentences, says)
weights = dict(zip(words.get_feature_names_out(), map(float, model[-1].coef_[0].round(4)), strict=True))
table = {"bias": round(float(model[-1].intercept_[0]), 4), "terms": {term: weights[term] for term in sorted(weights)}}
data = (json.dumps(table, ensure_ascii=False, indent=1) + "\n").encode()
HERE.joinpath("words.json").write_bytes(data)

manifest = {
    "form": "vagt-plugin/1",
    "name": "bleeding-history",
    "version": "0.1.0",
    "kind": "bleeding-history",
    "owner": "nobody: this is an example",
    "licence": "Apache-2.0",
    "switched_on": False,
    "title": {"en": "Example: bleeding history in a note", "da": "Eksempel: blødningstendens i notat"},
    "event": "a note says that the patient bleeds easily or has bled before",
    "horizon": "P0D",
    "intended_use": "An example of a plug-in that reads notes, fitted on fifty-five made-up sentences and tried on no "
    "patient's record: it is not for use on patients.",
    "population": {
        "description": "nobody: this is an example",
        "unit_types": ["ward", "emergency", "icu"],
        "minimum_age_years": 18,
    },
    "inputs": {"type": "notes", "within_days": 3650},
    "output": {"unit": "1", "low": 0, "high": 1},
    "bands": {"raised": 0.6, "high": 0.8, "clear_below": 0.6},
    "severity": "info",
    "abstention": {"minimum_inputs": 0, "most_outside": 0, "ranges": {}},
    "runtime": {"type": "words", "file": "words.json", "sha256": sha256(data).hexdigest()},
}
HERE.joinpath("manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
