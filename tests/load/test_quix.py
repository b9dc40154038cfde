"""The environment of the Quix Streams job: made once, made anew when it should hold other things, or one sentence."""

import pytest

from load_tests.quix import environment
from load_tests.quix.environment import QuixError, interpreter


@pytest.fixture
def commands(monkeypatch):
    """The commands that would have been run."""
    done: list[tuple[str, ...]] = []

    def note(*command: str) -> None:
        done.append(command)

    monkeypatch.setattr(environment, "_do", note)
    return done


def test_an_environment_is_made_once_and_again_when_it_should_hold_other_things(tmp_path, commands):
    folder, wanted = tmp_path / "own", tmp_path / "requirements.txt"
    folder.mkdir()
    said: list[str] = []
    wanted.write_text("one==1\n")
    assert interpreter(said.append, folder, wanted) == folder / "bin" / "python"
    assert [command[2] for command in commands] == ["venv", "pip"]
    interpreter(said.append, folder, wanted)
    assert len(commands) == 2
    wanted.write_text("one==2\n")
    interpreter(said.append, folder, wanted)
    assert len(commands) == 4
    assert len(said) == 2


def test_packages_that_can_not_be_installed_are_one_sentence_and_no_environment(tmp_path):
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("--no-index\nno-such-package==1\n")
    for _ in range(2):
        with pytest.raises(QuixError, match=r"^Quix Streams could not be installed: .*no-such-package") as error:
            interpreter(lambda _: None, tmp_path / "own", wanted)
        assert "\n" not in str(error.value)
