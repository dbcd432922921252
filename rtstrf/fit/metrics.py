"""How well a prediction fits, against what the neuron's own variability allows.

Correlations are taken over time; several sounds are concatenated first, so that differences between them count.

Signal power (Sahani & Linden 2003) is the part of the response's variance that the sound explains:

    SP = (R var(mean over repeats) - mean over repeats of var) / (R - 1)

cc_norm (Schoppe et al. 2016, doi 10.3389/fncom.2016.00010) is the correlation that the prediction would have with the
mean of infinitely many repeats:

    cc_norm = cov(prediction, mean) / sqrt(var(prediction) SP)
"""

from __future__ import annotations

import numpy as np

from rtstrf.errors import DataError


def signal_power(responses: np.ndarray) -> np.ndarray:
    """Return the variance that the sound explains; an estimate, so it can be negative for a silent or noisy neuron.

    Parameters
    ----------
    responses : ndarray, shape (..., R, T)
        Response to each of at least two repeats.

    Returns
    -------
    power : ndarray, shape (...), float64
        In the square of the response's unit.

    Raises
    ------
    DataError
        If there are fewer than two repeats.

    Examples
    --------
    >>> float(signal_power(np.array([[0.0, 2.0, 0.0, 2.0], [0.0, 2.0, 0.0, 2.0]])))
    1.0
    """
    responses = np.asarray(responses, dtype=np.float64)
    repeats = responses.shape[-2]
    if repeats < 2:
        raise DataError(
            f"signal power from {repeats} repeat", remedy="give each sound at least twice, or look at cc instead"
        )
    of_mean = responses.mean(axis=-2).var(axis=-1)
    return (repeats * of_mean - responses.var(axis=-1).mean(axis=-1)) / (repeats - 1)


def correlation(prediction: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation (cc) over time; NaN where either is constant.

    Parameters
    ----------
    prediction, response : ndarray, shape (..., T)

    Returns
    -------
    cc : ndarray, shape (...), float64

    Examples
    --------
    >>> float(correlation(np.array([1.0, 2.0, 3.0]), np.array([5.0, 7.0, 9.0])).round(12))
    1.0
    """
    covariance, of_prediction = _covariance(prediction, response)
    scale = np.sqrt(of_prediction * np.asarray(response, dtype=np.float64).var(axis=-1))
    return np.divide(covariance, scale, out=np.full(np.shape(covariance), np.nan), where=scale > 0)


def normalised_correlation(prediction: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Return cc_norm; NaN where the prediction is constant or no signal power was found.

    Parameters
    ----------
    prediction : ndarray, shape (..., T)
    responses : ndarray, shape (..., R, T)
        Response to each repeat.

    Returns
    -------
    cc_norm : ndarray, shape (...), float64
        1 for a perfect model, on average; above 1 by chance where the noise helps.

    Examples
    --------
    >>> repeats = np.array([[0.0, 2.0, 0.0, 2.0], [0.0, 2.0, 0.0, 2.0]])
    >>> float(normalised_correlation(np.array([5.0, 6.0, 5.0, 6.0]), repeats).round(12))
    1.0
    """
    responses = np.asarray(responses, dtype=np.float64)
    covariance, of_prediction = _covariance(prediction, responses.mean(axis=-2))
    scale = np.sqrt(of_prediction * np.maximum(signal_power(responses), 0.0))
    return np.divide(covariance, scale, out=np.full(np.shape(covariance), np.nan), where=scale > 0)


def _covariance(prediction: np.ndarray, response: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariance over time, and the variance of the prediction."""
    predicted = np.asarray(prediction, dtype=np.float64)
    measured = np.asarray(response, dtype=np.float64)
    predicted = predicted - predicted.mean(axis=-1, keepdims=True)
    measured = measured - measured.mean(axis=-1, keepdims=True)
    return (predicted * measured).mean(axis=-1), predicted.var(axis=-1)
