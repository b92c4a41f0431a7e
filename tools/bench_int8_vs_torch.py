"""Times 8-bit products beside PyTorch's quantised linear layer, at the shapes of a model's linear layers.

Usage: python tools/bench_int8_vs_torch.py [--threads 1,2] [--rounds 5] [--repeat 5] [--model FILE]
                                           [--engines onednn,x86,fbgemm] [--only PART]
                                           [--binary target/release/sam2]

Both take activations in single precision and round them in the call: this program a row at a time, PyTorch
(`linear_dynamic`, weights per channel, packed beforehand) the whole tensor. Each round alternates between
the two shape by shape. A time is the least of a round's repeats, so that other programs disturb it little;
numbers are medians over rounds, a ratio that of the rounds' ratios: this program's rate over that of
PyTorch's fastest engine, so above 1 this program is faster.

On AVX2 PyTorch's engines do less than this program: `x86` and `fbgemm` round activations to seven bits, sums
of `onednn` saturate where weights are large. Both on AVX2:
SAM2_ISA=avx2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 FBGEMM_ENABLE_INSTRUCTIONS=AVX2
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import tempfile
import time
import warnings

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Least time of one measurement, as that of `sam2 bench`.
MIN_SECONDS = 0.01


def bench(binary: str, *options: str) -> list[dict]:
    command = [binary, "bench", "--parts", "gemm", "--precision", "int8", "--json", *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["rows"]


def shapes(args) -> dict[str, tuple[int, int, int]]:
    model = ["--model", args.model] if args.model else []
    rows = bench(args.binary, "--thread-counts", "1", "--repeat", "1", *model)
    named = {row["name"]: tuple(int(size) for size in row["size"].split("x")) for row in rows}
    return {name: shape for name, shape in named.items() if args.only in name}


def ours(binary: str, shape: tuple[int, int, int], threads: int, repeat: int) -> float:
    """Billions of operations a second."""
    m, k, n = shape
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"gemm": [{"m": m, "k": k, "n": n}]}, file)
        file.flush()
        options = ["--shapes", file.name, "--thread-counts", str(threads), "--repeat", str(repeat)]
        (row,) = bench(binary, *options)
    return 2e-6 * m * k * n / row["min_ms"]


class Linear:
    """PyTorch's layers of one shape, by engine."""

    def __init__(self, shape: tuple[int, int, int], engines: list[str]):
        self.shape = m, k, n = shape
        self.x = torch.rand(m, k) * 2 - 1
        weight = torch.rand(n, k) * 2 - 1
        zeros = torch.zeros(n, dtype=torch.int64)
        quantized = torch.quantize_per_channel(weight, weight.abs().amax(1) / 127, zeros, 0, torch.qint8)
        self.layers = {}
        for engine in engines:
            torch.backends.quantized.engine = engine
            self.layers[engine] = torch.ops.quantized.linear_prepack(quantized, None)
        exact = self.x @ weight.T
        for engine in engines:
            error = (self.call(engine) - exact).norm() / exact.norm()
            assert error < 0.03, f"{engine} at {shape}: error {error}"

    def call(self, engine: str) -> torch.Tensor:
        # PyTorch's own layer asks for seven bits of the activations where products of bytes may saturate.
        return torch.ops.quantized.linear_dynamic(self.x, self.layers[engine], engine != "onednn")

    @torch.inference_mode()
    def rate(self, engine: str, repeat: int) -> float:
        torch.backends.quantized.engine = engine
        m, k, n = self.shape
        start = time.perf_counter()
        self.call(engine)
        calls = math.ceil(MIN_SECONDS / (time.perf_counter() - start))
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            for _ in range(calls):
                self.call(engine)
            times.append((time.perf_counter() - start) / calls)
        return 2e-9 * m * k * n / min(times)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--engines", default="onednn,x86,fbgemm")
    parser.add_argument("--model", help="a checkpoint, for its shapes; else those of tiny")
    parser.add_argument("--only", default="", help="shapes whose name contains this")
    parser.add_argument("--binary", default=str(ROOT / "target/release/sam2"))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    engines = args.engines.split(",")
    print(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}; GOP/s")
    heads = " ".join(f"{name:>7}" for name in ["threads", "ours", *engines, "ratio"])
    print(f"{'layer':<36} {'size':<18} {heads}")
    for threads in map(int, args.threads.split(",")):
        torch.set_num_threads(threads)
        ratios = []
        for name, shape in shapes(args).items():
            linear = Linear(shape, engines)
            rounds = []
            for _ in range(args.rounds):
                mine = ours(args.binary, shape, threads, args.repeat)
                rounds.append((mine, *(linear.rate(engine, args.repeat) for engine in engines)))
            ratios.append(statistics.median(mine / max(others) for mine, *others in rounds))
            rates = " ".join(f"{statistics.median(rates):7.0f}" for rates in zip(*rounds))
            size = "x".join(map(str, shape))
            print(f"{name:<36} {size:<18} {threads:>7} {rates} {ratios[-1]:7.2f}", flush=True)
        faster = sum(ratio >= 1 for ratio in ratios)
        print(
            f"{threads} threads: ratio {statistics.geometric_mean(ratios):.2f} in the geometric mean, "
            f"{min(ratios):.2f} at least; at least as fast at {faster} of {len(ratios)} shapes"
        )


if __name__ == "__main__":
    main()
