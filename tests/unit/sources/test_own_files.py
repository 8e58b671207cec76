"""What one file of a visitor becomes: rows of the tables that pages ask, and what is wrong with it."""

import hashlib
import json
import tarfile
import tempfile
from pathlib import Path

import polars as pl
import pytest

from analytics.statistics.normal import TWO_SIDED_95
from dashboards.data import sql
from pipelines.own.tables import NotUsable, OwnFile, read_own_file
from pipelines.sources.collect import MEASURED
from pipelines.sources.measurements.rows import Stated
from profiling.measure.bundle import contents_of, pack
from warehouse.contracts import BY_RELATION
from warehouse.overlaid import Overlaid
from warehouse.reader import Reader
from warehouse.settings import Settings

LEADERBOARD = """\
model_id,precision,parameters_total,average,IFEval,BBH,MATH Lvl 5,GPQA,MUSR,MMLU-PRO
me/tiny,bfloat16,1500000000,31.0,60,30,20,20,20,36
me/huge,bfloat16,7600000000,90.5,95,85,90,90,90,93
me/broken,bfloat16,7600000000,40,80,x,50,40,40,50
"""
OURS = "device,engine,model,weight_format,stage,metric,value,batch,context_depth\n"


@pytest.fixture
def read(bundled_home: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Reads a text as if it had arrived under a name."""

    def as_file(name: str, text: str | bytes, **stated: str) -> OwnFile:
        settings = Settings.model_validate({"home": str(bundled_home)})
        payload = text.encode() if isinstance(text, str) else text
        return read_own_file(payload, name, settings, Path(tempfile.mkdtemp(dir=tmp_path)), Stated(**stated))

    return as_file


def test_a_leaderboard_stands_among_the_newest_board_with_fronts_over_all(read, bundled_home: Path) -> None:  # type: ignore[no-untyped-def]
    own_file = read("2026-11-20_mine.csv", LEADERBOARD)
    assert (own_file.kind, own_file.rows_read, own_file.rows_loaded) == ("leaderboard", 3, 2)
    assert own_file.problems == ["line 4, column BBH: 'x' is not a number"]
    for relation, rows in own_file.tables.items():
        assert rows.schema == BY_RELATION[relation].polars_schema, relation
    reader = Reader(bundled_home / "published")
    front = "SELECT model_id FROM marts.pareto_front WHERE snapshot_id = $id AND objectives = 'average_vs_size_gib'"
    asked = {"id": own_file.key}
    own = Overlaid(reader, own_file.tables)
    assert "me/huge (yours)" in own.query(front, asked)["model_id"].to_list()
    assert own.query("SELECT count(*) FROM core.leaderboard_entries WHERE snapshot_id = $id", asked).item() == 132
    assert reader.query(front, asked).is_empty(), "others see nothing of it"
    whole = "SELECT count(*) FROM core.benchmark_results"
    assert own.query(whole).item() == reader.query(whole).item()
    assert (own.touches(front), own.touches(whole)) == (True, False)
    own.close()


def test_votes_are_rated_as_votes_of_a_home_are(read) -> None:  # type: ignore[no-untyped-def]
    votes = "model_a,model_b,winner\n" + "m,n,model_a\n" * 30 + "m,n,model_b\n" * 10 + "m,n,banana\nm,n,banana\n"
    own_file = read("votes.csv", votes)
    assert (own_file.rows_read, own_file.rows_loaded) == (42, 40)
    assert own_file.problems[0].startswith("line 42, column winner: 'banana' is none of model_a, model_b")
    assert own_file.problems[0].endswith("2 such votes")
    rated = own_file.tables["marts.arena_ratings"].filter(method="bradley-terry", category="overall").sort("model")
    # Odds of 3 to 1 are 400 log10(3) points, and the log-odds of 40 votes has the variance 1/30 + 1/10.
    assert rated["rating"][0] - rated["rating"][1] == pytest.approx(190.85, abs=0.01)
    points = 400 / 2.302585
    half = TWO_SIDED_95 * points * (1 / 30 + 1 / 10) ** 0.5 / 2
    assert rated["rating_upper"][0] - rated["rating"][0] == pytest.approx(half, rel=0.03)


def test_a_file_in_the_layout_of_a_declared_source_of_measurements_is_read_as_such(read) -> None:  # type: ignore[no-untyped-def]
    cards = (
        "| GPU | Model | tg 512 | pp 512 | tg 1024 | pp 1024 |\n|---|---|---|---|---|---|\n"
        "| RTX 4090 24GB | 8B Q4_K_M | 100 | 4000 | 90 | OOM |\n"
    )
    own_file = read("cards.md", cards)
    assert (own_file.kind, own_file.rows_loaded) == ("measurements", 3)
    assert own_file.tables["marts.end_to_end_error"]["predicted"].null_count() == 0


def test_a_measurement_stands_beside_what_is_predicted_and_wrong_cells_are_named(read) -> None:  # type: ignore[no-untyped-def]
    row = "RTX-4090,llama.cpp,Qwen/Qwen3-8B,gguf-q4_k_m,decode,tokens_per_s,{},1,0\n"
    own_file = read(
        "mine.csv", OURS + row.format(120) + row.format("fast") + "".join(["a,b,c,d,sleep", ",value,1,1,0\n"])
    )
    errors = own_file.tables["marts.end_to_end_error"]
    known = errors.filter(pl.col("predicted").is_not_null()).row(0, named=True)
    assert known["measured"] == pytest.approx(1 / 120)
    assert known["low"] < known["predicted"] < known["high"]
    assert own_file.problems[:2] == [
        "line 3, column value: 'fast' is not a number",
        "line 4, column stage: 'sleep' is none of prefill, decode, serving, generate",
    ]
    document = {"model_id": "Qwen/Qwen3-8B", "max_concurrency": 16, "total_input_tokens": 204800, "num_prompts": 200,
            "total_output_tokens": 25600, "completed": 200, "output_throughput": 418.3, "mean_ttft_ms": 210.4,
            "mean_tpot_ms": 34.1, "request_throughput": 3.27, "backend": "vllm", "date": "20260112-101500",
            "duration": 61.2, "request_rate": "inf"}  # fmt: skip
    served = read("serve.json", json.dumps(document), device="H100-SXM5-80GB", weight_format="bf16")
    assert served.tables["marts.end_to_end_error"]["predicted"].is_not_null().all()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("mine.csv", OURS + "RTX-4090,llama.cpp,Qwen/Qwen3-8B,gguf-q4_k_m,decode,tokens_per_s,fast,1,0\n",
         "line 2, column value: 'fast' is not a number"),
        ("pasted.md", "| model | test | t/s |\n| --- | ---: | ---: |\n| llama 8B Q4_0 | tg128 | fast |\n",
         "line 3, column t/s: 'fast' is not a rate"),
        ("votes.csv", "model_a,model_b,winner\nm,n,model_a\nm,n\n", "line 3 has 2 cells, the header 3"),
        ("votes.csv", "model_a,model_b,winner\n" + "m,n,model_a\n" * 40_000 + "m,n\n",
         "line 40002 has 2 cells, the header 3"),
        ("votes.csv", 'model_a,model_b,winner\nm,n,model_a\n"m,n,model_a\nm,n,model_b\n',
         "a quote opens on line 3 and does not close"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_by_line_and_column(read, name: str, text: str, told: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotUsable) as refused:
        read(name, text)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value), "words for who calls DuckDB"


def test_lines_of_a_printed_table_that_are_not_read_are_named_beside_those_that_are(read) -> None:  # type: ignore[no-untyped-def]
    table = (
        "| model | params | backend | test | t/s |\n| --- | ---: | --- | ---: | ---: |\n"
        "| llama 8B Q4_K - Medium | 8.03 B | CUDA | tg128 | 130.5 ± 0.2 |\n"
        "| llama 8B Q4_K - Medium | 8.03 B | CUDA | pp512 |\n"
        "| llama 8B Q4_K - Medium | 8.03 B | CUDA | quick | 130.5 |\n"
    )
    own_file = read("pasted.md", table, device="RTX-4090")
    assert own_file.rows_loaded == 1
    assert own_file.problems == [
        "line 4 has 4 cells, the header 5", "line 5, column test: 'quick' is no test, as pp512 or tg128"
    ]  # fmt: skip


def test_a_leaderboard_that_states_no_date_is_of_today(read) -> None:  # type: ignore[no-untyped-def]
    own_file = read("pasted.csv", LEADERBOARD)
    assert (own_file.kind, own_file.rows_loaded) == ("leaderboard", 2)


def test_a_declared_board_stands_under_the_models_of_its_names(read, shared_data: Path, bundled_home: Path) -> None:  # type: ignore[no-untyped-def]
    file = shared_data / "boards/aider/2025-05-09_polyglot_leaderboard.yml"
    own_file = read(file.name, file.read_bytes())
    assert (own_file.kind, own_file.rows_loaded) == ("board", 92)
    results = own_file.tables["core.benchmark_results"]
    assert set(results["source"]) == {f"yours: {file.name}"}
    # What the board printed for it: 11 of 225 exercises solved at the first try and 37 at the second.
    scores = results.filter(model_id="Qwen/Qwen2.5-Coder-32B-Instruct", scaffold="whole")["score"]
    assert sorted(scores) == [4.9, 16.4]
    assert results["model_id"].null_count() == 0
    own = Overlaid(Reader(bundled_home / "published"), own_file.tables)
    shown = own.query(sql("model_scores"), {"model_id": "Qwen/Qwen2.5-Coder-32B-Instruct"})
    assert {"aider", f"yours: {file.name}"} <= set(shown["source"])
    own.close()


def test_a_bundle_in_one_file_becomes_a_run_unless_it_is_published(read, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    shipped = next(MEASURED.glob("*.bundle"))
    with pytest.raises(NotUsable, match="is published here already"):
        read("shipped.tar", pack(shipped))
    contents = contents_of(shipped)
    manifest = json.dumps(json.loads(contents["manifest.json"]) | {"run_id": "another"}).encode()
    contents |= {"manifest.json": manifest, "_COMPLETE": hashlib.sha256(manifest).hexdigest().encode()}
    for name, content in contents.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(content)
    # As people pack a folder: with its folders, and names that begin with a dot.
    with tarfile.open(tmp_path / "mine.tar", "w") as archive:
        archive.add(tmp_path / "mine", arcname=".")
    own_file = read("mine.tar", (tmp_path / "mine.tar").read_bytes())
    assert (own_file.kind, own_file.key, own_file.rows_loaded) == ("bundle", "another", 22)
    assert own_file.tables["marts.profile_points"]["predicted_s"].null_count() == 0


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_spreadsheet_with_other_separators_a_mark_or_decimal_commas_is_read(read, separator: str) -> None:  # type: ignore[no-untyped-def]
    text = LEADERBOARD.replace(",", separator).replace("90.5", "90,5" if separator == ";" else "90.5")
    own_file = read("2026-11-20_mine.csv", "\ufeff" + text)
    entries = own_file.tables["core.leaderboard_entries"].filter(pl.col("model_id") == "me/huge (yours)")
    assert entries["average"].to_list() == [90.5]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", "what,price\nmilk,2\n", "No known layout has the columns 'what', 'price'"),
        ("2026-01-01.csv", LEADERBOARD.replace(",31.0,", ",31.0,7,", 1), "line 2 has 11 cells, the header 10"),
        ("a.json", '{"n_prompt": 1,\n "x": }', "line 2 column 7"),
        ("votes.csv", "model_a,model_b,winner\nm,n,perhaps\n", "line 2, column winner: 'perhaps'"),
        ("votes.csv", "model_a,model_b,result\nm,n,model_a\n", "no column winner"),
        ("2026-01-01.csv", LEADERBOARD.partition("\n")[2], "Line 1 holds values"),
        ("2026-01-01.csv", LEADERBOARD.replace("GPQA", "BBH"), "Line 1 names 'BBH' more than once"),
        ("2026-01-01.csv", LEADERBOARD.partition("\n")[0] + "\n", "There is none in it"),
        ("2026-01-01.csv", LEADERBOARD.replace("me/tiny", "mé/tiny").encode("latin-1"), "line 2 is not UTF-8"),
        ("2026-01-01.csv", LEADERBOARD.replace("me/tiny", '"me/tiny'), "a quote opens on line 2"),
        ("serve.json", '{"mean_ttft_ms": 1, "mean_tpot_ms": NaN, "output_throughput": 2, "completed": 3}',
         "mean_tpot_ms is null or NaN"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_line_and_column(read, name: str, text: str | bytes, why: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotUsable, match=why.replace("(", r"\(")):
        read(name, text)
