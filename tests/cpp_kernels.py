"""The CUDA kernels of the samplers, compiled by a C++ compiler and run thread by thread.

A few lines stand in for what CUDA adds to C++; the sources are the files that NVRTC compiles.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from rmtland.ensembles.device.kernels import Kernels, source

SHIM = """
#include <cmath>
#include <cstdint>
#define __global__
#define __device__
struct place { unsigned int x; };
static place threadIdx, blockIdx, blockDim, gridDim;
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
using std::fabs; using std::floor;
"""
COMPILER = next((name for name in ("g++", "clang++", "c++") if shutil.which(name)), None)


def loops(text):
    """Return an entry for each kernel that runs its blocks and threads one after the other."""
    text = re.sub(
        r"FILL\((\w+), (\w+), NORMALS, values\[k\]\)|FILL\((\w+), (\w+), UNIFORMS, values\[k\]\)",
        lambda m: (
            f"void {m[1] or m[3]}({m[2] or m[4]} *out, const u64 *keys, u64 stream, "
            "u64 first, u64 count, u64 runs)\n{}"
        ),
        text,
    )
    entries = []
    for name, arguments in re.findall(r"void (\w+)\(\s*([^)]*)\)\s*\{", text):
        if name == "NAME" or name in ("philox4x64", "two_normals"):
            continue
        names = [re.split(r"[\s*]+", part.strip())[-1] for part in arguments.split(",")]
        entries.append(
            f'extern "C" void run_{name}(unsigned int grid, unsigned int block, {arguments}) {{\n'
            "    gridDim.x = grid; blockDim.x = block;\n"
            "    for (blockIdx.x = 0; blockIdx.x < grid; ++blockIdx.x)\n"
            "        for (threadIdx.x = 0; threadIdx.x < block; ++threadIdx.x)\n"
            f"            {name}({', '.join(names)});\n}}\n"
        )
    return "\n".join(entries)


@functools.cache
def library(file):
    text = source(file)
    code = SHIM + text + loops(text)
    folder = (
        Path(tempfile.gettempdir())
        / f"rmtland-kernels-{hashlib.sha256(code.encode()).hexdigest()[:16]}"
    )
    folder.mkdir(exist_ok=True)
    place = folder / f"{file}.so"
    if not place.exists():
        plain = folder / f"{file}.cpp"
        plain.write_text(code, encoding="utf-8")
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            made = Path(fresh) / "made.so"
            subprocess.run(
                [
                    COMPILER,
                    "-O2",
                    "-std=c++17",
                    "-ffp-contract=off",
                    "-shared",
                    "-fPIC",
                    "-w",
                    "-o",
                    str(made),
                    str(plain),
                ],
                check=True,
                capture_output=True,
                text=True,
            )
            made.replace(place)
    return ctypes.CDLL(str(place))


TYPES = {
    np.uint64: ctypes.c_uint64,
    np.int64: ctypes.c_int64,
    np.int32: ctypes.c_int32,
    np.float64: ctypes.c_double,
}


def launch(file, kernel, blocks, threads, arguments):
    given = [ctypes.c_uint(blocks), ctypes.c_uint(threads)]
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            assert argument.flags.c_contiguous
            given.append(ctypes.c_void_p(argument.ctypes.data))
        else:
            given.append(TYPES[type(argument)](argument))
    getattr(library(file), f"run_{kernel}")(*given)


KERNELS = Kernels(np, launch)
