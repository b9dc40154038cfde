"""The reference pages of the documentation's site, made from the code at each build: MkDocs calls ``on_files``."""

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.core import TyperCommand, TyperGroup, TyperOption

from features import vector
from features.catalogue import catalogue
from streams.cli import app
from streams.commands.broker import broker
from streams.settings import Settings

Command = TyperCommand | TyperGroup
DOCS = Path(__file__).resolve().parents[1] / "docs"
_COMMENTED = re.compile(r"((?:^    #: .*\n)*)^    (\w+): ", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those that are read from the folder."""
    for name, text in pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def pages() -> dict[str, str]:
    """The pages by name, Markdown."""
    return {
        "commands": _command_page(),
        "settings": _settings(),
        "messages": _messages(),
        "features": _features(),
        "runbooks": _runbooks(),
    }


def commands() -> Iterator[tuple[str, Command]]:
    """Each command that does something, with its whole name."""
    yield from _commands("vagt", typer.main.get_command(app))


def _commands(name: str, command: Command) -> Iterator[tuple[str, Command]]:
    if name == "vagt broker":  # which the command line imports when it is asked for
        command = typer.main.get_command(broker)
    if not isinstance(command, TyperGroup) or command.invoke_without_command:
        yield name, command
    if isinstance(command, TyperGroup):
        for part, below in command.commands.items():
            yield from _commands(f"{name} {part}", below)


def _command_page() -> str:
    return "# Commands\n\n" + "\n".join(_section(*one) for one in commands())


def _section(name: str, command: Command) -> str:
    rows = [_parameter(one) for one in command.params]
    table = _table(("option", "default", "meaning"), rows) if rows else ""
    return f"## `{name}`\n\n{inspect.cleandoc(command.help or '')}\n\n{table}"


def _parameter(one: Any) -> tuple[str, str, str]:
    option = isinstance(one, TyperOption)
    name = ", ".join(f"`{name}`" for name in one.opts) if option else f"`{(one.metavar or one.name).upper()}`"
    default = "" if one.default is None or callable(one.default) or one.default is False else f"`{one.default}`"
    return name, "required" if one.required else default, getattr(one, "help", None) or ""


def _settings() -> str:
    source = inspect.getsource(Settings)
    said = {
        name: " ".join(line.strip(" #:") for line in text.splitlines()) for text, name in _COMMENTED.findall(source)
    }
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "") else f"`{field.default}`".replace(str(Path.home()), "~")
        rows.append((f"`VAGT_{name.upper()}`", default, said.get(name, "")))
    return "# Settings\n\nEnvironment variables.\n\n" + _table(("setting", "default", "meaning"), rows)


def _features() -> str:
    analytes = catalogue().analytes
    rows = [
        (f"`{one.name}`", one.unit or (analytes[one.analyte].unit if one.analyte else None) or "", one.meaning)
        for one in vector.FEATURES
    ]
    head = f"Version {vector.VERSION}: what the models read of a patient at an instant. What is not known is missing."
    return f"# Features\n\n{head}\n\n" + _table(("feature", "unit", "meaning"), rows)


def _messages() -> str:
    whole = "[an AsyncAPI 3 document](../contract/asyncapi.json)"
    parts = [f"# Messages\n\nThe whole contract is {whole}, made from the same code.\n"]
    for file in sorted(DOCS.joinpath("contract").glob("*.json")):
        schema = json.loads(file.read_bytes())
        if "properties" in schema:
            required = schema.get("required", [])
            rows = [
                (f"`{name}`", _type(field), "yes" if name in required else "", field.get("description", ""))
                for name, field in schema["properties"].items()
            ]
            parts.append(f"## {file.stem}\n\n{schema.get('description', '')} [Schema](../contract/{file.name})\n")
            parts.append(_table(("field", "type", "required", "meaning"), rows))
    return "\n".join(parts)


def _runbooks() -> str:
    names = sorted(file.stem for file in DOCS.joinpath("runbooks").glob("*.md"))
    head = "A page for each alert of Prometheus: meaning, impact on the ward, diagnosis, mitigation, verification."
    return f"# Runbooks\n\n{head}\n\n" + "".join(f"- [{name}](../runbooks/{name}.md)\n" for name in names)


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if field.get("type") == "array":
        return f"array of {_type(field.get('items', {}))}"
    return str(field.get("type", "any"))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    cells = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(one.replace('|', chr(92) + '|') for one in row)} |\n" for row in cells)
