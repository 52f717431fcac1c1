// Eigenvalues of symmetric tridiagonal matrices by Sturm sequences, a lane a shift, a block a run.
//
// The recurrence is that of rmtland.ensembles.sturm; without contraction of a * b + c it gives the
// same counts. Rows are read ahead of the divisions, which follow one another.

typedef long long i64;

#define AHEAD 8

__device__ inline i64 sturm_count(
    const double *diagonal, const double *squares, i64 length, double x, double pivot, double *last)
{
    double d = *last;
    i64 below = 0, i = 0;
    double a[AHEAD], b[AHEAD];
    if (length >= AHEAD)
        for (int k = 0; k < AHEAD; ++k) a[k] = diagonal[k], b[k] = squares[k];
    for (; i + AHEAD <= length; i += AHEAD) {
        double next_a[AHEAD], next_b[AHEAD];
        const i64 from = i + 2 * AHEAD <= length ? i + AHEAD : i;
        for (int k = 0; k < AHEAD; ++k) next_a[k] = diagonal[from + k], next_b[k] = squares[from + k];
        for (int k = 0; k < AHEAD; ++k) {
            d = (a[k] - x) - b[k] / d;
            d = fabs(d) < pivot ? pivot : d;
            below += d < 0.0;
        }
        for (int k = 0; k < AHEAD; ++k) a[k] = next_a[k], b[k] = next_b[k];
    }
    for (; i < length; ++i) {
        d = (diagonal[i] - x) - squares[i] / d;
        d = fabs(d) < pivot ? pivot : d;
        below += d < 0.0;
    }
    *last = d;
    return below;
}

// Add to counts (runs, shifts) through rows (runs, length); state holds the last pivots.
extern "C" __global__ void sweep(
    const double *diagonal, const double *squares, const double *pivots, const double *shifts,
    double *state, i64 *counts, i64 length, i64 lanes, i64 blocks)
{
    const i64 run = blockIdx.x / blocks;
    const i64 lane = (i64)(blockIdx.x % blocks) * blockDim.x + threadIdx.x;
    if (lane >= lanes) return;
    double d = state[run * lanes + lane];
    counts[run * lanes + lane] += sturm_count(
        diagonal + run * length, squares + run * length, length, shifts[run * lanes + lane],
        pivots[run], &d);
    state[run * lanes + lane] = d;
}

// Eigenvalues of ranks first, first + 1, ... (from below, counted from zero) by bisection.
extern "C" __global__ void bisect(
    const double *diagonal, const double *squares, const double *pivots, const double *low,
    const double *high, const double *resolution, double *values, i64 length, i64 first, i64 lanes,
    i64 blocks)
{
    const i64 run = blockIdx.x / blocks;
    const i64 lane = (i64)(blockIdx.x % blocks) * blockDim.x + threadIdx.x;
    if (lane >= lanes) return;
    double left = low[run], right = high[run];
    while (right - left > resolution[run]) {
        const double middle = 0.5 * left + 0.5 * right;
        if (!(left < middle && middle < right)) break;
        double d = 1.0;
        const i64 below = sturm_count(
            diagonal + run * length, squares + run * length, length, middle, pivots[run], &d);
        if (below > first + lane) right = middle; else left = middle;
    }
    values[run * lanes + lane] = 0.5 * left + 0.5 * right;
}
