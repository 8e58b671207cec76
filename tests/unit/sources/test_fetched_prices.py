"""Prices are fetched as boards are: declared, conditional, dated; newer ones take the bundled ones' place."""

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.defs.boards.tables import read_boards
from pipelines.sources.boards.declaration import declared
from pipelines.sources.catalogue.fetched_prices import addressed, fetched_prices, with_newer
from pipelines.sources.catalogue.prices import market_prices, price_list
from pipelines.sources.raw_store import RawStore
from tests.unit.sources.declared_here import ask, declare
from tests.unit.sources.hub_server import HubServer, status, whole
from warehouse.contracts.prices import ACCELERATOR_PRICES, API_PRICES, ELECTRICITY_PRICES
from warehouse.contracts.violations import violations
from warehouse.settings import Settings

# As the lists published them: rows of 10 October 2026 (GPU Price Index), of 23 August 2026 (GPU Price Feed).
INDEX = (
    "date,collected_at,source,provider,segment,pricing,gpu_model,sku,region,geo,gpu_count,usd_per_hour,"
    "usd_per_gpu_hour,sample_size\n"
    "{day},{day}T12:33:53+00:00,lambda,Lambda,neocloud,on_demand,H100,gpu_8x_h100_sxm_80gb,global,Global,8,31.92,"
    "{usd},1\n"
    "{day},{day}T12:33:53+00:00,coreweave,CoreWeave,neocloud,on_demand,H100,hgx-h100,global,Global,8,49.24,6.155,1\n"
    "{day},{day}T12:33:53+00:00,runpod,RunPod (secure),neocloud,on_demand,B300,B300 SXM6 AC MIG 1g.34gb,global,"
    "Global,1,0.5,0.5,1\n"
    "{day},{day}T12:33:53+00:00,runpod,RunPod (community),marketplace,on_demand,MI300X,AMD Instinct MI300X OAM,global,"
    "Global,1,0.5,0.5,1\n"
    "{day},{day}T12:33:53+00:00,aws,AWS,hyperscaler,on_demand,X999,p9.48xlarge,us-east-1,NA,8,55.04,6.88,1\n"
)
FEED = {
    "collected_at": "2026-08-23T07:00:36+00:00",
    "offers": [
        {"gpu_key": "A10 24GB", "gpu_count": 1, "gpu_partition": None, "gpu_recognised": True, "currency": "USD",
         "price_per_gpu_hr_usd": usd, "pricing_type": "on-demand", "provider": "vastai",
         "region": "The Netherlands, NL", "notes": "verified host, reliability 1.000"}
        for usd in (0.2015, 0.2427, 0.2427)
    ] + [
        {"gpu_key": "A100 80GB SXM", "gpu_count": 1, "gpu_partition": None, "gpu_recognised": True, "currency": "USD",
         "price_per_gpu_hr_usd": 1.39, "pricing_type": "spot", "provider": "runpod", "region": None,
         "notes": "secure cloud; stock Low; up to 8 GPUs"}
    ],
}  # fmt: skip
MODELS = {
    "deepinfra": {"id": "deepinfra", "name": "Deep Infra", "npm": "@ai-sdk/deepinfra", "models": {
        "zai-org/GLM-4.5": {"id": "zai-org/GLM-4.5", "name": "GLM-4.5", "open_weights": True,
                            "cost": {"input": 0.31, "output": 1.21}, "limit": {"context": 131072, "output": 98304}},
        "of/nobody": {"id": "of/nobody", "name": "?", "open_weights": True, "cost": {"input": 1, "output": 2},
                      "limit": {"context": 4096, "output": 4096}},
        "closed": {"id": "closed", "name": "Closed", "open_weights": False, "cost": {"input": 1, "output": 2},
                   "limit": {"context": 4096, "output": 4096}},
    }},
}  # fmt: skip
EUROSTAT = (
    "DATAFLOW,LAST UPDATE,freq,product,nrg_cons,unit,tax,currency,geo,TIME_PERIOD,OBS_VALUE,OBS_FLAG\n"
    "ESTAT:NRG_PC_205(1.0),24/04/26 11:00:00,S,6000,MWH500-1999,KWH,X_VAT,EUR,AT,2025-S2,0.1890,\n"
    "ESTAT:NRG_PC_205(1.0),24/04/26 11:00:00,S,6000,MWH500-1999,KWH,X_VAT,EUR,EL,2025-S2,0.2000,\n"
    "ESTAT:NRG_PC_205(1.0),24/04/26 11:00:00,S,6000,MWH500-1999,KWH,X_VAT,EUR,EU27_2020,2025-S2,0.1902,\n"
)


