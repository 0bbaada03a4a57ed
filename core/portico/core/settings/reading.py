"""Reading candidates: environs parses, marshals every refusal and gives one verdict."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from portico.core.settings.addresses import mask_url
from portico.core.settings.candidates import Candidate, Layer, Reading
from portico.core.settings.kinds import Kind, Note, RefusalError
from portico.core.settings.lists import QUOTED, unquote
from portico.core.settings.secret import MASK, Secret

if TYPE_CHECKING:
    from environs import Env

_UNUSABLE: Final = "[\0\ud800-\udfff]"
_KEPT_QUOTES: Final[Note] = (
    "quoted-value",
    "quotes stand around the value; they are kept, being part of it",
)
_SERVICE_LINK: Final = (
    "is an address that Kubernetes injects for a Service of this name; "
    "set enableServiceLinks: false in the pod, or rename the Service"
)
_QUOTES: Final = ('"', "'")
_SERVICE_LINK_LAYERS: Final = (Layer.DOTENV, Layer.ENV)
_PARSER: Final = "setting"
_NONE_TEXT: Final = "must not be the text None; to leave it unset, leave it empty"


@cache
def _env_class() -> Callable[[Mapping[str, Candidate]], "Env"]:
    """Make the Env that reads candidates alone; environs costs too much to import before."""
    from environs import Env

    class CandidateEnv(Env):
        """An Env over a supplied mapping, which never looks at the process's environment."""

        def __init__(self, candidates: Mapping[str, Candidate]) -> None:
            super().__init__(eager=False)
            self._candidates = candidates

        def _get_value(self, env_key: str, default: Any) -> Any:
            return self._candidates.get(env_key, default)

    return CandidateEnv


def read_candidates(candidates: Iterable[Candidate]) -> list[Reading]:
    """Read every candidate, good or bad, in the order given."""
    keyed = {str(index): candidate for index, candidate in enumerate(candidates)}
    if not keyed:
        return []
    from environs import EnvError, EnvValidationError

    def parse(candidate: Candidate) -> Reading:
        notes: list[Note] = []
        try:
            value = read_raw(candidate, notes)
        except RefusalError as refusal:
            raise EnvError(refusal) from refusal
        text = _shown(candidate, value)
        return Reading(candidate, value, None, tuple(dict.fromkeys(notes)) if notes else (), text)

    env = _env_class()(keyed)
    env.add_parser(_PARSER, parse)
    read = getattr(env, _PARSER)
    results = {key: read(key) for key in keyed}
    refusals: Any = {}
    try:
        env.seal()
    except EnvValidationError as error:
        refusals = error.error_messages
    return [
        _refused(candidate, refusals[key][0]) if key in refusals else results[key]
        for key, candidate in keyed.items()
    ]


def read_raw(candidate: Candidate, notes: list[Note]) -> object:
    """Return the typed value of *candidate*.

    Raises:
        RefusalError: It is not of its kind, or the file that holds it cannot be read.
    """
    raw, kind = candidate.raw, candidate.kind
    if raw is None:
        message = f"{candidate.target} cannot be read as UTF-8 text"
        raise RefusalError(message, code="unreadable-file")
    if isinstance(raw, str):
        if candidate.layer in _SERVICE_LINK_LAYERS and not kind.taken_whole:
            _refuse_service_link(raw)
        value = kind.parse(prepare(raw, kind, notes), notes)
        return candidate.stand_in if candidate.stand_in and value else value
    for text in raw:
        _refuse_unusable(str(text))
    return kind.parse_items(raw, notes) if kind.parse_items else None


def prepare(raw: str, kind: Kind[Any], notes: list[Note]) -> str:
    """Return the text without the outer space and quotes that *kind* cannot mean."""
    _refuse_unusable(raw)
    text = raw if kind.taken_whole else raw.strip()
    if text[:1] in _QUOTES and text[:1] == text[-1:]:
        text = _without_quotes(text, kind, notes)
    if text == "None":
        raise RefusalError(_NONE_TEXT)
    return text


def _without_quotes(text: str, kind: Kind[Any], notes: list[Note]) -> str:
    """Remove outer quotes, unless they may belong to the text; note them either way."""
    inner = None if kind.literal else unquote(text)
    if inner is not None:
        notes.append(QUOTED)
        return inner.strip()
    if kind.literal and len(text) > 1:
        notes.append(_KEPT_QUOTES)
    return text


def _refuse_unusable(text: str) -> None:
    if not (text.isascii() and text.isprintable()) and re.search(_UNUSABLE, text):
        raise RefusalError("must be UTF-8 text without NUL")


def _refuse_service_link(text: str) -> None:
    if "://" in text and text.strip().lower().startswith("tcp://"):
        raise RefusalError(_SERVICE_LINK)


def _shown(candidate: Candidate, value: object) -> str:
    """Return what may be shown of an accepted candidate."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(candidate.raw, str):
        return mask_url(candidate.raw.strip())
    return mask_url(candidate.kind.format(value))


def _refused(candidate: Candidate, refusal: RefusalError) -> Reading:
    """Return a refused candidate; what a file held is not shown, as it may be another file's."""
    raw, kind = candidate.raw, candidate.kind
    if raw is None or kind.composite:
        text = ""
    elif kind.secret or candidate.target is not None:
        text = MASK
    else:
        text = mask_url(raw.strip() if isinstance(raw, str) else ", ".join(raw))
    return Reading(candidate, None, refusal, (), text)
