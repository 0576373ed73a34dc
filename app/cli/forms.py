"""`digits forms`: make a form from an empty sheet, and check one."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Exit, Option, Typer

from app.form.form import Form, InvalidForm, form_in, require_alike
from app.many.errors import NO_PAGES
from app.many.messages import say
from app.printable import printable

forms = Typer(no_args_is_help=True, help="Make and check forms of printed sheets.")


@forms.command()
def new(
    sample: Annotated[
        Path, Argument(metavar="SAMPLE", help="A picture of an empty sheet.")
    ],
    output: Annotated[Path, Option(metavar="FORM.json", help="The file to write.")],
    page: Annotated[
        int | None, Option(min=1, metavar="N", help="The page of a TIFF or PDF.")
    ] = None,
) -> None:
    """Find the landmarks of an empty sheet, and propose a field for each printed box
    and cell.

    Then name the fields in the file, and say what may stand in them.
    """
    from app.form.proposal import proposed
    from app.picture.errors import PictureError
    from app.picture.opening import open_image
    from app.settings import Settings
    from app.text.pages import PageNetwork
    from app.text.reading import decoded

    if output.exists():
        raise BadParameter(f"{output} exists: choose another file.")
    settings = Settings()
    if settings.pages_model is None:
        raise BadParameter(NO_PAGES)
    try:
        image = open_image(sample.read_bytes(), settings.max_pixels, page=page)
        form = proposed(decoded(image), PageNetwork(settings.pages_model), output.stem)
    except (PictureError, InvalidForm, OSError) as error:
        say(printable(f"{sample}: {error}"), err=True)
        raise Exit(1) from error
    content = form.model_dump(exclude_unset=True)
    output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    say(in_words(form))


@forms.command()
def check(
    file: Annotated[Path, Argument(metavar="FORM.json", help="The file of a form.")],
) -> None:
    """Say what is wrong with a form, or what it has."""
    say(in_words(form_of(file)))


def form_of(file: Path) -> Form:
    """Return the form in a file; exit with a message if there is none."""
    try:
        return form_in(file.read_bytes(), file.parent)
    except OSError as error:
        raise BadParameter(f"{file}: {error.strerror}.") from error
    except InvalidForm as error:
        say(printable(f"{file}: {error}"), err=True)
        raise Exit(1) from error


def forms_of(files: Sequence[Path]) -> tuple[Form, ...]:
    """Return the forms in files, of which a sheet may be."""
    found = tuple(map(form_of, files))
    try:
        require_alike(found)
    except InvalidForm as error:
        raise BadParameter(printable(str(error))) from error
    return found


def in_words(form: Form) -> str:
    """Return what a form has."""
    lines = [f"{form.name}: {len(form.fields)} fields."]
    for number, page in enumerate(form.pages, 1):
        lines.append(
            f"Page {number} is found by {len(page.landmarks.writing)} lines of print "
            f"and {len(page.landmarks.rules)} printed lines. Its fields:"
        )
        lines += [f"  {field.name}" for field in page.fields]
    return printable("\n".join(lines), kept="\n")
