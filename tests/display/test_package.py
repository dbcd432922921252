import subprocess
import sys


def test_importing_the_package_its_data_and_the_terminal_loads_neither_qt_nor_zeromq_nor_torch():
    code = (
        "import sys, rtstrf.display, rtstrf.display.app, rtstrf.display.terminal, rtstrf.display.poster\n"
        "print([name for name in ('PyQt6', 'pyqtgraph', 'zmq', 'torch', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
