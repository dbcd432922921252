import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstrf.errors import DataError, SoundError
from rtstrf.fit.ns1 import BINS, count_spikes, load_ns1, sound_path
from rtstrf.fit.recordings import hear_file
from tests.fit.conftest import write_release, write_spikes, write_table


@pytest.fixture
def copy(release: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(release, tmp_path / "copy"))


def spikes_of(root: Path, unit: int) -> Path:
    return root / "spikesandwav" / f"exp{unit}" / "P01" / f"cluster.{unit:02d}.data.mat"


def test_a_release_loads_with_its_units_sounds_and_counts(release):
    recordings = load_ns1(release, [1, 3])
    assert recordings.counts.shape == (3, 2, 3, BINS)
    assert recordings.sound_ids == (1, 3)
    assert [path.name[-8:] for path in recordings.sounds] == ["frozen.1", "frozen.3"]
    assert recordings.units[1].id == "exp1/P01/cluster.01"
    assert recordings.units[1].depth_um == 100.0
    assert recordings.units[1].electrode == 2
    assert recordings.units[1].single_unit == "Yes"
    assert "10.1371/journal.pcbi.1005113" in recordings.citation[0]


def test_sounds_beyond_12_have_the_release_s_other_names():
    names = [sound_path(Path(), sound).name for sound in (1, 12, 13, 20)]
    assert names == [
        "source.1.sound.0.snr.0.token.0.fw.2.frozen.1",
        "source.1.sound.0.snr.0.token.0.fw.2.frozen.12",
        "source.2.sound.0.snr.0.token.0.fw.1.frozen.1",
        "source.2.sound.0.snr.0.token.0.fw.1.frozen.8",
    ]


@given(st.lists(st.floats(-20, 6000), max_size=60))
def test_every_spike_within_the_bins_is_counted_once(times_ms):
    times = np.array(times_ms)
    rounded = np.round(times)
    assert count_spikes(times).sum() == ((rounded >= 0) & (rounded < 5 * BINS)).sum()


def test_times_are_rounded_to_the_millisecond_before_they_are_counted():
    assert count_spikes(np.array([4.4, 4.6])).tolist()[:2] == [1, 1]


def test_counts_are_the_spikes_of_the_file(tmp_path):
    root = write_release(tmp_path, units=1, sounds=1, repeats=2)
    write_spikes(spikes_of(root, 0), [[np.array([0.0, 12.3]), np.array([])]])
    counts = load_ns1(root, [1]).counts
    assert np.argwhere(counts).tolist() == [[0, 0, 0, 0], [0, 0, 0, 2]]


def test_a_file_with_the_release_s_stray_suffix_is_found(copy):
    spikes_of(copy, 2).rename(spikes_of(copy, 2).with_name("cluster.02.data_1.mat"))
    np.testing.assert_array_equal(load_ns1(copy, [1]).counts, load_ns1(copy, [1]).counts)
    assert len(load_ns1(copy, [1]).units) == 3


def test_sounds_that_are_not_asked_for_need_not_be_there(copy):
    sound_path(copy, 4).unlink()
    trials = [[np.array([1.0])] * 3] * 2 + [[], []]
    for unit in range(3):
        write_spikes(spikes_of(copy, unit), trials)
    assert load_ns1(copy, [1, 2]).counts.shape == (3, 2, 3, BINS)


def test_missing_spikes_for_some_sounds_are_listed_by_unit_and_sound(copy):
    write_spikes(spikes_of(copy, 1), [[np.array([1.0])] * 3, [], [np.array([1.0])] * 2])
    with pytest.raises(DataError) as error:
        load_ns1(copy, [1, 2, 3, 4])
    assert (
        "exp1/P01/cluster.01 for sound 2 (0 repeats), 3 (2 repeats), 4 (0 repeats); there should be 3"
        in error.value.what
    )
    assert "cluster.00" not in error.value.what
    assert "--download" in str(error.value.remedy)