def fetched(settings: Settings) -> dict[str, pl.DataFrame]:
    return fetched_prices(RawStore(settings.raw), declared(settings.home))


def serve_index(server: HubServer, day: str, usd: float) -> None:
    payload = INDEX.format(day=day, usd=usd).encode()
    server.serve("/ewyluda/gpu-price-index/main/site/data/observations-latest.csv", whole(payload, ETag=day))
    server.serve("/ewyluda/gpu-price-index/main/LICENSE", whole(b"MIT License"))


def test_a_newer_price_takes_the_place_of_the_bundled_one_and_both_days_are_kept(
    server: HubServer, tmp_path: Path
) -> None:
    serve_index(server, "2026-11-20", 4.49)
    settings = declare(tmp_path, server, "gpu_price_index")
    assert len(ask(settings, "gpu_price_index").new) == 1
    bundled, newer = price_list(ACCELERATOR_PRICES), fetched(settings)["accelerator_prices"]
    rows = ACCELERATOR_PRICES.conform(with_newer(bundled, newer, "accelerator_prices"))
    assert violations(ACCELERATOR_PRICES, rows) == {}
    mine = (
        (pl.col("provider") == "Lambda") & (pl.col("accelerator") == "H100-SXM5-80GB")
        & (pl.col("price_kind") == "on_demand") & (pl.col("region") == "global")
    )  # fmt: skip
    before, (after,) = bundled.filter(mine), rows.filter(mine).to_dicts()
    assert (after["usd_per_device_hour"], after["as_of_date"]) == (4.49, dt.date(2026, 11, 20))
    assert after["bundled_as_of_date"] == before["as_of_date"].max()
    # What others ask stays as bundled, with no day of a replaced price.
    others = rows.filter(~pl.col("provider").is_in(["Lambda", "CoreWeave", "RunPod (community)"]))
    assert others["bundled_as_of_date"].null_count() == others.height
    market = market_prices(rows).filter(
        pl.col("accelerator") == "H100-SXM5-80GB", pl.col("price_kind") == "on_demand", ~pl.col("is_hyperscaler")
    )
    assert market["newest_date"].item() == dt.date(2026, 11, 20)
    assert "newest 2026-11-20" in market["basis"].item()


def test_an_older_price_replaces_nothing_and_what_is_unchanged_is_not_fetched_again(
    server: HubServer, tmp_path: Path
) -> None:
    serve_index(server, "2026-09-29", 3.99)
    settings = declare(tmp_path, server, "gpu_price_index")
    ask(settings, "gpu_price_index")
    bundled, older = price_list(ACCELERATOR_PRICES), fetched(settings)["accelerator_prices"]
    rows = with_newer(bundled, older, "accelerator_prices")
    assert rows.filter(pl.col("provider") == "Lambda").equals(bundled.filter(pl.col("provider") == "Lambda"))
    server.serve("/ewyluda/gpu-price-index/main/site/data/observations-latest.csv", status(304))
    assert (len((again := ask(settings, "gpu_price_index")).new), again.known) == (0, 1)
    serve_index(server, "2026-11-20", 4.49)
    assert len(ask(settings, "gpu_price_index").new) == 1
    assert len(RawStore(settings.raw).snapshots("board_my_gpu_price_index")) == 2, "every state is kept, dated"


def test_slices_and_unknown_devices_are_left_out_and_told(server: HubServer, tmp_path: Path) -> None:
    serve_index(server, "2026-11-20", 4.49)
    settings = declare(tmp_path, server, "gpu_price_index")
    ask(settings, "gpu_price_index")
    prices = fetched(settings)["accelerator_prices"]
    assert sorted(prices["provider"]) == ["CoreWeave", "Lambda", "RunPod (community)"]
    assert prices.filter(pl.col("provider") == "RunPod (community)")["is_usable_for_medians"].item() is False
    read = read_boards(tmp_path)
    (snapshot,) = read.snapshots.to_dicts()
    assert (snapshot["rows_read"], snapshot["rows_loaded"], snapshot["rows_rejected"]) == (5, 3, 1)
    assert any("has no valid accelerator" in reason for reason in read.rejected["reason"])


