"""The one registry of sources: what every world says of a file, told from its content, in the order they are asked."""

from collections.abc import Mapping

from pipelines.sources.arena import recognition as arena
from pipelines.sources.boards import recognition as boards_of_all
from pipelines.sources.boards.declaration import Declared, declared
from pipelines.sources.boards.recognition import NoBoard
from pipelines.sources.dates import UndatedFile, WrongDate, require_plausible
from pipelines.sources.kernels import recognition as kernels
from pipelines.sources.leaderboards import recognition as leaderboards
from pipelines.sources.measurements import recognition as measurements
from pipelines.sources.profiles import recognition as profiles
from pipelines.sources.recognised import Recognised, Unread
from pipelines.sources.suffixes import PROSE, SUFFIX_FORMS
from pipelines.sources.tables import UnreadableFile, refuse_web_page
from profiling.measure.bundle import UnusableBundle

_TEXTS = frozenset(SUFFIX_FORMS) - {".parquet", ".zip"}
_ZEROS = bytes(4)
"""No text holds so many, in whatever encoding."""


def _arena_or_declared(file: Unread) -> Recognised | None:
    """What `arena.recognise` says; only nearly of the arena, a file is the board that somebody declared.

    Raises:
        UnknownBoardLayout, UnnamedBoard, UnreadableFile: as that, where no declaration knows the file either.
    """
    try:
        return arena.recognise(file)
    except arena.UNRECOGNISED:
        if (board := boards_of_all.recognise(file)) is not None:
            return board
        raise


RECOGNISERS = (
    profiles.recognise,
    leaderboards.recognise_before_boards,
    _arena_or_declared,
    kernels.recognise,
    boards_of_all.recognise,
    measurements.recognise,
    arena.recognise_document,
    leaderboards.recognise,
)
"""Of every world, what says of a file what it is, or None. One that knows a file and cannot use it raises; the last
takes what no other knew, and names its columns or keys."""

# What a recogniser may raise for a file that it cannot account for.
UNRECOGNISED = (
    UnreadableFile, UndatedFile, WrongDate, UnusableBundle,
    *leaderboards.UNRECOGNISED, *arena.UNRECOGNISED, *boards_of_all.UNRECOGNISED, *measurements.UNRECOGNISED,
)  # fmt: skip


def recognise(
    payload: bytes,
    suffix: str,
    uri: str,
    boards: Mapping[str, Declared] | None = None,
    folder: str = "",
    *,
    is_asked: bool = False,
) -> Recognised:
    """Tell what a file is.

    Args:
        payload: Its bytes.
        suffix: Its suffix in lower case.
        uri: Its name or address.
        boards: Declared boards by source; those that ship if not given.
        folder: Name of the folder it lies in, where that is known.
        is_asked: Whether it was fetched from the one source in `boards`.

    Raises:
        UnknownLayout, NotRawResults: its columns or keys are those of no known layout; the message names them.
        UnreadableFile: its bytes are not what its name says, or some were never written.
        WrongDate: it says a date that cannot be meant.
        UndatedFile, UnnamedBoard: neither its name nor its rows say which date or arena it speaks of.
        UnusableBundle: it is a bundle of measurements that is not what was sealed.
        UnknownBoardLayout: it is nearly an arena board; the message names the columns.
        NoBoard: it is of no declared board, or a file of one that holds no results.
        UndatedBoard: it is a board of a date that cannot be.
        DamagedMeasurements: it holds measurements, and something else where a number belongs.
    """
    if suffix in _TEXTS and _ZEROS in payload:
        raise UnreadableFile(
            f"{uri.rsplit('/', 1)[-1]} holds zeros where text belongs, as a file does whose copy has not ended."
        )
    if suffix in _TEXTS - PROSE:
        refuse_web_page(payload, uri.rsplit("/", 1)[-1])
    file = Unread(payload, suffix, uri, boards or declared(), folder, is_asked)
    recognised = next(filter(None, (recogniser(file) for recogniser in RECOGNISERS)), None)
    if recognised is None:
        name = uri.rsplit("/", 1)[-1]
        raise NoBoard(f"{name} is of no declared board; `skyline boards add` takes a declaration.", is_unknown=True)
    require_plausible(recognised.as_of, uri)
    return recognised
