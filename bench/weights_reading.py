"""How fast, and in how much memory, files of weights are read: `python bench/weights_reading.py`.

Random weights of a ResNet-50 (98 MB) are written as `.pth`, `.safetensors` and `.params`, and each is read by a process
of its own, the file being in the system's cache. Printed are the shortest of five times, and by how much the process
grew at most, as a share of the file. The goal is half a second and 1.3 times the file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

_READ = """
import sys, time
from pathlib import Path
from runtime.weights.{module} import {name} as read
peak = lambda: 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before, begin = peak(), time.perf_counter()
found = read(Path(sys.argv[1]))
print(time.perf_counter() - begin, peak() - before)
"""
FORMATS = {
    "net.pth": ("torch_file", "read_torch_file"),
    "net.safetensors": ("safetensors_file", "read_safetensors"),
    "net.params": ("params_file", "read_params"),
}


def write(folder: Path) -> None:
    """Write the weights in each format."""
    from random_weights import random_weights
    from torch_files import state, storage, tensor, zip_file

    from runtime.models.pytorch import built, infer
    from runtime.models.torch_names import torch_names
    from runtime.plan.size import Size
    from runtime.weights.params_file import write_params
    from runtime.weights.safetensors_file import write_safetensors

    whole, cut = built("gluoncv", "resnet50_v1b", Size.square(224))
    infer(cut, Size.square(224))
    shapes = {
        name: each.shape if 0 not in each.shape else (1000, 2048)
        for name, each in torch_names(whole, "resnet50_v1b").items()
    }
    arrays = random_weights(shapes)
    write_safetensors(folder / "net.safetensors", arrays)
    write_params(folder / "net.params", arrays)
    kept = {str(number): array for number, array in enumerate(arrays.values())}
    tensors = {}
    for number, (name, array) in enumerate(arrays.items()):
        strides = tuple(stride // 4 for stride in array.strides)
        tensors[name] = tensor(array.shape, strides, of=storage("FloatStorage", str(number), array.size))
    (folder / "net.pth").write_bytes(zip_file(state(**tensors), {key: array.tobytes() for key, array in kept.items()}))


def main() -> None:
    """Write the files, and read each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        for file, (module, function) in FORMATS.items():
            code = _READ.format(module=module, name=function)
            runs = []
            for _ in range(5):
                command = [sys.executable, "-c", code, str(folder / file)]
                said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
                runs.append(tuple(map(float, said.split())))
            size = (folder / file).stat().st_size
            seconds, grown = min(each for each, _ in runs), max(each for _, each in runs)
            print(f"{file:16} {size / 1e6:6.1f} MB  {seconds:.2f} s  {grown / size:.2f} times its size")


if __name__ == "__main__":
    main()