def test_missing_files_are_all_listed_with_their_paths(copy):
    sound_path(copy, 2).unlink()
    spikes_of(copy, 0).unlink()
    with pytest.raises(DataError) as error:
        load_ns1(copy, [1, 2])
    assert f"{sound_path(copy, 2)} (sound 2)" in error.value.what
    assert f"{spikes_of(copy, 0)} (spikes of unit exp0/P01/cluster.00)" in error.value.what


def test_a_long_list_of_what_is_missing_is_cut_and_counted(tmp_path):
    root = write_release(tmp_path, units=1, sounds=1)
    with pytest.raises(DataError, match=r"and 12 more"):
        load_ns1(root)  # 19 sounds are missing, and so are one unit's spikes for them


@pytest.mark.parametrize("place", ["absent", "empty"])
def test_another_folder_is_named_with_what_to_give_instead(tmp_path, place):
    root = tmp_path / place
    if place == "empty":
        root.mkdir()
    told = {"absent": "does not exist", "empty": "holds no MetadataSHEnCneurons.mat"}[place]
    with pytest.raises(DataError, match=rf"(?s){re.escape(str(root))} {told}.*osf.io/ayw2p"):
        load_ns1(root)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
@pytest.mark.parametrize("which", ["spikes", "table"])
def test_a_damaged_file_is_named(copy, which, damage):
    path = spikes_of(copy, 1) if which == "spikes" else copy / "MetadataSHEnCneurons.mat"
    data = path.read_bytes()
    path.write_bytes({"truncated": data[: len(data) // 2], "empty": b"", "text": b"no MATLAB file at all" * 20}[damage])
    with pytest.raises(DataError, match=re.escape(str(path))):
        load_ns1(copy, [1])


def test_a_matlab_file_of_something_else_says_what_was_looked_for(copy):
    import scipy.io

    scipy.io.savemat(spikes_of(copy, 1), {"other": 1})
    with pytest.raises(DataError, match=r"(?s)holds no spike times.*data\.set\(j\)\.repeats\(k\)\.t"):
        load_ns1(copy, [1])
    scipy.io.savemat(copy / "MetadataSHEnCneurons.mat", {"other": 1})
    with pytest.raises(DataError, match="no struct array 'neuron'"):
        load_ns1(copy, [1])


def test_a_table_without_units_is_refused(copy):
    write_table(copy, [])
    with pytest.raises(DataError, match="lack every field"):
        load_ns1(copy, [1])


def test_a_sound_number_that_ns1_does_not_have_is_refused(release):
    with pytest.raises(DataError, match=r"(?s)no sound 21.*1 to 20"):
        load_ns1(release, [1, 21])


def test_a_split_that_asks_for_other_sounds_says_which(release):
    recordings = load_ns1(release, [1, 2])
    assert recordings.rows([2, 1]) == [1, 0]
    with pytest.raises(DataError, match=r"(?s)no recordings of sound 7.*there are 1, 2"):
        recordings.rows([1, 7])


def test_a_sound_is_heard_as_a_replay_hears_it(release):
    # Resampled from 48,828 Hz by the streaming resampler, whose samples cannot depend on the block length.
    from rtstrf.sound.file import FileSource
    from rtstrf.sound.resample import Hops

    heard = hear_file(sound_path(release, 1), 48000, 240, BINS)
    hops = Hops(48828, 48000, 240)
    with FileSource(sound_path(release, 1)) as source:
        parts = []
        while (block := source.read(240)) is not None:
            parts.append(hops.push(block.samples))
    replayed = np.concatenate(parts).reshape(-1)
    assert heard.shape == (BINS * 240,)
    np.testing.assert_array_equal(heard[: len(replayed)], replayed[: len(heard)])


def test_a_sound_shorter_than_the_responses_is_refused(release):
    with pytest.raises(DataError, match=r"lasts 1000 bins, the responses to it 1001"):
        hear_file(sound_path(release, 1), 48000, 240, 1001)


def test_a_file_that_is_no_sound_is_named(copy):
    sound_path(copy, 1).write_text("no sound")
    with pytest.raises(SoundError, match=r"frozen\.1"):
        hear_file(sound_path(copy, 1), 48000, 240, BINS)
