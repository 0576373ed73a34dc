"""The forms of the service and of a request, and filled sheets of them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from app.answers import conversion, problems, responses
from app.answers.errors import NoPageNetwork, Unauthorized, UnknownForm
from app.answers.problems import OF_BODY, OF_PICTURE, OF_UPLOAD
from app.form.form import Form, InvalidForm, form_in, require_alike
from app.form.reading import FormOptions, sheets_of
from app.form.sheet import FilledSheet
from app.serving.reader import ReadPage, read_sheet
from app.text.field import InvalidField
from app.web.documents import Document, SheetsOfDocument
from app.web.pages import answers_to_pages, in_turn, pages_of
from app.web.parameters import OfText, OnePageParameters
from app.web.payloads import MAX_FORMS
from app.web.results import sure
from app.web.service import Service, Serving
from app.web.uploads import Sent, Upload

KEPT = 32  # forms of the folder that are kept parsed
guarded = APIRouter(tags=["forms"])


@guarded.get(
    "/forms",
    summary="List forms",
    responses=problems.documentation("/forms", Unauthorized),
)
def list_forms(service: Serving) -> responses.Forms:
    """List the forms in `DIGITS_FORMS_DIR`, whose names `/read?form=` takes."""
    return responses.Forms(forms=sorted(files_of(service.settings.forms_dir)))


@guarded.post(
    "/forms/new",
    summary="Propose a form",
    responses=problems.documentation(
        "/forms/new",
        *OF_BODY,
        *OF_UPLOAD,
        *OF_PICTURE,
        InvalidField,
        InvalidForm,
        NoPageNetwork,
    ),
    response_model_exclude_unset=True,
)
async def propose_form(
    request: Request, service: Serving, parameters: OnePageParameters, picture: Upload
) -> Form:
    """Find the landmarks of an empty sheet, and propose a field for each printed box
    and cell. Nothing is stored.
    """
    require_page_network(service)
    return await service.propose_form(request, picture, parameters.page)


def require_page_network(service: Service) -> None:
    """Raise NoPageNetwork if sheets cannot be found."""
    if service.reader.networks.pages is None:
        raise NoPageNetwork(
            "The service has no network for pages: set DIGITS_PAGES_MODEL to a file."
        )


def files_of(folder: Path | None) -> dict[str, Path]:
    """Return the files of forms in a folder, by their names.

    A name from a request is looked up among them, and never becomes a path.
    """
    if folder is None:
        return {}
    return {file.stem: file for file in folder.glob("*.json") if file.is_file()}


async def forms_of(
    service: Service, parameters: OfText, sent: Sent
) -> tuple[Form, ...]:
    """Return the forms of a request; none if it asks for none.

    Raises InvalidForm, UnknownForm or NoPageNetwork.
    """
    texts = sent.forms
    names = parameters.form.split(",") if parameters.form else []
    if not (texts or names):
        return ()
    require_page_network(service)
    if len(texts) + len(names) > MAX_FORMS:
        raise InvalidForm(f"The request has more than {MAX_FORMS} forms.")
    files = files_of(service.settings.forms_dir)
    spec = service.reader.networks.lines.spec

    def parsed() -> tuple[Form, ...]:
        found = [*map(form_in, texts), *(form_of(files, name) for name in names)]
        for form in found:
            form.require_possible(spec)
        require_alike(found)
        return tuple(found)

    return await run_in_threadpool(parsed)  # lists of values may be long


def form_of(files: dict[str, Path], name: str) -> Form:
    """Return a form of the service; raise UnknownForm or InvalidForm."""
    if name not in files:
        raise UnknownForm(f"There is no form {name}: GET /forms lists them.")
    state = files[name].stat()
    return form_in_file(files[name], state.st_mtime_ns, state.st_size)


@lru_cache(KEPT)
def form_in_file(path: Path, modified: int, size: int) -> Form:
    """Parse a file, again if it has changed."""
    return form_in(path.read_bytes(), path.parent)


async def answer_with_sheets(
    request: Request,
    service: Service,
    parameters: OfText,
    picture: bytes,
    forms: Sequence[Form],
) -> responses.FilledSheet | Document:
    """Answer with the fields of a filled sheet, or of each sheet in a document."""
    pages = await pages_of(request, service, parameters, picture, len(forms[0].pages))
    options = FormOptions(
        tuple(forms),
        alternatives=parameters.alternatives,
        with_picture=parameters.picture,
    )
    read = partial(service.read_page, request, picture)
    if pages is None:
        (sheet,) = sheets_of([parameters.only_page or 1], forms)
        return await answer_to_sheet(parameters, read, replace(options, pages=sheet))
    sheets = {sheet[0]: sheet for sheet in sheets_of(pages.listed, forms)}

    async def answer(first: int) -> responses.FilledSheet:
        async def read_in_turn(each: FormOptions) -> FilledSheet:
            return await in_turn(service, first, partial(read, each))

        of_sheet = replace(options, pages=sheets[first])
        return await answer_to_sheet(parameters, read_in_turn, of_sheet)

    answers = answers_to_pages(request, [*sheets], answer, conversion.sheet_page_of)
    model = service.reader.networks.text_model
    return SheetsOfDocument(answers, pages.total, model)


async def answer_to_sheet(
    parameters: OfText, read_page: ReadPage, options: FormOptions
) -> responses.FilledSheet:
    """Answer with the fields of one filled sheet."""
    sheet = await read_sheet(read_page, options)
    answer = await run_in_threadpool(conversion.sheet_of, sheet)
    return sure(answer, parameters.min_confidence)
