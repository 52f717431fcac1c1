"""`rmtland landscape noise`: gradient noise and the stationary state of SGD at a minimum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rmtland.cli.landscape.escape import ChainOptions, escape
from rmtland.cli.landscape.problem_options import Targets, right_table
from rmtland.cli.landscape.stage_bar import Stage, stage_bar, until_interrupt
from rmtland.cli.landscape.subject import (
    ActivationName,
    Bias,
    Data,
    Decay,
    LossName,
    Model,
    Samples,
    minimised,
    torch_model,
)
from rmtland.cli.options import OUT, Format, Html, Json, Out, Seed
from rmtland.cli.output import Output, Stopped
from rmtland.intervals import interval_words
from rmtland.typing import Array, Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmtland.landscape.noise import NoisyDescent, Simulation
    from rmtland.networks import MLP, LossPoint

__all__ = ["noise"]

LARGEST = 600

LEGEND = (
    "simulated over predicted variance along the eigenvectors of the Hessian, least and largest; "
    "s.e.: largest standard error of a ratio;",
    "Gibbs: variance of the texts' law, T/lambda with T = eta tr(Sigma)/B, over the simulated one.",
)


def noise(
    data: Data = "digits-labels",
    outputs: Targets = 1,
    samples: Samples = 200,
    hidden: Annotated[
        str, typer.Option(help="Widths of hidden layers, such as 4; none by default.")
    ] = "",
    activation: ActivationName = "tanh",
    loss: LossName = "logistic",
    bias: Bias = True,
    weight_decay: Decay = 0.05,
    step_size: Annotated[float, typer.Option(help="Step size eta of SGD.")] = 0.1,
    batch_size: Annotated[int, typer.Option(help="Samples B of a batch.")] = 20,
    sampling: Annotated[
        str, typer.Option(help="with (replacement), without, reshuffling, or all.")
    ] = "all",
    chains: Annotated[int, typer.Option(help="Chains simulated at once.")] = 100,
    steps: Annotated[int, typer.Option(help="Steps recorded; a quarter more before.")] = 6000,
    at: Annotated[
        str, typer.Option(help="minimum, or saddle: escape along its negative directions.")
    ] = "minimum",
    distance: Annotated[
        float, typer.Option(help="From a saddle, at which chains have escaped.")
    ] = 0.1,
    probes: Annotated[int, typer.Option(help="Random signs, for a model of PyTorch.")] = 20,
    model: Model = None,
    seed: Seed = 0,
    out: Out = OUT,
    format: Format = "png",
    json: Json = None,
    html: Html = None,
) -> None:
    """Predict the stationary variance of SGD at a minimum, and simulate it.

    At a saddle: how the variance grows along directions of negative curvature, and when it has
    reached a distance. For a model of PyTorch: trace, temperature and alignment of its gradient
    noise, streamed.
    """
    from rmtland.arguments import choice, count, positive
    from rmtland.cli.landscape.problem_options import labelled_problem
    from rmtland.files import check_target
    from rmtland.landscape.noise import SAMPLINGS, noise_factor

    kinds = SAMPLINGS if choice("sampling", sampling, (*SAMPLINGS, "all")) == "all" else (sampling,)
    positive("step_size", step_size)
    count("batch_size", batch_size)
    count("chains", chains, min_value=20)
    count("steps", steps)
    choice("at", at, ("minimum", "saddle"))
    positive("distance", distance)
    output = Output(out, format=format, json=json, html=html)
    check_target(out / f"noise.{format}")
    if model is not None:
        _model(output, model, step_size, batch_size, count("probes", probes, min_value=2), seed)
        return
    net, x, y, description = labelled_problem(
        data,
        outputs,
        samples,
        hidden or ("3" if at == "saddle" else ""),
        activation,
        loss,
        bias,
        weight_decay,
        seed,
    )
    if net.parameter_count > LARGEST:
        raise ValueError(
            f"the network has {net.parameter_count} parameters; this command simulates dense "
            f"covariances and takes at most {LARGEST}: lower --hidden or --outputs"
        )
    options = ChainOptions(step_size, batch_size, chains, steps, seed)
    if at == "saddle":
        escape(output, net, x, y, description, options, sampling=sampling, distance=distance)
        return
    for kind in kinds:
        noise_factor(len(x), batch_size, kind)  # refuses batches that cannot be drawn
    point = _minimum(net, x, y, seed)
    with stage_bar() as stage:
        results, stopped = until_interrupt(
            _simulated(point, kind, options, stage) for kind in kinds
        )
    _print(output, point, results, description)
    output.figure(_figure(point, results, description), "noise")
    output.numbers(_report(point, results, description, seed))
    if stopped:
        raise Stopped(f"interrupted; {len(results)} of {len(kinds)} ways of sampling are written")


def _minimum(net: MLP, x: Array, y: Array, seed: int) -> LossPoint:
    """Train to a minimum."""
    result = minimised(net, net.init(rng=seed), x, y, gradient_norm=1e-9, max_steps=20_000)
    point = net.at(result.theta, x, y)
    if result.gradient_norm > 1e-5:
        raise ValueError(
            f"training ended with a gradient of {result.gradient_norm:.2g}, not at a minimum "
            f"({result.reason}); raise --weight-decay"
        )
    return point


def _simulated(
    point: LossPoint, sampling: str, options: ChainOptions, stage: Stage
) -> tuple[NoisyDescent, Simulation]:
    """Return prediction and simulation for one way of drawing batches."""
    from rmtland.landscape.noise import (
        GradientNoise,
        NoisyDescent,
        SampleCurvature,
        simulate_sgd,
    )

    step_size, batch_size, chains, steps, seed = options
    sgd = NoisyDescent.of_matrices(
        point.hessian("total"),
        GradientNoise.of(point).covariance,
        samples=point.data.size,
        step_size=step_size,
        batch_size=batch_size,
        sampling=sampling,
        spread=SampleCurvature.of(point),
    )
    found = sgd.stationary()
    simulated = simulate_sgd(
        point.net,  # type: ignore[arg-type]  # an MLP, made here
        point.theta,
        point.x,
        point.y,
        found.directions,
        step_size=step_size,
        batch_size=batch_size,
        sampling=sampling,
        steps=steps,
        burn_in=steps // 4,
        chains=chains,
        rng=seed,
        progress=stage(f"batches {sampling}"),
    )
    return sgd, simulated


def _print(
    output: Output,
    point: LossPoint,
    results: list[tuple[NoisyDescent, Simulation]],
    description: str,
) -> None:
    from rmtland.landscape.noise import GradientNoise

    sgd = results[0][0]
    noise = GradientNoise.of(point)
    aligned = noise.alignment(point.hessian("total"))
    output.line(f"{point.net}\n{description}")
    output.line(
        f"minimum: loss {point.loss:.6g}, curvatures {sgd.curvatures[0]:.4g} to "
        f"{sgd.curvatures[-1]:.4g}; flat directions {int(sgd.flat.sum())} (without noise "
        f"{int(sgd.frozen.sum())}), negative {int(sgd.escaping.sum())}"
    )
    output.line(
        f"gradient noise: tr Sigma {noise.trace:.4g}, effective rank {noise.effective_rank:.3g} of "
        f"{point.net.parameter_count}; alignment with H: cosine {aligned.cosine:.3g}, gain "
        f"{aligned.gain:.3g}; temperature eta tr(Sigma)/B "
        f"{noise.temperature(sgd.step_size, sgd.batch_size):.4g}"
    )
    table = right_table(
        ["sampling", "ratio", "s.e.", "effective samples", "without M", "growth", "Gibbs"],
        left=("sampling",),
    )
    for one, run in results:
        found = one.stationary()
        ratio = run.variances / found.variances
        plain = run.variances / one.stationary(multiplicative=False).variances
        gibbs = one.gibbs() / run.variances
        table.add_row(
            one.sampling,
            interval_words(ratio.min(), ratio.max()),
            f"{(run.errors / found.variances).max():.2g}",
            f"{run.effective.min():.3g} to {run.effective.max():.3g}",
            interval_words(plain.min(), plain.max()),
            f"{found.radius:.6g}",
            f"{gibbs.min():.3g} to {gibbs.max():.3g}",
        )
    output.table(table)
    for line in LEGEND:
        output.line(line)
    output.line(
        "without M: simulated over predicted without the multiplicative noise; growth: what that "
        "noise alone leaves of second moments in a step."
    )


def _figure(
    point: LossPoint, results: list[tuple[NoisyDescent, Simulation]], description: str
) -> Figure:
    from matplotlib.figure import Figure

    from rmtland.landscape.noise import draw_variances

    figure = Figure(figsize=(6.6, 4.8), layout="constrained")
    ax = figure.subplots()
    for i, (sgd, run) in enumerate(results):
        draw_variances(ax, sgd, run, gibbs=i == len(results) - 1)
    figure.suptitle(f"{point.net}\n{description}", fontsize=7)
    return figure


def _report(
    point: LossPoint,
    results: list[tuple[NoisyDescent, Simulation]],
    description: str,
    seed: int,
) -> Record:
    from rmtland.landscape.noise import GradientNoise

    noise = GradientNoise.of(point)
    return {
        "command": "landscape noise",
        "network": repr(point.net),
        "data": description,
        "seed": seed,
        "loss": point.loss,
        "trace": noise.trace,
        "alignment": noise.alignment(point.hessian("total"))._asdict(),
        "runs": [
            {
                "sampling": sgd.sampling,
                "step_size": sgd.step_size,
                "batch_size": sgd.batch_size,
                "curvatures": sgd.curvatures[sgd.stationary_directions],
                "predicted": sgd.stationary().variances,
                "additive": sgd.stationary(multiplicative=False).variances,
                "gibbs": sgd.gibbs(),
                "simulated": run.variances,
                "errors": run.errors,
                "effective": run.effective,
            }
            for sgd, run in results
        ],
    }


def _model(
    output: Output, target: str, step_size: float, batch_size: int, probes: int, seed: int
) -> None:
    """Print the gradient noise of a model of PyTorch."""
    from rmtland.landscape.noise import StreamedNoise

    made = torch_model(target)
    streamed = StreamedNoise(*made)
    aligned = streamed.alignment(probes=probes, rng=seed)
    trace, temperature = streamed.trace(), streamed.temperature(step_size, batch_size)
    output.line(f"{type(made[0]).__name__}, {streamed.shape[0]} parameters, {target}")
    output.line(
        f"gradient noise: tr Sigma {trace:.6g} (exact), temperature eta tr(Sigma)/B "
        f"{temperature:.4g}"
    )
    output.line(
        f"alignment with H: tr(Sigma H) {aligned.product:.4g} +- {aligned.product_error:.2g}, "
        f"cosine {aligned.cosine:.3g} +- {aligned.cosine_error:.2g} ({probes} random signs)"
    )
    output.numbers(
        {
            "command": "landscape noise",
            "model": target,
            "trace": trace,
            "temperature": temperature,
            "alignment": aligned._asdict(),
        }
    )
