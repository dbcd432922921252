"""Optional libraries, imported where they are used and named where they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from rtstrf.errors import MissingExtraError


def require(module: str, extra: str, *, system_hint: str | None = None) -> ModuleType:
    """Import an optional library, or say which extra brings it.

    Parameters
    ----------
    module : str
        Dotted name of the library, such as ``"zmq"``.
    extra : str
        The extra of rtstrf that installs it, such as ``"wire"``.
    system_hint : str, optional
        What the operating system must have beside it (an apt package, say); used where the Python part is
        there but its shared library is not.

    Returns
    -------
    module : ModuleType

    Raises
    ------
    MissingExtraError
        If it is not installed or its shared library does not load; the message says what to install.

    Examples
    --------
    >>> require("json", "wire").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name.split(".")[0]):
            raise
        raise MissingExtraError(
            f"this needs the Python package {module!r}, which is not installed",
            remedy=f'run: pip install "rtstrf[{extra}]"',
        ) from error
    except (ImportError, OSError) as error:  # the wheel is there, a shared library of the system is not
        raise MissingExtraError(
            f"the Python package {module!r} is installed but does not load: {error}",
            remedy=system_hint or f'reinstall it with: pip install --force-reinstall "rtstrf[{extra}]"',
        ) from error
