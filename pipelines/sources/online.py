"""Files of the hub and of declared boards, asked for over the network."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines.sources.boards.declaration import Board
from pipelines.sources.boards.fetch import SourceDown, fetch
from pipelines.sources.gzipped import NotUnpacked, plain_name, suffix_of, unpacked
from pipelines.sources.hub import client as huggingface
from pipelines.sources.hub.client import Hub, HubFile
from pipelines.sources.raw_index import Index
from pipelines.sources.source_files import LARGEST_FILE_BYTES, Collection, Report, SourceFile
from warehouse.settings import Settings


def of_board(board: Board, settings: Settings, index: Index, part: Collection, report: Report) -> Iterator[SourceFile]:
    """Files of one declared board that changed; one that is down keeps no other from being loaded."""

    def known(count: int) -> None:
        part.known += count

    def fetched(file: HubFile) -> bool:
        return index.has_fetched(file.uri, file.sha256)

    try:
        for file in fetch(board, settings, fetched, known) if any(file.address for file in board.files) else ():
            uri = file.address if file.address.startswith("hf://") and "@" in file.address else file.name
            try:
                payload = unpacked(file.payload, file.name, LARGEST_FILE_BYTES)
            except NotUnpacked as error:
                part.set_aside.append((uri, str(error)))
                continue
            yield SourceFile(
                plain_name(uri), suffix_of(file.name), payload, file.revision, is_licensed=file.is_licensed,
                is_named=True, board=board.name,
            )  # fmt: skip
    except SourceDown as error:
        part.unreachable.append((board.name, error))
        report(f"not reached {board.name}: {error}")


def of_hub(prefix: str, settings: Settings, index: Index, part: Collection, report: Report) -> Iterator[SourceFile]:
    """Published tables of the hub, or below a prefix the raw results; what was fetched before is counted as known."""
    with Hub(settings) as hub:
        listings: list[tuple[str, Iterable[HubFile]]] = [(f"results of {prefix}", _results(hub, prefix))]
        if not prefix:
            listings = [(file.dataset, [file]) for file in huggingface.PUBLISHED_TABLES]
            listings.append((huggingface.ARENA_DATASET, _arena(hub)))
        for dataset, listing in listings:
            try:
                for file in listing:
                    # A commit never changes: what was fetched from it once need not be fetched again.
                    if index.has_fetched(file.uri, file.sha256):
                        part.known += 1
                    else:
                        yield SourceFile(file.uri, Path(file.path).suffix, hub.download(file), file.revision)
            except (huggingface.NotOnHub, huggingface.HubUnavailable) as error:
                # One dataset out of reach must not keep the others from being loaded.
                part.unreachable.append((dataset, error))
                report(f"not reached {dataset}: {error}")


def _arena(hub: Hub) -> Iterator[HubFile]:
    dataset = huggingface.ARENA_DATASET
    yield from hub.files(dataset, hub.commit(dataset), ".parquet")


def _results(hub: Hub, prefix: str) -> Iterator[HubFile]:
    absent = []
    for dataset in huggingface.RESULT_TREES:
        try:
            yield from hub.files(dataset, hub.commit(dataset), ".json", prefix)
        except huggingface.NotOnHub as error:
            absent.append(error)
    if len(absent) == len(huggingface.RESULT_TREES):
        raise absent[0]
