"""A model that others made runs beside the release's with no code changed, when its manifest is right and signed."""

import json
import shutil
from math import nan

import numpy as np
import onnx as onnx_format
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from features.catalogue import catalogue
from features.record import Record
from features.vector import FEATURES, NAMES, PLACES
from models.artefact import MANIFEST, SIGNATURE, UNSIGNED, ArtefactError, Trust, parsed, put_signature
from models.boosted import Boosted
from models.onnx_row import OnnxRow
from models.plugged import Plugged
from models.plugin import Features, Manifest, unit_of
from models.registry import FOLDERS, shipped
from models.seen import see
from models.shelf import Shelf, opened
from models.step import Decider, Place, step
from streams.board.phrases import Phrases
from streams.release import describe
from streams.terms import Terms
from tests import plugins
from tests.builders import CODES, LOINC, PATIENT, after, encounter, observation
from tests.plugins import classifier, manifest, new_shelf, onnx, put


def _named(*pairs):
    features = [{"name": name, "unit": unit} for name, unit in zip(pairs[::2], pairs[1::2], strict=True)]
    return {"type": "features", "version": "2", "features": features}


ADMITTED = encounter("admit", 0, unitType="ward", birthDate="1951-05-02")
TERMS = Terms(4, True, 1 << 20, 600_000, "region_sjaelland", False)


@pytest.fixture(autouse=True)
def lactate(monkeypatch):
    monkeypatch.setitem(CODES, "lactate", (LOINC, "2524-7", "mmol/L"))


@pytest.fixture
def shelf(tmp_path):
    return new_shelf(tmp_path)


def ill(lactate: float = 4.0, heart_rate: float = 130.0):
    return [ADMITTED, observation("lactate", lactate, 1), observation("heart_rate", heart_rate, 1)]


def load(tmp_path, model=None, **changes) -> Plugged:
    return Plugged(put(tmp_path / "one", manifest(model, **changes), model), UNSIGNED)


def refusal(tmp_path, model=None, **changes) -> str:
    with pytest.raises(ArtefactError) as caught:
        load(tmp_path, model, **changes)
    return str(caught.value)


# ---------------------------------------------------------------- beside ours


def test_a_model_from_scikit_learn_runs_beside_ours_with_no_code_changed(shelf, tmp_path):
    own, key = shelf
    put(tmp_path / "models" / "crisis", manifest(), key=key)
    decider = TERMS.decider(own)
    assert [one.kind for one in decider.scorers] == [*(one.kind for one in shipped()), "crisis-risk"]
    decided = step(decider, Record(), PATIENT, ill(), Place("events", 0, 0))
    scores = {one.kind: one for one in decided.scores}
    ours = {one.kind for one in step(Decider(catalogue(), shipped()), Record(), PATIENT, ill(), Place("", 0, 0)).scores}
    assert scores.keys() == ours | {"crisis-risk"}

    crisis = scores["crisis-risk"]
    row = np.array([[4.0, 130.0, 74.0]], np.float32)
    assert crisis.score == pytest.approx(classifier().predict_proba(row)[0, 1], abs=1e-6)
    assert (crisis.model.name, crisis.model.version, crisis.band, crisis.abstained) == (
        "crisis",
        "1.0.0",
        "high",
        False,
    )
    alert = next(one for one in decided.alerts if one.kind == "crisis-risk")
    assert (alert.title.da, alert.severity) == ("Risiko for krise", "warning")
    assert {one.id for one in alert.evidence} == {"lactate-1", "heart_rate-1"}
    assert alert.score is not None
    assert alert.score.reasons == (), "nobody asks a foreign model for its reasons"


def test_a_missing_input_reaches_the_model_as_missing(tmp_path):
    found = load(tmp_path).score(after(ADMITTED, observation("lactate", 3.0, 1)))
    expected = classifier().predict_proba(np.array([[3.0, nan, 74.0]], np.float32))[0, 1]
    assert found.score == pytest.approx(expected, abs=1e-6)


