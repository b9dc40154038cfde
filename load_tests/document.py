"""A TOML file in a form: what is wrong with it is said with the place."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

_Form = TypeVar("_Form", bound=BaseModel)


def read(file: Path, form: type[_Form]) -> _Form:
    """What a file says.

    Raises:
        ValueError: it can not be used; the message names the file and the places.
    """
    try:
        return form.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc'])) or 'as a whole'}: {one['msg']}" for one in error.errors()]
        raise ValueError(f"{file}: {'; '.join(found)}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{file}: {error}") from None
