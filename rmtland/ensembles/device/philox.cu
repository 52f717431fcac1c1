// Random numbers of all runs in one launch, by Philox4x64-10 (Salmon et al. 2011).
//
// Key: (seed, run). Counter: (block, attempt, stream, 0). Every output element has a counter of its
// own, so that it depends neither on the launch nor on other elements. The NumPy reference in
// philox.py computes the same integers. Compiled without contraction of a * b + c.

typedef unsigned long long u64;
typedef long long i64;

__device__ inline void philox4x64(u64 *c, u64 k0, u64 k1)
{
    const u64 m0 = 0xD2E7470EE14C6C93ULL, m1 = 0xCA5A826395121157ULL;
    for (int round = 0; round < 10; ++round) {
        const u64 high0 = __umul64hi(m0, c[0]), low0 = m0 * c[0];
        const u64 high1 = __umul64hi(m1, c[2]), low1 = m1 * c[2];
        c[0] = high1 ^ c[1] ^ k0;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ k1;
        c[3] = low0;
        k0 += 0x9E3779B97F4A7C15ULL;
        k1 += 0xBB67AE8584CAA73BULL;
    }
}

// In the open interval (0, 1).
__device__ inline double open_uniform(u64 word)
{
    return ((double)(word >> 12) + 0.5) * 2.220446049250313e-16;
}

// Two standard normal numbers (Box and Muller 1958); the angle is reduced to a quarter turn exactly.
__device__ inline void two_normals(u64 first, u64 second, double *normals)
{
    const double radius = sqrt(-2.0 * log(open_uniform(first)));
    const double turns = 4.0 * open_uniform(second), whole = floor(turns + 0.5);
    const double angle = 1.5707963267948966 * (turns - whole);
    const double s = sin(angle), c = cos(angle);
    const int quarter = (int)whole & 3;
    const double x = quarter == 0 ? c : quarter == 1 ? -s : quarter == 2 ? -c : s;
    const double y = quarter == 0 ? s : quarter == 1 ? c : quarter == 2 ? -s : -c;
    normals[0] = radius * x;
    normals[1] = radius * y;
}

// Logarithm of a gamma variable (Marsaglia and Tsang 2000), or the variable itself.
__device__ inline double gamma_variable(
    double shape, u64 element, u64 stream, u64 k0, u64 k1, int logarithm)
{
    const double d = (shape < 1.0 ? shape + 1.0 : shape) - 1.0 / 3.0;
    const double c = 1.0 / (3.0 * sqrt(d));
    for (u64 attempt = 1;; ++attempt) {
        u64 words[4] = {element, attempt, stream, 0};
        philox4x64(words, k0, k1);
        double x[2];
        two_normals(words[0], words[1], x);
        const double y = c * x[0];
        if (y <= -1.0) continue;
        const double rest = 3.0 * log1p(y) - y * (3.0 + y * (3.0 + y));
        if (log(open_uniform(words[2])) >= 0.5 * x[0] * x[0] + d * rest) continue;
        const double u = open_uniform(words[3]);
        if (logarithm) return log(d) + 3.0 * log1p(y) + (shape < 1.0 ? log(u) / shape : 0.0);
        const double v = (1.0 + y) * (1.0 + y) * (1.0 + y);
        return d * v * (shape < 1.0 ? exp(log(u) / shape) : 1.0);
    }
}

extern "C" __global__ void integers(
    u64 *out, const u64 *keys, u64 stream, u64 first, u64 count, u64 runs)
{
    const u64 low = first / 4, blocks = (first + count + 3) / 4 - low;
    const u64 step = (u64)blockDim.x * gridDim.x;
    for (u64 t = (u64)blockIdx.x * blockDim.x + threadIdx.x; t < runs * blocks; t += step) {
        const u64 run = t / blocks, block = low + t % blocks;
        u64 words[4] = {block, 0, stream, 0};
        philox4x64(words, keys[2 * run], keys[2 * run + 1]);
        for (u64 k = 0; k < 4; ++k) {
            const u64 e = 4 * block + k;
            if (e >= first && e < first + count) out[run * count + e - first] = words[k];
        }
    }
}

#define FILL(NAME, TYPE, PREPARE, VALUE)                                                           \
    extern "C" __global__ void NAME(                                                               \
        TYPE *out, const u64 *keys, u64 stream, u64 first, u64 count, u64 runs)                    \
    {                                                                                              \
        const u64 low = first / 4, blocks = (first + count + 3) / 4 - low;                         \
        const u64 step = (u64)blockDim.x * gridDim.x;                                              \
        for (u64 t = (u64)blockIdx.x * blockDim.x + threadIdx.x; t < runs * blocks; t += step) {   \
            const u64 run = t / blocks, block = low + t % blocks;                                  \
            u64 words[4] = {block, 0, stream, 0};                                                  \
            philox4x64(words, keys[2 * run], keys[2 * run + 1]);                                   \
            double values[4];                                                                      \
            PREPARE;                                                                               \
            for (u64 k = 0; k < 4; ++k) {                                                          \
                const u64 e = 4 * block + k;                                                       \
                if (e >= first && e < first + count) out[run * count + e - first] = (TYPE)VALUE;   \
            }                                                                                      \
        }                                                                                          \
    }
#define NORMALS two_normals(words[0], words[1], values), two_normals(words[2], words[3], values + 2)
#define UNIFORMS                                                                                   \
    for (int k = 0; k < 4; ++k) values[k] = open_uniform(words[k])

FILL(normals_float64, double, NORMALS, values[k])
FILL(normals_float32, float, NORMALS, values[k])
FILL(uniforms_float64, double, UNIFORMS, values[k])
FILL(uniforms_float32, float, UNIFORMS, values[k])

// Chi-square variables of (top - slope * element) * scale degrees of freedom; zero (or -infinity)
// where these are not positive.
extern "C" __global__ void chisquares(
    double *out, const u64 *keys, u64 stream, u64 first, u64 count, u64 runs, double top,
    double slope, double scale, int logarithm)
{
    const u64 step = (u64)blockDim.x * gridDim.x;
    for (u64 t = (u64)blockIdx.x * blockDim.x + threadIdx.x; t < runs * count; t += step) {
        const u64 run = t / count, e = first + t % count;
        const double degrees = (top - slope * (double)e) * scale;
        double value = logarithm ? -1.0 / 0.0 : 0.0;
        if (degrees > 0.0) {
            value = gamma_variable(
                0.5 * degrees, e, stream, keys[2 * run], keys[2 * run + 1], logarithm);
            value = logarithm ? value + 0.6931471805599453 : 2.0 * value;
        }
        out[t] = value;
    }
}