def test_a_plug_in_gives_the_same_bits_each_time_and_in_each_instance(tmp_path):
    one, other = OnnxRow(onnx(), 3, "probabilities", 1), OnnxRow(onnx(), 3, "probabilities", 1)
    rows = np.random.default_rng(1).normal((2, 90, 60), (1, 20, 15), (200, 3))
    first = [one(row) for row in rows]
    assert first == [one(row) for row in rows] == [other(row) for row in rows]


def test_scorers_stand_in_the_order_of_their_names_however_the_folders_are_called(shelf, tmp_path):
    own, key = shelf
    for folder, name in (("z", "alpha"), ("a", "zeta")):
        put(tmp_path / "models" / folder, manifest(name=name, kind=f"{name}-risk"), key=key)
    (tmp_path / "models" / ".git").mkdir()
    (tmp_path / "models" / "README").write_text("notes")
    assert [one.model.name for one in own.beside(())] == ["alpha", "zeta"]


@pytest.mark.parametrize("runtime", ["logit", "identity"])
def test_lightgbms_own_text_runs_too(tmp_path, runtime):
    aki = FOLDERS[1]
    ours = Boosted(aki)
    features = [{"name": one, "unit": unit_of(FEATURES[PLACES[one]])} for one in ours.manifest.features]
    model = aki.joinpath("model.txt").read_bytes()
    described = manifest(model)
    text = {"type": "lightgbm", "file": "model.txt", "sha256": described["runtime"]["sha256"], "link": runtime}
    output = {"unit": "1", "low": 0 if runtime == "logit" else -10, "high": 1 if runtime == "logit" else 10}
    found = load(
        tmp_path, model, runtime=text, output=output, inputs={**described["inputs"], "features": features}
    ).score(after(*ill()))
    margin = ours._row.margin(see(after(*ill())).row[ours._columns])
    assert found.score == pytest.approx(1 / (1 + np.exp(-margin)) if runtime == "logit" else margin)


# ---------------------------------------------------------------- when it does not know


def test_it_abstains_where_too_little_is_known_and_where_a_value_is_outlandish(tmp_path):
    plugged = load(
        tmp_path, abstention={"minimum_inputs": 2, "most_outside": 0, "ranges": {"lactate": {"low": 0, "high": 30}}}
    )
    few = plugged.score(after(ADMITTED, observation("lactate", 4.0, 1)))
    assert (few.abstained, few.low, few.high) == (True, 0, 1)
    assert plugged.score(after(*ill(lactate=31))).abstained
    assert not plugged.score(after(*ill(lactate=30))).abstained


@pytest.mark.parametrize("given", [nan, float("inf"), -0.1, 1.1])
@pytest.mark.req("VAGT-MOD-10")
def test_an_output_that_is_no_number_of_its_range_is_an_abstention_and_never_a_score(tmp_path, given):
    found = load(tmp_path, _constant(given), runtime=_runtime(_constant(given))).score(after(*ill()))
    assert (found.score, found.abstained, found.low, found.high) == (0, True, 0, 1)


def test_a_model_that_fails_at_a_row_abstains_and_ends_nothing(tmp_path):
    model = _gathering()
    found = load(tmp_path, model, runtime=_runtime(model)).score(after(*ill()))
    assert found.abstained


@pytest.mark.parametrize(
    ("changes", "unit", "birth"),
    [({"switched_on": False}, "ward", "1951-05-02"), ({}, "dialysis", "1951-05-02"), ({}, "ward", "2015-01-01")],
)
@pytest.mark.req("VAGT-MOD-10")
def test_it_scores_in_shadow_when_switched_off_and_for_whom_it_was_not_made(tmp_path, changes, unit, birth):
    admitted = encounter("admit", 0, unitType=unit, birthDate=birth)
    assert load(tmp_path, **changes).score(after(admitted, *ill()[1:])).shadow


# ---------------------------------------------------------------- what never loads


