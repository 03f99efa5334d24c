#!/usr/bin/env python3
"""Checks and measures the CUDA library on a machine with an NVIDIA GPU: nothing but CUDA, CMake, a C++ compiler and Python.

    python3 native/check/check.py [--out result.json] [--build folder] [--minutes 8]

Builds the library for the card at hand, runs every op's tests and the recorded calls of the TypeScript suite on it, runs
them again under compute-sanitizer where that is installed, times the ops, times PyTorch at the same shapes where that is
installed, and writes one JSON file. Its exit status is 0 only if everything that could run passed. A part that does not fit
into the minutes is left out, and the file says so.
"""
import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parent


def run(command, seconds, **options):
    """(exit status, output, seconds); 124 when it took too long."""
    started = time.time()
    try:
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=max(1, seconds), errors="replace", **options)
        return done.returncode, done.stdout, time.time() - started
    except subprocess.TimeoutExpired as late:
        text = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        return 124, text + f"\nstopped after {seconds:.0f} s", time.time() - started
    except FileNotFoundError as missing:
        return 127, str(missing), 0.0


def counts(output):
    found = re.findall(r"native: (\d+) passed, (\d+) failed", output)
    return tuple(map(int, found[-1])) if found else (0, 1)


def machine():
    status, text, _ = run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm", "--format=csv,noheader"], 30)
    cards = [line.split(", ") for line in text.strip().splitlines()] if status == 0 else []
    names = ["name", "driver", "memory", "computeCapability", "largestClock"]
    _, nvcc, _ = run(["nvcc", "--version"], 30)
    _, commit, _ = run(["git", "-C", NATIVE, "rev-parse", "HEAD"], 10)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit.strip() if re.fullmatch(r"[0-9a-f]{40}\s*", commit) else os.environ.get("COMMIT", "unknown"),
        "cards": [dict(zip(names, card)) for card in cards],
        "nvcc": (re.findall(r"release ([\d.]+)", nvcc) or ["not found"])[0],
        "processors": os.cpu_count(),
    }


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", default="gpu-check.json")
    options.add_argument("--build", default=str(NATIVE / "build-check"))
    options.add_argument("--minutes", type=float, default=8)
    options = options.parse_args()
    end = time.time() + 60 * options.minutes
    left = lambda: end - time.time()
    result = {"machine": machine(), "parts": {}, "leftOut": []}
    ok = True

    def part(name, seconds, command, read=lambda text: {}, late=False, **kwargs):
        """Runs one part within its own time and what is left of all; True if it passed. late: it may run out of time."""
        nonlocal ok
        if left() < 10:
            result["leftOut"].append(name)
            return False
        status, text, took = run(command, min(seconds, left()), **kwargs)
        if late and status == 124:
            result["leftOut"].append(f"{name}: not done after {took:.0f} s")
            return False
        entry = {"seconds": round(took, 1), "status": status, **read(text)}
        if status != 0:
            entry["output"] = text[-6000:]
        result["parts"][name] = entry
        ok = ok and status == 0
        print(f"{'ok    ' if status == 0 else 'FAILED'} {name}, {took:.1f} s" + "".join(f", {entry[key]} {key}" for key in ("passed", "failed") if key in entry), flush=True)
        if status != 0:
            print(text[-3000:], flush=True)
        return status == 0

    tests = lambda text: dict(zip(("passed", "failed"), counts(text)))
    programs = Path(options.build) / "RelWithDebInfo"
    capability = result["machine"]["cards"][0]["computeCapability"].replace(".", "") if result["machine"]["cards"] else "90"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    built = part("configure", 60, ["cmake", "-S", NATIVE, "-B", options.build, "-DNO_ADDON=ON", f"-DCUDA_ARCHITECTURES={capability}", *generator])
    built = built and part("build", 240, ["cmake", "--build", options.build, "--parallel", os.cpu_count() or 4, "--target", "cuda_test", "cuda_replay", "cuda_bench"])
    if built:
        part("op tests", 120, [programs / "cuda_test"], tests)
        part("op tests without cuBLAS", 60, [programs / "cuda_test", "matmul"], tests, env={**os.environ, "HIDDEN_ATTENTION_CUBLAS": "0"})
        part("recorded calls", 60, [programs / "cuda_replay", *sorted(HERE.glob("*.trace"))], tests)

        def figures(text):
            try:
                return {"figures": json.loads(text[text.index("{"):])}
            except ValueError:
                return {"unreadable": text[-2000:]}

        part("times", 150, ["bash", "-c", f'"{programs / "cuda_bench"}" 2>/dev/null'], figures)
        if run([sys.executable, "-c", "import torch; assert torch.cuda.is_available()"], 60)[0] == 0:
            part("PyTorch's times", 150, [sys.executable, HERE / "pytorch.py"], figures)
        else:
            result["leftOut"].append("PyTorch's times: PyTorch with a GPU is not installed here")
        if shutil.which("compute-sanitizer"):
            # short tests of the kernels that share most among threads; one that does not end in its time is left out, not failed
            words = "selectiveScanOf16Bits,selectiveScanStepByStep,attentionMeanMatrixTiles,matmulBothOf16Bits,matmulOf16Bits,causalConv1dChunks,embeddingRows,rmsNorm"
            for tool in ("racecheck", "memcheck"):
                part(f"{tool} of short tests", 60, ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", programs / "cuda_test"], tests, late=True,
                     env={**os.environ, "HIDDEN_ATTENTION_CUBLAS": "0", "NATIVE_TEST_ONLY": words})
        else:
            result["leftOut"].append("compute-sanitizer: not installed here")
    result["ok"] = ok
    result["minutes"] = round(options.minutes - left() / 60, 2)
    temporary = options.out + ".part"
    Path(temporary).write_text(json.dumps(result, indent=1) + "\n")
    os.replace(temporary, options.out)
    for name in ("times", "PyTorch's times"):
        for figure in result["parts"].get(name, {}).get("figures", {}).get("figures", []):
            if "value" in figure:
                limit = f"  limit {figure['limit']:.4g}, {figure['value'] / figure['limit']:.2f}×" if "limit" in figure else ""
                print(f"{figure['name']:<30} {figure['shape']:<44} {figure['value']:>11.5g} {figure['unit']}{limit}")
    print(f"{'passed' if ok else 'FAILED'} in {result['minutes']} minutes; left out: {'; '.join(result['leftOut']) or 'nothing'}; written to {options.out}")
    sys.exit(0 if ok else 1)


main()
