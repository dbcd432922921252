"""The report, for programs and for people."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from rtstrf.checkpoints.load import LoadedModel
from rtstrf.errors import ConfigError
from rtstrf.replay import plots
from rtstrf.replay.play import Replayed, replay
from rtstrf.replay.report import HTML_NAME, JSON_NAME, make_folder, render_files, report
from tests.support.models import RATE_HZ, UNITS
from tests.support.sounds import ArraySource, bursts

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Reads a page, and complains where a tag is left open or anything is fetched from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert tag not in ("script", "link", "iframe")
        if tag == "img":
            assert values.get("alt")
            self.images.append(values["src"] or "")
        assert "href" not in values
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def two_sounds(loaded: LoadedModel, pace: str) -> list[Replayed]:
    rates_hz = (RATE_HZ, 44100)
    return [replay(ArraySource(bursts(r // 5, r), r), loaded, pace=pace) for r in rates_hz]  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["fast", "real"])
def replays(loaded: LoadedModel, request: pytest.FixtureRequest) -> list[Replayed]:
    return two_sounds(loaded, request.param)


def test_every_key_with_a_number_names_its_unit(loaded: LoadedModel, replays: list[Replayed]) -> None:
    unitless = {"bins", "units", "channels", "times_real_time", "load_mean", "deadlines_missed_fraction"}
    units = ("_ms", "_s", "_hz", "_samples", "_db_spl", "_bins", "_threads", "_usable")

    def walk(key: str, value: object) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(key if key.endswith("_ms") else name, inner)
        elif isinstance(value, list):
            for inner in value:
                walk(key, inner)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            assert key in unitless or key.endswith(units), key

    walk("report", report(replays, loaded))


def test_the_report_says_what_was_measured_of_what_and_on_what(loaded: LoadedModel, replays: list[Replayed]) -> None:
    facts = json.loads(render_files(replays, loaded)[JSON_NAME])
    assert facts["format"] == "rtstrf-replay-report/1"
    assert set(facts) == {
        "format", "created_utc", "verdict", "model", "machine", "pace", "total", "sounds",
    }  # fmt: skip
    assert {"cpu_model", "cores_usable", "os", "python", "torch", "torch_threads", "device"} <= set(facts["machine"])
    assert facts["model"]["weights_sha256"] == loaded.weights_sha256
    assert [sound["rates_sha256"] for sound in facts["sounds"]] == [r.rates_sha256 for r in replays]
    assert facts["total"]["bins"] == sum(sound["figures"]["bins"] for sound in facts["sounds"]) == 80
    real = facts["pace"] == "real"
    assert (facts["total"]["latency_ms"] is not None) is real
    for figures in (facts["total"], *(sound["figures"] for sound in facts["sounds"])):
        assert {"mean", "p50", "p99", "p99_9", "max"} == set(figures["computing_ms"])
        assert figures["deadlines_missed_bins"] >= 0


def test_the_delays_are_the_pipelines_and_kept_apart(loaded: LoadedModel, replays: list[Replayed]) -> None:
    direct, resampled = report(replays, loaded)["sounds"]
    stages = [delay["stage"] for delay in resampled["delays"]]
    assert [s.partition(":")[0] for s in stages] == ["driver", "resampling", "framing", "mel spectrogram"]
    assert not any(d["stage"].startswith(("driver", "resampling")) for d in direct["delays"])
    waits_ms = sum(delay["wait_ms"] for delay in resampled["delays"])
    assert resampled["figures"]["algorithmic_wait_max_ms"] == pytest.approx(waits_ms)


def test_the_page_is_whole_and_needs_nothing_beside_it(loaded: LoadedModel, replays: list[Replayed]) -> None:
    page = Page(render_files(replays, loaded)[HTML_NAME])
    real = replays[0].latency_ns is not None
    assert len(page.images) == 2 + real + 2  # timeline, distributions, a heat map a sound
    for image in page.images:
        kind, data = image.split(",", 1)
        assert kind == "data:image/svg+xml;base64"
        svg = ElementTree.fromstring(base64.b64decode(data))
        assert svg.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(list(svg.iter())) > 50
    assert "Delay by stage" in page.text
    assert ("replay with --pace real" in page.text) is not real
    for replayed in replays:
        assert replayed.rates_sha256 in page.text


def test_the_verdict_stands_at_the_top(loaded: LoadedModel, replays: list[Replayed]) -> None:
    files = render_files(replays, loaded)
    sentence = json.loads(files[JSON_NAME])["verdict"]["sentence"]
    text = Page(files[HTML_NAME]).text
    verdict_at, table_at = text.find(sentence.partition(":")[0]), text.find("Delay by stage")
    assert 0 < verdict_at < table_at


def test_a_name_cannot_smuggle_markup_into_the_page(loaded: LoadedModel) -> None:
    source = ArraySource(bursts(800, RATE_HZ), RATE_HZ)
    object.__setattr__(source.info, "name", "<script>alert(1)</script>&.wav")
    page = Page(render_files([replay(source, loaded)], loaded)[HTML_NAME])
    assert "<script>alert(1)</script>&.wav" in page.text


def test_a_single_bin_makes_a_report(loaded: LoadedModel) -> None:
    files = render_files([replay(ArraySource(bursts(80, RATE_HZ), RATE_HZ), loaded)], loaded)
    assert json.loads(files[JSON_NAME])["total"]["bins"] == 1
    assert len(Page(files[HTML_NAME]).images) == 3


def test_a_long_sound_is_drawn_in_columns_that_keep_the_outlier() -> None:
    values = np.ones(100_000)
    values[77_777] = 50.0
    columns = plots.in_columns(values, np.max)
    assert len(columns) == plots.COLUMNS
    assert columns.max() == 50.0
    assert plots.in_columns(values[:10], np.max) is not None
    assert len(plots.timeline([("computing", plots.COMPUTING, values)], 0.005, [])) < 2_000_000


def test_units_are_shown_by_depth_where_all_depths_are_known(loaded: LoadedModel) -> None:
    order, label = plots.unit_order(loaded.sidecar.units)
    assert order == list(reversed(range(UNITS)))  # the fixture's units are listed from deep to shallow
    assert label == "unit, by depth"


@pytest.mark.parametrize("name", ["missing/report", "file"])
def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"\n  -> "):
        make_folder(tmp_path / name)


def test_a_folder_that_is_there_is_used(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "new")
    assert not make_folder(tmp_path / "new")