@pytest.mark.parametrize("part", [MANIFEST, SIGNATURE, "model.onnx"])
@pytest.mark.req("VAGT-MOD-10")
def test_a_plug_in_of_which_one_byte_was_changed_never_loads(shelf, tmp_path, part):
    own, key = shelf
    folder = put(tmp_path / "models" / "crisis", manifest(), key=key)
    data = bytearray(folder.joinpath(part).read_bytes())
    data[len(data) // 2] ^= 1
    folder.joinpath(part).write_bytes(data)
    with pytest.raises(ArtefactError, match=f"the model in {folder}"):
        own.beside(())


def test_a_plug_in_that_nobody_who_is_trusted_signed_never_loads(shelf, tmp_path):
    own, key = shelf
    folder = put(tmp_path / "models" / "crisis", manifest())
    with pytest.raises(ArtefactError, match="is not signed"):
        TERMS.decider(own)
    put_signature(folder, key)
    with pytest.raises(ArtefactError, match="not signed by a key that is trusted"):
        TERMS.decider(Shelf(own.models))
    assert TERMS.decider(own)


def test_a_folder_without_a_manifest_and_a_place_that_is_none_are_told(shelf, tmp_path):
    own, _ = shelf
    (tmp_path / "models" / "half").mkdir()
    with pytest.raises(ArtefactError, match=r"half: manifest\.json cannot be read"):
        TERMS.decider(own)
    with pytest.raises(ArtefactError, match=r"VAGT_MODELS=.* is no folder"):
        TERMS.decider(Shelf(tmp_path / "gone"))


@pytest.mark.parametrize("other", [{}, {"version": "2.0.0", "kind": "other-risk"}, {"name": "aki-risk"}])
def test_a_model_that_cannot_be_told_from_another_is_refused(shelf, tmp_path, other):
    own, key = shelf
    put(tmp_path / "models" / "a", manifest(), key=key)
    put(tmp_path / "models" / "b", manifest(**other), key=key)
    with pytest.raises(ArtefactError, match="cannot be told from"):
        TERMS.decider(own)


def test_a_second_version_of_a_model_that_runs_elsewhere_needs_a_name_of_its_own(shelf, tmp_path):
    own, key = shelf
    runtime = {"type": "http", "url": "https://models.example/score", "sha256": "a" * 64, "deadline_ms": 1000}
    for version in ("1.0.0", "2.0.0"):
        put(tmp_path / "models" / version, manifest(version=version, runtime=runtime), key=key)
    with pytest.raises(ArtefactError, match=r"crisis 2\.0\.0 .* cannot be told from crisis 1\.0\.0"):
        TERMS.decider(own)


@pytest.mark.parametrize("kind", ["crisis-risk", "infection-risk", "news2"])
def test_of_each_kind_the_releases_model_or_the_oldest_version_is_live_and_the_others_wait(shelf, tmp_path, kind):
    own, key = shelf
    for version in ("1.10.0", "1.9.0"):
        put(tmp_path / "models" / version, manifest(version=version, kind=kind), key=key)
    decider = TERMS.decider(own)
    loaded = [(one.model.name, one.model.version) for one in decider.loaded if one.kind == kind]
    assert loaded[-2:] == [("crisis", "1.9.0"), ("crisis", "1.10.0")]
    assert [(one.model.name, one.model.version) for one in decider.scorers if one.kind == kind] == loaded[:1]
    assert decider.shadows == ()


def test_a_model_in_the_releases_own_form_is_loaded_from_the_deployments_folder_too(shelf, tmp_path):
    own, key = shelf
    folder = tmp_path / "models" / "aki"
    shutil.copytree(FOLDERS[1], folder)
    described = json.loads(folder.joinpath(MANIFEST).read_bytes())
    folder.joinpath(MANIFEST).write_text(json.dumps({**described, "version": "9.9.9"}))
    put_signature(folder, key)
    found = [one.model.version for one in TERMS.decider(own).loaded if one.kind == "aki-risk"]
    assert found == [described["version"], "9.9.9"]
    assert own.titles() == {}, "the release has words for its own kinds"


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", onnx()[:100], b"\x08\x09" + b"\0" * 100, onnx().replace(b"Imputer", b"\xffmputer")],
    ids=range(5),
)
def test_a_file_that_is_no_onnx_model_is_refused_and_nothing_of_it_is_printed(tmp_path, data, capfd):
    said = refusal(tmp_path, data, runtime=_runtime(data))
    assert said.endswith("model.onnx: the file is no ONNX model that can be loaded by itself")
    assert "".join(capfd.readouterr()) == ""


