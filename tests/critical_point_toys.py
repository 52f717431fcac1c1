"""Functions with known critical points, for finders; and a network's loss in many digits."""

import numpy as np

ACTIVATIONS = ("tanh", "erf", "sigmoid", "softplus", "gelu", "silu", "sine", "quadratic", "linear")


class Cubic:
    """x^3/3 - x + x y^2: a minimum (1, 0), a maximum (-1, 0), saddles (0, 1) and (0, -1)."""

    size = 2
    points = (((1, 0), 0), ((-1, 0), 2), ((0, 1), 1), ((0, -1), 1))

    def value(self, t):
        x, y = t
        return x**3 / 3 - x + x * y * y, np.array([x * x - 1 + y * y, 2 * x * y])

    def hessian(self, t):
        x, y = t
        return 2.0 * np.array([[x, y], [y, x]])

    def found(self, theta):
        """Return the index of the critical point at theta, None where there is none."""
        near = [i for point, i in self.points if np.abs(theta - point).max() < 1e-9]
        return near[0] if near else None


class Fold:
    """x^3/3 + x + y^2/2: no critical point; the gradient is flat along x at x = 0."""

    size = 2

    def value(self, t):
        x, y = t
        return x**3 / 3 + x + y * y / 2, np.array([x * x + 1, y])

    def hessian(self, t):
        return np.diag([2.0 * t[0], 1.0])


def exact_loss(net, theta, x, y):
    """Return the loss in mpmath, by loops over samples: written apart from the package."""
    import mpmath as mp

    functions = {
        "tanh": mp.tanh,
        "erf": mp.erf,
        "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
        "softplus": lambda z: mp.log(1 + mp.exp(z)),
        "gelu": lambda z: z * mp.ncdf(z),
        "silu": lambda z: z / (1 + mp.exp(-z)),
        "sine": mp.sin,
        "quadratic": lambda z: z * z,
        "linear": lambda z: z,
    }
    f, total, place = functions[net.activation], mp.mpf(0), 0
    layers = []
    for rows, columns in zip(net.widths[1:], net.widths[:-1], strict=True):
        scale = 1 / mp.sqrt(columns) if net.parametrisation == "ntk" else 1
        weight = [
            [scale * theta[place + i * columns + j] for j in range(columns)] for i in range(rows)
        ]
        place += rows * columns
        bias = [theta[place + i] if net.bias else 0 for i in range(rows)]
        place += rows if net.bias else 0
        layers.append((weight, bias))
    for sample, target in zip(x.tolist(), y.tolist(), strict=True):
        a = sample
        for depth, (weight, bias) in enumerate(layers):
            rows = zip(weight, bias, strict=True)
            z = [mp.fsum(w * v for w, v in zip(row, a, strict=True)) + b for row, b in rows]
            a = z if depth == len(layers) - 1 else [f(each) for each in z]
        pairs = list(zip(a, target, strict=True))
        if net.loss == "mse":
            total += mp.fsum((o - t) ** 2 for o, t in pairs) / 2
        elif net.loss == "logistic":
            total += mp.fsum(mp.log(1 + mp.exp(o)) - t * o for o, t in pairs)
        else:
            log_sum = mp.log(mp.fsum(mp.exp(o) for o in a))
            total += log_sum - mp.fsum(t * o for o, t in pairs)
    square = mp.fsum(t * t for t in theta)
    return total / len(x) + mp.mpf(net.weight_decay) / 2 * square
