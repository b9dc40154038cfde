"""Each requirement is verified by tests, and the tests say which."""

import shutil

import pytest

from deploy.evidence.trace import TESTS, Mark, Requirement, accepted, faults, marks, outcomes, requirements, traced

ONE = Requirement("VAGT-A-01", "safety", "contract", "It works.")
MARK = Mark("VAGT-A-01", "tests/test_a.py::test_it_works", skipped=False)
AGREED = {"VAGT-A-01": ("tests/test_a.py::test_it_works",)}


@pytest.mark.req("VAGT-EVI-01")
def test_every_requirement_is_verified_by_tests_that_are_marked_with_it():
    assert faults(requirements(), marks(), accepted(), {}) == []


def test_what_is_linked_has_no_fault():
    assert faults([ONE], [MARK], AGREED, {MARK.test: "passed"}) == []


@pytest.mark.req("VAGT-EVI-01")
@pytest.mark.parametrize(
    ("wanted", "found", "agreed", "came", "fault"),
    [
        ([ONE], [], {}, {}, "VAGT-A-01 has no test"),
        ([ONE], [], AGREED, {}, "does not verify VAGT-A-01 any more"),
        ([], [MARK], {}, {}, "which is unknown"),
        ([ONE], [MARK], {}, {}, "is not accepted yet"),
        ([ONE, ONE], [MARK], AGREED, {}, "is there twice"),
        ([ONE], [Mark(MARK.requirement, MARK.test, skipped=True)], AGREED, {}, "is always skipped"),
        ([ONE], [MARK], AGREED, {MARK.test: "skipped"}, "and skipped"),
        ([ONE], [MARK], AGREED, {MARK.test: "failed"}, "and failed"),
    ],
)
def test_a_link_that_is_wrong_is_named(wanted, found, agreed, came, fault):
    assert any(fault in one for one in faults(wanted, found, agreed, came))


@pytest.mark.req("VAGT-EVI-01")
def test_a_mark_that_is_taken_away_is_missed(tmp_path):
    def python_alone(_, names):
        return {name for name in names if "." in name and not name.endswith(".py")}

    copy = shutil.copytree(TESTS, tmp_path / "tests", ignore=python_alone)
    test = accepted()["VAGT-ALT-02"][0]
    file = copy.parent / test.partition("::")[0]
    file.write_text(file.read_text(encoding="utf-8").replace('@pytest.mark.req("VAGT-ALT-02")\n', ""), encoding="utf-8")
    assert f"{test} does not verify VAGT-ALT-02 any more" in faults(requirements(), marks(copy), accepted(), {})


def test_marks_are_read_with_the_tests_own_path(tmp_path):
    tmp_path.joinpath("sub").mkdir()
    marked = '@pytest.mark.skip(reason="x")\n@pytest.mark.req("R-1", "R-2")\nasync def test_b(): ...\n'
    tmp_path.joinpath("sub", "test_a.py").write_text(marked)
    assert traced(marks(tmp_path)) == dict.fromkeys(("R-1", "R-2"), ("tests/sub/test_a.py::test_b",))
    assert all(mark.skipped for mark in marks(tmp_path))


def test_what_came_of_a_test_is_the_worst_that_came_of_its_cases(tmp_path):
    cases = (
        '<testcase classname="tests.a.test_x" name="test_1[a]"/><testcase classname="tests.a.test_x" name="test_1[b]">'
        '<failure/></testcase><testcase classname="tests.a.test_x" name="test_2"><skipped/></testcase>'
    )
    tmp_path.joinpath("one.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert outcomes(tmp_path) == {"tests/a/test_x.py::test_1": "failed", "tests/a/test_x.py::test_2": "skipped"}
    tmp_path.joinpath("two.xml").write_text(
        '<testsuite><testcase classname="tests.a.test_x" name="test_2"/></testsuite>'
    )
    assert outcomes(tmp_path)["tests/a/test_x.py::test_2"] == "passed"
    assert outcomes(tmp_path / "nowhere") == {}