def test_a_model_whose_weights_lie_in_another_file_is_refused_since_no_hash_is_on_them(tmp_path, monkeypatch):
    weights = helper.make_tensor("W", TensorProto.FLOAT, [3, 1], np.ones(3, np.float32).tobytes(), raw=True)
    model = onnx_format.ModelProto.FromString(_model([helper.make_node("MatMul", ["X", "W"], ["Y"])], [weights]))
    assert OnnxRow(model.SerializeToString(), 3, "Y", 0)(np.ones(3)) == 3
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")
    for folder in (tmp_path, tmp_path / "one"):
        folder.mkdir(exist_ok=True)
        folder.joinpath("weights.bin").write_bytes(np.ones(3, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    data = model.SerializeToString()
    assert "no ONNX model that can be loaded by itself" in refusal(tmp_path, data, runtime=_runtime(data))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": plugins.INPUTS[:2]}, "does not turn 2 numbers"),
        ({"output": "label"}, "column 1"),
        ({"output": "logits"}, "an output 'logits'"),
        ({"column": 2}, "column 2"),
    ],
)
def test_an_onnx_model_of_another_shape_is_refused(tmp_path, changes, said):
    described = manifest()
    features = [{"name": name, "unit": unit} for name, unit in changes.pop("features", plugins.INPUTS)]
    runtime = {**described["runtime"], **changes}
    assert said in refusal(tmp_path, runtime=runtime, inputs={**described["inputs"], "features": features})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"form": "vagt-plugin/2"}, "form: Input should be 'vagt-plugin/1'"),
        ({"name": "Crisis!"}, "name: String should match"),
        ({"version": ""}, "version: "),
        ({"kind": "../x"}, "kind: String should match"),
        ({"owner": ""}, "owner: String should have at least 1 character"),
        ({"licence": None}, "licence: Input should be a valid string"),
        ({"switched_on": "perhaps"}, "switched_on: Input should be a valid boolean"),
        ({"title": {"en": "x"}}, "title.da: Field required"),
        ({"intended_use": ""}, "intended_use: "),
        ({"population": {"description": "", "unit_types": ["Ward"], "minimum_age_years": 1}}, "unit_types.0: Input"),
        ({"inputs": {"type": "features", "version": "1", "features": [{"name": "age_years", "unit": "a"}]}}, "has 2"),
        ({"inputs": {"type": "features", "version": "2", "features": []}}, "at least 1 item"),
        ({"inputs": _named("lactat_last", "mmol/L")}, "there is no feature lactat_last"),
        ({"inputs": _named("lactate_last", "mg/dL")}, "lactate_last is in mmol/L here, and the manifest says mg/dL"),
        ({"inputs": _named("lactate_last", "mmol/L", "lactate_last", "mmol/L")}, "a feature comes twice"),
        ({"output": {"unit": "1", "low": 1, "high": 1}}, "output: low must be less than high"),
        ({"output": {"unit": "1", "low": 0, "high": "Infinity"}}, "output.high: "),
        ({"bands": {"raised": 0.7, "high": 0.6, "clear_below": 0.3}}, "bands: raised and high"),
        ({"bands": {"raised": 0.3, "high": 1.6, "clear_below": 0.3}}, "bands: raised and high"),
        ({"bands": {"raised": 0.3, "high": 0.6, "clear_below": 0.7}}, "bands: clear_below"),
        ({"severity": "fatal"}, "severity: Input should be 'info', 'warning' or 'critical'"),
        ({"abstention": {"minimum_inputs": 1, "most_outside": 0, "fresh": ["lactat"], "ranges": {}}}, "no analyte"),
        ({"runtime": {"type": "pickle", "file": "model.pkl"}}, "runtime: Input tag 'pickle'"),
        ({"runtime": {"type": "onnx", "file": "../model.onnx", "sha256": "0" * 64, "output": "x"}}, "file: String"),
        ({"runtime": {"type": "onnx", "file": "model.onnx", "sha256": "0", "output": "x"}}, "sha256: String should"),
        ({"more": 1}, "more: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_wrong_in_one_field_is_refused_with_a_sentence_that_names_it(tmp_path, changes, said):
    found = refusal(tmp_path, **changes)
    assert found.startswith(f"the model in {tmp_path / 'one'} has a manifest that is wrong: ")
    assert said in found


@pytest.mark.parametrize("name", sorted(manifest()))
def test_every_field_of_the_manifest_is_needed(tmp_path, name):
    described = manifest()
    del described[name]
    with pytest.raises(ArtefactError, match=f"{name}: Field required"):
        Plugged(put(tmp_path / "one", described), UNSIGNED)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(manifest())), inner=st.text(max_size=8), value=json_values)