def test_a_row_that_cannot_be_stops_no_other(server: HubServer, tmp_path: Path) -> None:
    payload = INDEX.format(day="2026-11-20", usd=-4.49).replace("CoreWeave,neocloud", "CoreWeave,sky").encode()
    server.serve("/ewyluda/gpu-price-index/main/site/data/observations-latest.csv", whole(payload))
    server.serve("/ewyluda/gpu-price-index/main/LICENSE", whole(b"MIT License"))
    settings = declare(tmp_path, server, "gpu_price_index")
    ask(settings, "gpu_price_index")
    prices = fetched(settings)["accelerator_prices"]
    assert prices["provider"].to_list() == ["RunPod (community)"]
    reasons = " ".join(read_boards(tmp_path).rejected["reason"])
    assert "has no valid usd_per_device_hour" in reasons
    assert "has no valid provider_tier" in reasons
    rows = with_newer(price_list(ACCELERATOR_PRICES), prices, "accelerator_prices")
    assert violations(ACCELERATOR_PRICES, ACCELERATOR_PRICES.conform(rows)) == {}


def test_offers_alike_are_one_at_their_median_and_markets_of_a_provider_stay_apart(
    server: HubServer, tmp_path: Path
) -> None:
    server.serve("/toolshedlabs-hash/gpu-price-feed/main/data/prices.json", whole(json.dumps(FEED).encode()))
    settings = declare(tmp_path, server, "gpu_price_feed")
    ask(settings, "gpu_price_feed")
    rows = {row["accelerator"]: row for row in fetched(settings)["accelerator_prices"].to_dicts()}
    vast, runpod = rows["A10"], rows["A100-SXM4-80GB"]
    assert (vast["provider"], vast["usd_per_device_hour"], vast["note"]) == ("Vast.ai", 0.2427, "median of 3 offers")
    assert (runpod["provider"], runpod["provider_tier"], runpod["region"]) == ("RunPod (secure)", "neocloud", "global")
    assert {row["as_of_date"] for row in rows.values()} == {dt.date(2026, 8, 23)}


def test_prices_of_tokens_are_those_of_open_models_whose_address_is_known(server: HubServer, tmp_path: Path) -> None:
    server.serve("/api.json", whole(json.dumps(MODELS).encode()))
    server.serve("/models.json", whole(b"{}"))
    settings = declare(tmp_path, server, "models_dev")
    ask(settings, "models_dev")
    bundled = price_list(API_PRICES)
    newer = addressed(fetched(settings)["api_prices"], bundled, ["zai-org/GLM-4.5"])
    assert newer.select("hf_model_id", "provider", "usd_per_million_output").rows() == [
        ("zai-org/GLM-4.5", "deepinfra", 1.21)
    ]
    rows = API_PRICES.conform(with_newer(bundled, newer, "api_prices"))
    assert violations(API_PRICES, rows) == {}
    mine = rows.filter(pl.col("hf_model_id") == "zai-org/GLM-4.5", pl.col("provider") == "deepinfra")
    assert mine["usd_per_million_output"].to_list() == [1.21]


def test_tariffs_of_eurostat_are_dollars_per_country(server: HubServer, tmp_path: Path) -> None:
    base = "/eurostat/api/dissemination/sdmx/2.1/data"
    asked = "?format=SDMX-CSV&lastNObservations=1"
    server.serve(f"{base}/nrg_pc_205/S.6000.MWH500-1999.KWH.X_VAT.EUR.{asked}", whole(EUROSTAT.encode()))
    server.serve(f"{base}/nrg_pc_204/S.6000.KWH2500-4999.KWH.I_TAX.EUR.{asked}", status(404))
    settings = declare(tmp_path, server, "eurostat_electricity")
    ask(settings, "eurostat_electricity")
    bundled, newer = price_list(ELECTRICITY_PRICES), fetched(settings)["electricity_prices"]
    assert newer.select("kind", "country_code", "place", "period").rows() == [
        ("non_household", "AUT", "Austria", "2025-S2"), ("non_household", "GRC", "Greece", "2025-S2"),
    ]  # fmt: skip
    assert newer["usd_per_kwh"].to_list() == pytest.approx([0.1890 * 1.1696, 0.2 * 1.1696])
    rows = ELECTRICITY_PRICES.conform(with_newer(bundled, newer, "electricity_prices"))
    assert violations(ELECTRICITY_PRICES, rows) == {}
    (austria,) = rows.filter(pl.col("country_code") == "AUT", pl.col("kind") == "non_household").to_dicts()
    assert (austria["period"], austria["bundled_as_of_date"]) == ("2025-S2", dt.date(2025, 5, 24))
