/* Rows of F32, and sums of products of such. */
#include "test.h"

static void row(Random* r, int64_t n, int kind) {
  float *a = guarded_floats(r, n), *b = guarded_floats(r, n), *out = guarded_floats(r, n), *was = guarded_floats(r, n);
  fill(r, kind, a, n);
  fill(r, kind == 6 ? 0 : kind, b, n);
  yz_silu_mul(a, b, out, n);
  for (int64_t i = 0; i < n; i++) {
    const double g = a[i], want = g / (1 + exp(-g)) * b[i];
    /* the exponential's argument is rounded too, which a large one feels */
    const double off = 2e-6 + (g < 0 ? -g * 0x1p-23 : 0);
    near(want, out[i], off * fabs(want) + fabs(g * b[i]) * 3e-38 + 1e-44, "silu_mul", "", n, i);
  }
  memcpy(was, out, (size_t)n * 4);
  memcpy(out, a, (size_t)n * 4);
  yz_silu_mul(out, b, out, n);
  if (memcmp(out, was, (size_t)n * 4) != 0) wrong("silu_mul of %lld into its own row is another", (long long)n);

  double squares = 0;
  for (int64_t i = 0; i < n; i++) squares += (double)a[i] * a[i];
  if (squares < 1e38) {
    yz_rms_norm(a, b, 1e-6f, n, out);
    const double by = 1 / sqrt(squares / (double)n + 1e-6f);
    for (int64_t i = 0; i < n; i++) near(a[i] * by * b[i], out[i], 3e-6 * fabs(a[i] * by * b[i]) + 1e-37, "rms_norm", "", n, i);
  }

  yz_add(a, b, out, n);
  for (int64_t i = 0; i < n; i++) near(a[i] + b[i], out[i], 0, "add", "", n, i);
  memcpy(was, out, (size_t)n * 4);
  yz_add_scaled(a, 0.3f, out, n);
  for (int64_t i = 0; i < n; i++) {
    near((double)a[i] * 0.3f + was[i], out[i], 0x1p-23 * (fabs(a[i] * 0.3) + fabs((double)was[i])) + 1e-44, "add_scaled", "", n, i);
  }
  yz_zero(out, n);
  for (int64_t i = 0; i < n; i++) near(0, out[i], 0, "zero", "", n, i);
  freed();
}

static void dots(Random* r, int64_t rows, int64_t cols, int n, int kind) {
  const int64_t stride = cols + below(r, 5);
  float* w = guarded_floats(r, (rows - 1) * stride + cols);
  for (int64_t i = 0; i < rows; i++) fill(r, kind, w + i * stride, cols);
  const float* x[16];
  float *out[16], *alone = guarded_floats(r, rows);
  for (int t = 0; t < n; t++) {
    float* from = guarded_floats(r, cols);
    fill(r, kind == 6 ? 0 : kind, from, cols);
    x[t] = from;
    out[t] = guarded_floats(r, rows);
  }
  yz_dots(w, stride, rows, cols, x, n, out);
  for (int t = 0; t < n; t++) {
    for (int64_t i = 0; i < rows; i++) {
      double sum = 0, size = 0;
      for (int64_t c = 0; c < cols; c++) {
        sum += (double)w[i * stride + c] * x[t][c];
        size += fabs((double)w[i * stride + c] * x[t][c]);
      }
      near(sum, out[t][i], size * (5e-7 + (double)cols * 4e-9) + (double)cols * 1e-37, "dots", "", t, i);
    }
    yz_dots(w, stride, rows, cols, x + t, 1, &alone);
    if (memcmp(alone, out[t], (size_t)rows * 4) != 0) wrong("dots: vector %d of %d has other numbers alone", t, n);
  }
  freed();
}

void test_rows(Random* r) {
  for (int64_t n = 1; n < 70; n++) row(r, n, (int)(n % KINDS));
  for (int kind = 0; kind < KINDS; kind++) row(r, 257 + 1151 * (kind % 2), kind);
  const float ends[] = {-1000, -88, -20, -0.0f, 0, 20, 88, 1000, -1e-20f, NAN, 1e30f, INFINITY};
  const float want[] = {0, -5.3e-37f, -4.1223072e-8f, 0, 0, 20, 88, 1000, -5e-21f, NAN, 1e30f, INFINITY};
  for (int i = 0; i < 12; i++) {
    const float one = 1;
    float got;
    yz_silu_mul(ends + i, &one, &got, 1);
    near(want[i], got, fabsf(want[i]) * 1e-6 + 1e-35, "silu_mul", "at its ends", i, 0);
  }
  for (int i = 0; i < 40; i++) dots(r, 1 + below(r, 12), 1 + below(r, i < 20 ? 40 : 400), 1 + below(r, 11), i % KINDS);
  for (int i = 0; i < 200; i++) {
    const int64_t n = 1 + below(r, 150), from = below(r, (int)n + 1);
    const float least = i % 9 == 0 ? -INFINITY : i % 9 == 1 ? NAN : (float)(normal(r) + 1.5);
    float* x = guarded_floats(r, n);
    fill(r, 0, x, n);
    x[below(r, (int)n)] = NAN;
    int64_t first = from;
    while (first < n && !(x[first] > least)) first++;
    if (yz_first_above(x, from, n, least) != first) wrong("first_above finds another number than the %lldth", (long long)first);
    freed();
  }
}
