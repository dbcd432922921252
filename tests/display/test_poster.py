import os
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

from rtstrf.display import style
from rtstrf.display.history import History
from rtstrf.display.poster import save_picture
from rtstrf.errors import MissingExtraError, UserError
from tests.display.conftest import UNITS, Stream


def read(path) -> np.ndarray:
    return np.round(matplotlib.image.imread(path)[..., :3] * 255).astype(int)


@pytest.fixture
def without_qt(monkeypatch, tmp_path_factory):
    """Make Qt fail in the process that draws as it does where a library of the system is missing."""
    package = tmp_path_factory.mktemp("path") / "PyQt6"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('libEGL.so.1: cannot open shared object file')")
    folders = [str(package.parent), os.getcwd(), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))


@pytest.mark.window
@pytest.mark.parametrize("drawer", ["qt", "matplotlib"])
def test_a_picture_has_the_size_asked_for_and_the_colours_of_the_style(history, tmp_path, drawer):
    path = tmp_path / "picture.png"
    assert save_picture(path, history, size_px=(1000, 700), drawer=drawer) == drawer
    picture = read(path)
    assert picture.shape == (700, 1000, 3)
    colours = {tuple(colour) for colour in picture.reshape(-1, 3)}
    for told in (style.BACKGROUND, style.PANEL, style.LEVEL_FILL):
        assert tuple(int(told[at : at + 2], 16) for at in (1, 3, 5)) in colours
    assert os.listdir(tmp_path) == ["picture.png"]


@pytest.mark.window
def test_both_drawers_show_the_same_sounds_at_the_same_times(history, tmp_path):
    """The scene is loud in every second half second: both pictures are bright in the same tenths of the time axis."""
    profiles = []
    for drawer in ("qt", "matplotlib"):
        save_picture(tmp_path / "picture.png", history, drawer=drawer)
        picture = read(tmp_path / "picture.png")
        plots = picture[450:700, 75:1435].sum(axis=(0, 2))
        profiles.append(plots > plots.mean())
    agree = np.mean(profiles[0] == profiles[1])
    assert agree > 0.95


@pytest.mark.window
@pytest.mark.parametrize("drawer", ["qt", "matplotlib"])
@pytest.mark.parametrize("seconds", [5.0, 10.0, 60.0])
def test_a_response_of_one_bin_is_as_bright_wherever_it_is_and_however_much_is_in_view(tmp_path, drawer, seconds):
    peak = style.pixels(np.float32([20.0]), style.rates_map(), 0.0, 20.0)
    told = (int(peak[0]) >> 16 & 255, int(peak[0]) >> 8 & 255, int(peak[0]) & 255)
    stream, history, bins = Stream(onoff=False), History(), 12_000
    rates_hz = np.zeros((bins, UNITS), np.float32)
    spikes = bins - 100 - 83 * np.arange(10)
    rates_hz[spikes, 5] = 20.0
    history.extend([stream.hello(units=[]), *stream.bins(0, bins, rates_hz=rates_hz)])
    save_picture(tmp_path / "picture.png", history, seconds=seconds, drawer=drawer)
    plots = (read(tmp_path / "picture.png")[:, 75:1440] == told).all(axis=2)
    longest = plots.sum(axis=0)
    columns = np.flatnonzero(longest >= 6)  # its row is higher than that, and no line is
    groups = 1 + np.count_nonzero(np.diff(columns) > 1)
    assert groups == len(spikes)


@pytest.mark.usefixtures("without_qt")
def test_where_qt_does_not_load_matplotlib_draws(history, tmp_path):
    assert save_picture(tmp_path / "picture.png", history) == "matplotlib"
    assert read(tmp_path / "picture.png").shape == (1000, 1600, 3)


@pytest.mark.usefixtures("without_qt")
def test_where_neither_can_draw_the_extra_is_named_and_nothing_is_left(history, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"(?s)libEGL.*matplotlib is not installed.*rtstrf\[report\]"):
        save_picture(tmp_path / "picture.png", history)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_does_not_exist_is_named(history, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        save_picture(tmp_path / "nowhere" / "picture.png", history, drawer="matplotlib")


def test_an_empty_history_cannot_be_drawn(tmp_path):
    with pytest.raises(UserError, match="nothing was received"):
        save_picture(tmp_path / "picture.png", History())


def test_the_greeting_can_be_given_apart(stream, tmp_path):
    history = History()
    history.extend(stream.bins(0, 1000))
    save_picture(tmp_path / "with.png", history, stream.hello().header, drawer="matplotlib")
    save_picture(tmp_path / "without.png", history, drawer="matplotlib")
    assert not np.array_equal(read(tmp_path / "with.png"), read(tmp_path / "without.png"))
    assert history.hello == {}


def test_a_stream_without_on_and_off_has_no_panel_for_them(stream, tmp_path):
    stream.onoff = False
    history = History()
    history.extend([stream.hello(), *stream.bins(0, 1000)])
    assert save_picture(tmp_path / "picture.png", history, drawer="matplotlib") == "matplotlib"


@pytest.mark.window
def test_nothing_is_said_on_the_console_not_even_without_a_runtime_directory(history, tmp_path):
    history.save(tmp_path / "history.npz")
    code = (
        "import sys; from rtstrf.display.history import History; from rtstrf.display.poster import save_picture\n"
        "save_picture(sys.argv[2], History.load(sys.argv[1]), drawer='qt')"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("XDG_RUNTIME_DIR", "QT_QPA_PLATFORM")}
    command = [sys.executable, "-c", code, str(tmp_path / "history.npz"), str(tmp_path / "picture.png")]
    done = subprocess.run(command, capture_output=True, text=True, env=kept, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.window
@pytest.mark.parametrize("drawer", ["qt", "matplotlib"])
def test_spikes_are_in_the_picture(tmp_path, drawer):
    history, stream = History(), Stream(spikes=True)
    history.extend([stream.hello(), *stream.bins(0, 2000)])
    save_picture(tmp_path / "picture.png", history, drawer=drawer)
    told = tuple(int(channel) for channel in style.spikes_map()[-1])
    ticks = (read(tmp_path / "picture.png")[:, 80:1430] == told).all(axis=2)
    # Two units fire, each in a row of its own, in every tenth or twentieth bin of 2000.
    columns = np.flatnonzero(ticks.sum(axis=0) >= 4)
    assert 1 + np.count_nonzero(np.diff(columns) > 1) == pytest.approx(200, abs=2)
