"""A model is loaded when somebody who is trusted signed it, just as it lies there, and else never."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from models import artefact, registry, signing, surprise_artefact
from models.artefact import MANIFEST, MODEL, RELEASES, SIGNATURE, UNSIGNED, ArtefactError, Trust
from models.registry import FOLDERS, opened, shipped, trained
from streams.commands.models import models as models_command

INFECTION, SURPRISE = FOLDERS[0], FOLDERS[-1]
#: Every file that is loaded, in each form of artefact, and what guards it.
PARTS = [
    *((SURPRISE, name) for name in (MODEL, MANIFEST, SIGNATURE, surprise_artefact.TABLES)),
    *((INFECTION, name) for name in (MODEL, MANIFEST, SIGNATURE)),
]


@pytest.fixture
def key(tmp_path):
    """A new private key; its public one lies alone in the folder ``trusted``."""
    made = tmp_path / "keys" / "own.key"
    public = signing.new_key(made)
    tmp_path.joinpath("trusted").mkdir()
    public.rename(tmp_path / "trusted" / "own.pub")
    return made


def copied(folder, tmp_path):
    return Path(copytree(folder, tmp_path / folder.name))


def load(folder, trust=RELEASES):
    surprise = folder.joinpath(surprise_artefact.TABLES).exists()
    return (surprise_artefact.load if surprise else artefact.load)(folder, trust)


@pytest.mark.req("VAGT-MOD-01")
def test_every_model_that_ships_is_signed_by_the_releases_key():
    assert {artefact.signed_by(folder, RELEASES) for folder in FOLDERS} == {"release"}
    assert len(trained()) == len(FOLDERS)


@pytest.mark.parametrize(("folder", "name"), PARTS, ids=lambda one: getattr(one, "name", one))
@pytest.mark.parametrize("where", [0, 0.5, -1])
@pytest.mark.req("VAGT-MOD-01")
def test_a_model_of_which_one_byte_was_changed_is_not_loaded(folder, name, where, tmp_path):
    changed = copied(folder, tmp_path)
    data = bytearray(changed.joinpath(name).read_bytes())
    data[int(where * len(data)) if where > 0 else where] ^= 1
    changed.joinpath(name).write_bytes(data)
    with pytest.raises(ArtefactError, match=str(changed)):
        load(changed)


@pytest.mark.parametrize(("folder", "name"), PARTS, ids=lambda one: getattr(one, "name", one))
def test_a_model_of_which_a_file_is_missing_or_empty_is_not_loaded(folder, name, tmp_path):
    changed = copied(folder, tmp_path)
    changed.joinpath(name).write_bytes(b"")
    with pytest.raises(ArtefactError, match=str(changed)):
        load(changed)
    changed.joinpath(name).unlink()
    with pytest.raises(ArtefactError, match=str(changed)):
        load(changed)


@pytest.mark.parametrize("folder", [INFECTION, SURPRISE], ids=lambda one: one.name)
def test_a_model_that_nobody_signed_is_loaded_only_where_it_is_to_be_judged(folder, tmp_path):
    unsigned = copied(folder, tmp_path)
    unsigned.joinpath(SIGNATURE).unlink()
    with pytest.raises(ArtefactError, match="is not signed"):
        load(unsigned)
    assert load(unsigned, UNSIGNED)[0] == load(folder)[0]


def test_a_candidate_to_be_judged_is_still_what_its_manifest_says(tmp_path):
    changed = copied(INFECTION, tmp_path)
    changed.joinpath(MODEL).write_text(changed.joinpath(MODEL).read_text() + "\n")
    with pytest.raises(ArtefactError, match="hash"):
        load(changed, UNSIGNED)


@pytest.mark.parametrize("folder", [INFECTION, SURPRISE], ids=lambda one: one.name)
def test_a_key_of_the_deployment_is_trusted_where_its_folder_is_named(folder, key, tmp_path):
    own = copied(folder, tmp_path)
    artefact.put_signature(own, key)
    with pytest.raises(ArtefactError, match="not signed by a key that is trusted"):
        load(own)
    trust = Trust(tmp_path / "trusted")
    assert load(own, trust)[0] == load(folder)[0]
    assert artefact.signed_by(own, trust) == "own"
    assert load(folder, trust), "the release's key is trusted all the same"


def test_a_signature_of_another_model_does_not_serve(tmp_path):
    other = copied(INFECTION, tmp_path)
    other.joinpath(SIGNATURE).write_bytes(FOLDERS[1].joinpath(SIGNATURE).read_bytes())
    with pytest.raises(ArtefactError, match="not signed by a key"):
        load(other)


def test_a_signed_model_in_the_place_of_another_is_not_loaded(monkeypatch, tmp_path):
    there = tmp_path / "aki_risk"
    copytree(FOLDERS[2], there)
    monkeypatch.setattr(registry, "FOLDERS", (INFECTION, there))
    with pytest.raises(ArtefactError, match="is another: hyperkalaemia-risk"):
        trained()


def test_what_is_saved_anew_is_no_longer_signed(tmp_path):
    old = copied(INFECTION, tmp_path)
    manifest, _ = load(old)
    artefact.save(old, manifest, old.joinpath(MODEL).read_text(), "card\n")
    with pytest.raises(ArtefactError, match="is not signed"):
        load(old)


@pytest.mark.parametrize("fault", ["absent", "text", "another kind"])
def test_a_folder_of_keys_that_are_none_is_told_and_nothing_is_loaded(fault, tmp_path):
    keys = tmp_path / "keys"
    if fault != "absent":
        keys.mkdir()
        other = Ed448PrivateKey.generate().public_key()
        pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        keys.joinpath("a.pub").write_bytes(b"no key" if fault == "text" else pem)
    with pytest.raises(ArtefactError, match="cannot be verified"):
        shipped(keys=keys)


def test_a_new_key_is_for_its_owner_alone_and_never_written_over_another(tmp_path):
    file = tmp_path / "own.key"
    before = os.umask(0)
    try:
        public = signing.new_key(file)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    kept = file.read_bytes()
    for again in (file, public):
        with pytest.raises(FileExistsError):
            signing.new_key(again)
    public.unlink()
    with pytest.raises(FileExistsError):
        signing.new_key(file)
    assert file.read_bytes() == kept


def test_a_key_that_others_may_read_signs_nothing(key):
    key.chmod(0o640)
    with pytest.raises(signing.KeyFileError, match="chmod 600"):
        signing.sign(b"", key)


@pytest.mark.parametrize("fault", ["text", "another kind"])
def test_a_private_key_that_is_none_is_told(fault, tmp_path):
    file = tmp_path / "a.key"
    other = Ed448PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(b"no key" if fault == "text" else other)
    file.chmod(0o600)
    with pytest.raises(signing.KeyFileError, match=str(file)):
        signing.sign(b"", file)


def test_the_command_makes_a_key_signs_and_verifies(tmp_path):
    model, file = copied(INFECTION, tmp_path), tmp_path / "trusted" / "own.key"
    model.joinpath(SIGNATURE).unlink()

    def command(*arguments):
        return CliRunner().invoke(models_command, arguments, env={"VAGT_MODEL_KEYS": str(tmp_path / "trusted")})

    assert command("key", str(file)).exit_code == 0
    refused = command("verify", str(model))
    assert refused.exit_code == 1
    assert "is not signed" in refused.output
    assert command("sign", str(model), "--key", str(file)).exit_code == 0
    verified = command("verify", str(model))
    assert verified.exit_code == 0, verified.output
    assert "signed by own" in verified.output
    assert command("list").output.count("signed by release") == len(FOLDERS)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["changed", "unsigned"])
@pytest.mark.req("VAGT-MOD-01")
def test_a_worker_refuses_a_model_that_is_not_as_it_was_signed(fault, tmp_path):
    """The real command, on a copy of the packages; it ends before it asks for a broker."""
    for package in ("features", "models", "streams"):
        copytree(FOLDERS[0].parent.parent / package, tmp_path / package)
    manifest = tmp_path / "models" / "lactate_risk" / MANIFEST
    if fault == "changed":
        manifest.write_bytes(manifest.read_bytes().replace(b'"switched_on": false', b'"switched_on": true'))
    else:
        manifest.with_name(SIGNATURE).unlink()
    environment = {
        **os.environ,
        "VAGT_DATA_DIR": str(tmp_path / "data"),
        "VAGT_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "PYTHONPATH": str(tmp_path),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "streams.cli", "worker"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert "lactate_risk" in ended.stderr
    assert "signed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_model_is_read_once_for_all_who_ask_with_the_same_trust():
    assert opened(INFECTION) is opened(INFECTION)
