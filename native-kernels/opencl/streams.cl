// Manifold-constrained hyper-connections (arXiv:2512.24880): see CompressedOps. x [T, S * H], one stream behind the other.
#include "device.clh"
#include "rows.clh"

#define MOST 8  // streams

// Each of the S lines, `line` apart, of numbers `step` apart, divided by its sum + eps; a work-item for each.
static inline void divide_lines(__local float *m, int S, int line, int step, float eps) {
  for (int i = get_local_id(0); i < S; i += get_local_size(0)) {
    float sum = 0;
    for (int j = 0; j < S; j++) sum += m[i * line + j * step];
    for (int j = 0; j < S; j++) m[i * line + j * step] /= sum + eps;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

// out[t] = sum over i of pre[i] * x[t, i], and post and res to mix, if it is there. mixes [T, M], base [M], scale [1] or [3]; M is
// S, or S * (2 + S). A group for each row; shared: a float for each work-item.
__kernel void read_streams(IN(x), IN(mixes), int M, IN(base), IN(scale), int S, int H, int iterations, float eps, float normEps,
                           OUT(mix), OUT(out), __local float *shared) {
  __local float z[MOST * (2 + MOST)];
  const ulong t = get_group_id(0);
  const int first = get_local_id(0), step = get_local_size(0), all = S * H;
  const __global float *streams = READ(float, x) + t * all;
  float squares = 0;
  for (int c = first; c < all; c += step) squares += streams[c] * streams[c];
  const float root = sqrt(group_sum(squares, shared) / all + normEps);
  for (int i = first; i < M; i += step) {
    const float by = READ(float, scale)[min(i / S, 2)];
    const float v = READ(float, mixes)[t * M + i] / root * by + READ(float, base)[i];
    z[i] = i < S ? 1 / (1 + exp(-v)) + eps : i < 2 * S ? 2 / (1 + exp(-v)) : v;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int c = first; c < H; c += step) {
    float sum = 0;
    for (int i = 0; i < S; i++) sum += z[i] * streams[i * H + c];
    WRITE(float, out)[t * H + c] = sum;
  }
  if (!HAS(mix)) return;

  __local float *res = z + 2 * S;
  for (int i = first; i < S; i += step) {
    float most = -INFINITY, sum = 0;
    for (int j = 0; j < S; j++) most = fmax(most, res[i * S + j]);
    for (int j = 0; j < S; j++) sum += exp(res[i * S + j] - most);
    for (int j = 0; j < S; j++) res[i * S + j] = exp(res[i * S + j] - most) / sum + eps;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  divide_lines(res, S, 1, S, eps);
  for (int n = 1; n < iterations; n++) {
    divide_lines(res, S, S, 1, eps);
    divide_lines(res, S, 1, S, eps);
  }
  for (int i = first; i < S + S * S; i += step) WRITE(float, mix)[t * (S + S * S) + i] = z[S + i];
}

// x[t, j] = post[j] * y[t] + sum over i of res[i, j] * x[t, i]; a work-item for each column of y, t is the second dimension.
__kernel void write_streams(OUT(x), IN(y), IN(mix), int S, int H) {
  const int c = get_global_id(0);
  const ulong t = get_global_id(1);
  if (c >= H) return;
  __global float *to = WRITE(float, x) + t * S * H + c;
  const __global float *post = READ(float, mix) + t * (S + S * S), *res = post + S;
  const float more = READ(float, y)[t * H + c];
  float before[MOST];
  for (int i = 0; i < S; i++) before[i] = to[i * H];
  for (int j = 0; j < S; j++) {
    float sum = post[j] * more;
    for (int i = 0; i < S; i++) sum += res[i * S + j] * before[i];
    to[j * H] = sum;
  }
}