def test_a_manifest_with_anything_in_it_is_one_or_is_refused(tmp_path_factory, name, inner, value):
    described = manifest()
    part = described[name]
    described[name] = {**part, inner: value} if isinstance(part, dict) and inner else value
    data = json.dumps(described).encode()
    try:
        found = parsed(Manifest, tmp_path_factory.getbasetemp(), data)
    except ArtefactError:
        return
    assert found.output.low <= found.bands.clear_below <= found.output.high
    assert not isinstance(found.inputs, Features) or {one.name for one in found.inputs.features} <= set(NAMES)


# ---------------------------------------------------------------- around it


def test_what_decides_is_described_with_the_plug_in_and_its_runtime(shelf, tmp_path):
    own, key = shelf
    before = describe(TERMS, TERMS.decider())
    folder = put(tmp_path / "models" / "crisis", manifest(), key=key)
    first = describe(TERMS, TERMS.decider(own))
    assert "onnxruntime" not in json.loads(before)["libraries"]
    assert "onnxruntime" in json.loads(first)["libraries"]
    put(folder, manifest(bands={"raised": 0.3, "high": 0.7, "clear_below": 0.3}), key=key)
    second = describe(TERMS, TERMS.decider(Shelf(own.models, own.keys.joinpath("../keys"))))
    assert json.loads(first)["models"][-1]["name"] == "crisis"
    assert len({before, first, second}) == 3, "other bands in the manifest are another decider"


def test_the_board_calls_its_kind_as_the_manifest_does(shelf, tmp_path):
    own, key = shelf
    put(tmp_path / "models" / "crisis", manifest(), key=key)
    assert Phrases.of("da", "UTC", own.titles()).word("kinds", "crisis-risk") == "Risiko for krise"
    assert Phrases.of("en", "UTC", own.titles()).word("kinds", "crisis-risk") == "Risk of crisis"
    assert Phrases.of("en", "UTC").word("kinds", "crisis-risk") == "crisis-risk"


def test_a_folder_is_opened_by_what_its_manifest_says(shelf, tmp_path):
    own, key = shelf
    folder = put(tmp_path / "models" / "crisis", manifest(), key=key)
    assert isinstance(opened(folder, Trust(own.keys)), Plugged)
    assert isinstance(opened(FOLDERS[0], Trust()), Boosted)


def _model(nodes, initializers=(), output=TensorProto.FLOAT) -> bytes:
    given = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 3])
    said = helper.make_tensor_value_info("Y", output, None)
    graph = helper.make_graph(nodes, "test", [given], [said], list(initializers))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    return bytes(made.SerializeToString())


def _constant(value: float) -> bytes:
    number = helper.make_tensor("value", TensorProto.FLOAT, [1, 1], [value])
    return _model([helper.make_node("Constant", [], ["Y"], value=number)])


def _gathering() -> bytes:
    """Takes the element that its second input says: of the zeros with which it is tried there is one."""
    nodes = [
        helper.make_node("Cast", ["X"], ["places"], to=TensorProto.INT64),
        helper.make_node("Flatten", ["X"], ["row"]),
        helper.make_node("GatherElements", ["row", "places"], ["Y"], axis=1),
    ]
    return _model(nodes)


def _runtime(model: bytes):
    return {**manifest(model)["runtime"], "output": "Y", "column": 0}
