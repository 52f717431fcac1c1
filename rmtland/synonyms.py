"""What the field also calls something, and its name here: hints for names that do not exist.

A table has a row for each name here, with the names that others use for it. An object whose
attribute is missing, and `rmtland` itself, look the name up and say what to write instead; nothing
is found under a second name.

Synonyms: aliases, did you mean.

Examples
--------
>>> from rmtland import MarchenkoPastur
>>> MarchenkoPastur(0.5).R
Traceback (most recent call last):
...
AttributeError: 'MarchenkoPastur' object has no attribute 'R'; use r_transform(g)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

__all__ = [
    "COMPARISONS",
    "FITS",
    "HESSIANS",
    "LAWS",
    "MODELS",
    "NETWORKS",
    "PACKAGE",
    "POINTS",
    "SPECTRA",
    "WithSynonyms",
    "leading_name",
    "meant",
]

LAWS: Mapping[str, str] = {
    "stieltjes(z)": "stieltjes_transform cauchy_transform cauchy resolvent G g m",
    "r_transform(g)": "R R_transform",
    "r_transform(g) + 1/g": "K k_transform blue blue_transform B inverse_stieltjes",
    "s_transform(w)": "S S_transform",
    "moment(k)": "moments m_k",
    "free_cumulants(n)": "cumulants free_cumulant kappa kappas",
    "pdf(x)": "density rho spectral_density density_of_states dos esd logpdf",
    "cdf(x)": "distribution distribution_function ecdf F logcdf",
    "ppf(q)": "quantile quantiles icdf inverse_cdf percentile F_inv",
    "sf(x)": "ccdf survival survival_function",
    "isf(q)": "iccdf inverse_survival_function",
    "std()": "standard_deviation stddev sd sigma",
    "var()": "variance sigma2",
    "mean()": "average expectation expected_value trace tr",
    "frozen().expect(f)": "expect integrate expected",
    "frozen().stats('sk')": "skew skewness kurtosis",
    "frozen()": "to_scipy scipy as_scipy dist freeze stats",
    "sample(size, rng=seed)": "rvs draw random samples sample_iid",
    "stieltjes(x), whose real part is pi times it": "hilbert hilbert_transform",
    "log_potential(0.0), whose real part it is": "log_determinant logdet log_det",
    "log_potential(z)": "potential log_energy logarithmic_potential",
    "support": "edges edge bands intervals bulk spectral_edges spectral_edge",
    "hull": (
        "lambda_plus lambda_minus lambda_max lambda_min max min lower upper lower_edge upper_edge "
        "left_edge right_edge bounds range extent ends a b"
    ),
    "atoms": "atom point_masses point_mass mass_at masses",
    "index()": "negative_fraction fraction_negative alpha negative_mass",
    "smoothed_pdf(x, eta=eta)": "smooth smoothed smoothed_density broadened poisson_transform",
    "aspect_ratio": "phi ratio gamma c y q lam lambda_ shape",
    "rmtland.free_sum(law, other)": (
        "free_sum boxplus convolve add additive_convolution free_convolution free_convolve"
    ),
    "rmtland.free_product(law, other)": (
        "free_product boxtimes multiply multiplicative_convolution free_multiply"
    ),
    "rmtland.free_power(law, t)": "free_power convolution_power power",
    "rmtland.free_compression(law, t)": "free_compression compress compression corner",
    "rmtland.free_deconvolution(total, law)": "free_deconvolution deconvolve deconvolution",
    "rmtland.affine(law, scale=a, shift=b)": "affine shift scale dilate translate rescale scaled",
    "rmtland.pushforward(law, f)": "pushforward map apply transform inverse abs sqrt log exp image",
    "rmtland.truncated(law, low, high)": "truncate truncated",
    "rmtland.tilted(law, weight)": "tilt tilted",
    "rmtland.mixture([law, other], weights)": "mix mixture",
    "rmtland.spiked(law, spikes)": "spiked spike spikes outlier outliers bbp",
    "rmtland.compare(spectrum, law)": "compare distance ks kolmogorov wasserstein",
    "rmtland.fit(spectrum, family)": "fit from_data",
}
"""Laws."""

MODELS: Mapping[str, str] = {
    "critical_energy": "e_c epsilon_c energy_c critical_epsilon critical_point transition",
    "epsilon": "energy e loss",
    "phi": "ratio aspect_ratio c gamma",
    "index()": "alpha negative_fraction fraction_negative",
    "matrix(n, rng=seed)": "sample_matrix random_matrix draw_matrix generate hessian draw",
    "sample(n, rng=seed)": "hessian draw rvs generate eigenvalues eigvals eigs spectrum simulate",
    "sample(n, runs=runs)": "samples draws",
    "part('gauss_newton')": "H0 gauss_newton GN ggn J wishart_part",
    "part('residual')": "H1 residual wigner_part",
    "stieltjes(z)": "stieltjes_transform cauchy_transform resolvent G g m",
    "smoothed_pdf(x, eta=eta)": "smoothed_density smooth broadened",
    "mean()": "trace tr average",
    "var()": "variance",
    "law": "limiting_law limit_law esd lsd limiting_distribution limiting_density",
    "rmtland.compare(spectrum, model)": "compare",
    "rmtland.fit(spectrum, family)": "fit from_data from_spectrum",
    "rmtland.overlay(spectrum, model)": "overlay",
}
"""Models and ensembles; what is missing there and an attribute of laws is found at `law`."""

SPECTRA: Mapping[str, str] = {
    "eigenvalues": "eigenvalue eigs eigvals evals eigenvals values spectrum lambdas",
    "moment(k)": "moments",
    "mean()": "trace average",
    "var()": "variance",
    "std()": "standard_deviation",
    "cdf(x)": "ecdf distribution empirical_cdf",
    "smoothed_pdf(x, eta=eta)": "pdf density kde dos esd spectral_density smooth smoothed",
    "stieltjes(z)": "stieltjes_transform resolvent G g m",
    "eigenvalues, with numpy.quantile": "ppf quantile quantiles median percentile",
    "nodes, with max and min": (
        "max min lambda_max lambda_min largest smallest top norm spectral_radius hull "
        "support edges edge range bounds condition_number maximum minimum"
    ),
    "index()": "alpha negative_fraction fraction_negative",
    "inertia()": "rank signature negative_count null_space nullity",
    "plot(), or numpy.histogram with eigenvalues": "histogram hist",
    "to_dataframe()": "to_pandas df dataframe frame to_csv",
    "numpy.asarray(spectrum)": "to_numpy numpy array tolist to_list as_array",
    "nodes, of shape (runs, size)": "shape size ndim",
    "dimension": "n p d dim N",
    "runs": "n_runs repeats",
    "provenance": "metadata info seed source parameters params",
    "measure": "quadrature",
    "save(path)": "to_file dump write",
    "rmtland.EmpiricalLaw.of(spectrum)": "law to_law empirical_law",
    "rmtland.compare(spectrum, law)": "compare distance ks kolmogorov wasserstein",
    "rmtland.fit(spectrum, family)": "fit",
    "rmtland.overlay(spectrum, law)": "overlay",
}
"""Spectra."""

NETWORKS: Mapping[str, str] = {
    "at(theta, x, y)": "hessian gradient grad hvp jacobian ntk fisher loss_at energy evaluate H",
    "predict(theta, x)": "forward apply output outputs call",
    "init(rng=seed)": "init_params initialise initialize parameters params random_parameters theta",
    "parameter_count": "n_params num_params n_parameters num_parameters size p",
    "rmtland.networks.train(net, theta, x, y)": "train fit",
}
"""Networks."""

POINTS: Mapping[str, str] = {
    "gradient": "grad gradients g",
    "hessian()": "H hess hessian_matrix H0 H1 gauss_newton residual ggn GGN",
    "hvp(v)": "hessian_vector_product Hv matvec",
    "gauss_newton_vp(v)": "gnvp ggnvp",
    "operator()": "linear_operator hessian_operator LinearOperator",
    "jacobian()": "J jac",
    "ntk()": "NTK tangent_kernel kernel K",
    "fisher()": "fisher_information F",
    "loss": "value f objective",
    "prediction": "output outputs predictions y_hat",
    "rmtland.Spectrum.from_matrix(point.hessian())": (
        "spectrum eigenvalues eigs hessian_spectrum hessian_eigenvalues index"
    ),
}
"""Networks at given parameters and data."""

HESSIANS: Mapping[str, str] = {
    "gauss_newton": "H0 ggn GGN G",
    "residual": "H1 functional",
    "total": "H hessian matrix full array",
    "rmtland.Spectrum.from_matrix(hessian)": "eigenvalues eigs eigvals spectrum index eigvalsh",
}
"""Hessians in two parts."""

COMPARISONS: Mapping[str, str] = {
    "kolmogorov": "ks KS ks_distance ks_statistic statistic distance D kolmogorov_smirnov",
    "wasserstein": "w1 W1 earth_mover emd wasserstein_distance",
    "rmtland.goodness_of_fit(spectrum, law)": "pvalue p_value p test",
    "index_difference": "index",
    "edge_differences": "edges edge_errors",
    "mass_outside": "fraction_outside outside",
    "to_dict()": "asdict as_dictionary dict table",
    "rmtland.overlay(spectrum, law)": "plot draw",
}
"""Comparisons of a spectrum with a law."""

FITS: Mapping[str, str] = {
    "parameters": "params estimates x values coefficients phi epsilon sigma aspect_ratio scale",
    "errors": "error stderr standard_errors std uncertainty covariance",
    "model": "best_model fitted",
    "comparison": "kolmogorov ks distance compare",
    "defect": "fun cost loss",
    "to_dict()": "asdict as_dict dict",
    "rmtland.goodness_of_fit(spectrum, fit.model)": "pvalue p_value",
    "rmtland.overlay(spectrum, fit.model)": "plot draw",
}
"""Fits."""

PACKAGE: Mapping[str, str] = {
    "rmtland.Semicircle": "SemiCircle semicircle WignerSemicircle WignerLaw SemicircleLaw",
    "rmtland.MarchenkoPastur": (
        "MP mp marchenko_pastur MarcenkoPastur marcenko_pastur MarchenkoPasturLaw MPLaw "
        "MarchenkoPasturDistribution MarchenkoPastour"
    ),
    "rmtland.TracyWidom": "tracy_widom TW TW1 TW2 TracyWidomLaw",
    "rmtland.EmpiricalLaw": "Empirical empirical EmpiricalMeasure EmpiricalDistribution",
    "rmtland.Discrete": "Dirac PointMass DiscreteLaw Bernoulli Rademacher delta",
    "rmtland.Normal": "Gaussian gaussian GaussianLaw",
    "rmtland.GaussianEnsemble": "GOE GUE GSE goe gue gse GaussianOrthogonalEnsemble",
    "rmtland.WishartEnsemble": "Wishart wishart LOE LUE LSE Laguerre LaguerreEnsemble",
    "rmtland.JacobiEnsemble": "MANOVA Jacobi JOE JUE",
    "rmtland.SpikedEnsemble": "spiked_model SpikedModel SpikedWigner SpikedCovariance",
    "rmtland.spiked": "bbp BBP BBP_transition bbp_transition outlier overlap",
    "rmtland.free_sum": (
        "free_convolution free_additive_convolution additive_convolution boxplus convolve "
        "free_add free_addition"
    ),
    "rmtland.free_product": (
        "free_multiplicative_convolution multiplicative_convolution boxtimes free_multiply "
        "free_multiplication"
    ),
    "rmtland.free_deconvolution": "free_deconvolve deconvolve deconvolution",
    "rmtland.free_compression": "compression compress",
    "rmtland.free_power": "free_convolution_power convolution_power",
    "rmtland.MatrixDyson": (
        "DysonEquation matrix_dyson_equation MatrixDysonEquation MDE mde dyson_equation"
    ),
    "rmtland.WishartPlusWigner": (
        "PenningtonBahri pennington_bahri WishartPlusGOE wishart_plus_wigner"
    ),
    "rmtland.Law.stieltjes": "stieltjes Stieltjes stieltjes_transform cauchy_transform G",
    "rmtland.Law.r_transform": "R_transform r_transform RTransform",
    "rmtland.Law.s_transform": "S_transform s_transform STransform",
    "rmtland.Law.free_cumulants": "free_cumulants cumulants",
    "rmtland.Law.moment": "moments moment",
    "rmtland.Law.pdf": "pdf density density_of_states",
    "rmtland.Law.cdf": "cdf",
    "rmtland.Law.index": "index",
    "rmtland.Spectrum": "eigenvalues Eigenvalues ESD esd spectrum_of",
    "rmtland.Spectrum.plot": "histogram hist",
    "rmtland.spectral_density": "slq SLQ stochastic_lanczos lanczos_density kpm KPM",
    "rmtland.estimate.trace": "hutchinson Hutchinson trace_estimate hutchpp",
    "rmtland.estimate.krylov_quadratures": "lanczos Lanczos quadratures",
    "rmtland.estimate.log_determinant": "logdet log_det",
    "rmtland.extremal_eigenpairs": "top_eigenvalues eigsh lambda_max power_iteration",
    "rmtland.compare": "ks ks_distance KS kolmogorov_smirnov distance ks_test",
    "rmtland.wasserstein_distance": "wasserstein earth_mover emd",
    "rmtland.fit": "fit_mp fit_law fit_marchenko_pastur fit_spectrum",
    "rmtland.nonlinear_shrinkage": "shrinkage ledoit_wolf LedoitWolf shrink",
    "rmtland.MLP": "Network network NeuralNetwork Net FeedForward Perceptron",
    "rmtland.networks.LossPoint.hessian": "hessian Hessian hessian_spectrum",
    "rmtland.networks.LossPoint.hvp": "hvp hessian_vector_product",
    "rmtland.networks.DATASETS": "datasets load_data",
    "rmtland.networks.mnist5k": "mnist load_mnist MNIST",
    "rmtland.networks.cifar10": "cifar load_cifar CIFAR10",
    "rmtland.from_torch": "torch pytorch from_pytorch torch_operator TorchOperator",
    "rmtland.from_jax": "jax jax_operator JaxOperator",
    "rmtland.Spectrum.from_matrix": "from_numpy from_matrix eigvalsh",
    "rmtland.models.WishartPlusWigner.critical_energy": "critical_energy critical_index",
    "rmtland.audit.audit_hessian": "audit_network run_audit",
}
"""The package itself: public names, and attributes of public classes."""


def meant(name: str, synonyms: Mapping[str, str], owner: object = None) -> str | None:
    """Return what to write instead of a name that does not exist.

    Parameters
    ----------
    name : str
        The name.
    synonyms : mapping from str to str
        A table: what to write, and the other names of it.
    owner : object, optional
        Whose attribute it should be: what it has not is not named.

    Returns
    -------
    str or None
        What to write; None where the table has no such name.

    Examples
    --------
    >>> meant("GOE", PACKAGE)
    'rmtland.GaussianEnsemble'
    """
    for here, others in synonyms.items():
        if name in others.split():
            first = leading_name(here)
            anywhere = owner is None or first in {"rmtland", "numpy"}
            if anywhere or hasattr(type(owner), first) or first in vars(owner):
                return here
    return None


def leading_name(words: str) -> str:
    """Return the attribute that words begin with.

    Parameters
    ----------
    words : str
        What to write.

    Returns
    -------
    str
        Its first name.

    Examples
    --------
    >>> leading_name("free_cumulants(n)")
    'free_cumulants'
    """
    found = re.match(r"\w+", words)
    return found[0] if found else ""


class WithSynonyms:
    """An object that says what is meant by an attribute that it has not."""

    _synonyms: ClassVar[Mapping[str, str]] = {}

    def _meant(self, name: str) -> str | None:
        """Return what to write instead of an attribute that there is not."""
        return meant(name, self._synonyms, self)

    if not TYPE_CHECKING:  # to type checkers a missing attribute stays one

        def __getattr__(self, name: str) -> object:
            here = None if name.startswith("_") else self._meant(name)
            if here is None or hasattr(type(self), name):  # or what a property raised
                return object.__getattribute__(self, name)  # raises, with Python's own words
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}; use {here}"
            )
