import numpy as np
import pytest
import torch

from rtstrf.errors import ConfigError
from rtstrf.fit.tuning import best_frequencies_hz, receptive_fields, tuning_curves
from rtstrf.models.activations import ParametricSoftplus
from rtstrf.models.statenet import StateNet
from rtstrf.spectrogram.mel import MelSpectrogram

BANDS = 12


def picky_model(bands: list[int]) -> StateNet:
    """A model whose units each listen to one band: every place of the encoder sees one, and feeds one hidden unit."""
    mel = MelSpectrogram(16000, 5.0, n_mels=BANDS, f_max_hz=8000.0)
    activation = ParametricSoftplus(len(bands), beta=20.0)
    model = StateNet(
        BANDS, len(bands), hidden_channels=2, kernel_size=1, stride=1, wav2spec=mel, output_activation=activation
    )
    weights = model.state_dict()
    for key in weights:
        if key.startswith(("encoder_layers", "rnn", "readout.fc")):
            weights[key] = torch.zeros_like(weights[key])
    # The norm over the two channels of a place sees (x, 0), and so says whether x is above or below the bias.
    weights["encoder_layers.0.weights"][0] = 1.0
    weights["encoder_layers.0.biases"][0] = 3.0
    weights["encoder_layers.1.ln.weight"] += 1.0
    hidden = 2 * BANDS
    weights["rnn.weight_ih_l0"][2 * hidden :] = torch.eye(hidden)
    weights["rnn.bias_ih_l0"][hidden : 2 * hidden] = -4.0  # an open update gate: the state follows the input
    for unit, band in enumerate(bands):
        weights["readout.fc.weight"][unit, band] = 1.0
    model.load_state_dict(weights)
    return model.eval()


@pytest.fixture(scope="module")
def noise() -> torch.Tensor:
    return 0.01 * torch.randn(3, 1, 80 * 300, generator=torch.Generator().manual_seed(0))


def test_the_best_frequency_is_that_of_the_band_a_unit_listens_to(noise):
    bands = [1, 4, 9]
    model = picky_model(bands)
    found = receptive_fields(model, noise).max(axis=-1).argmax(axis=1)
    assert found.tolist() == bands
    assert isinstance(model.front_end, MelSpectrogram)
    expected = model.front_end.band_frequencies_hz()[bands]
    np.testing.assert_allclose(best_frequencies_hz(model, noise), expected, atol=0.06)


def test_a_unit_answers_to_its_band_at_once_and_to_no_other(noise):
    fields = receptive_fields(picky_model([5]), noise)
    assert fields.shape == (1, BANDS, 10)
    assert fields[0, 5, 0] > 0
    assert np.abs(np.delete(fields[0], 5, axis=0)).max() < 1e-9


def test_a_unit_that_nothing_excites_has_no_best_frequency(noise):
    model = picky_model([3, 5])
    with torch.no_grad():
        model.readout.fc.weight[1] = 0.0
        model.readout.fc.weight[0] *= -1  # inhibited by sound, and by nothing excited
    assert best_frequencies_hz(model, noise) == [None, None]


def test_a_tuning_curve_is_smooth_over_bands_and_keeps_a_flat_one_flat():
    fields = np.zeros((1, BANDS, 10))
    fields[0, 6, 2] = 9.0
    np.testing.assert_allclose(tuning_curves(fields)[0, 4:9], [1, 2, 3, 2, 1])
    np.testing.assert_allclose(tuning_curves(np.ones((2, BANDS, 10))), 1.0)


def test_sounds_that_are_too_short_are_refused():
    with pytest.raises(ConfigError, match="sounds of 50 bins"):
        receptive_fields(picky_model([1]), torch.zeros(1, 1, 80 * 50))


def test_a_model_without_a_front_end_is_refused():
    with pytest.raises(ConfigError, match="without front-end"):
        receptive_fields(StateNet(BANDS, 2), torch.zeros(1, 1, 80 * 300))
