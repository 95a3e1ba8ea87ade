/* Packing, preparing and multiplying. */
#include "test.h"

/* What eight-bit activations stand for: of each `block` numbers, whole 127ths of the greatest; q·d in `to`. */
static void rounded(const float* x, int64_t cols, int block, double* to) {
  for (int64_t c = 0; c < cols; c += block) {
    float most = 0;
    for (int64_t i = c; i < c + block; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    const float by = most > 0 && isfinite(127 / most) ? 127 / most : 0;
    for (int64_t i = c; i < c + block; i++) to[i] = rint((double)(x[i] * by)) * (double)most / 127;
  }
}

enum { MOST_VECTORS = 80 };

static void product(Random* r, int type, int64_t rows, int64_t cols, int n, int weights, int kind) {
  const Format* f = &FORMATS[type];
  const int64_t row_bytes = cols / f->columns * f->bytes, tiles = (cols + 127) / 128;
  const int64_t strips = (rows + 15) / 16, packed_bytes = yz_packed_bytes(type, rows, cols);
  uint8_t* file = guarded(r, rows * row_bytes, 1);
  random_rows(r, type, weights, rows, cols, file);
  /* FP8 is packed by those rows that share a row of scales */
  float* scales = guarded_floats(r, (rows + 127) / 128 * tiles);
  for (int64_t i = 0; i < (rows + 127) / 128 * tiles; i++) scales[i] = (float)normal(r);
  uint8_t* packed = guarded(r, packed_bytes, 4);
  for (int64_t from = 0; from < rows; from += type == YZ_FP8 ? 128 : rows) {
    const int64_t some = type == YZ_FP8 && rows - from > 128 ? 128 : rows - from;
    yz_pack(type, file + from * row_bytes, scales + from / 128 * tiles, some, cols, packed + from / 16 * yz_packed_bytes(type, 16, cols));
  }

  /* vectors as the heads of tokens, with gaps that must not be read */
  const int heads = 1 + below(r, 3), gap = below(r, 4), tokens = (n + heads - 1) / heads;
  const int64_t head_stride = cols + gap, stride = heads * head_stride + gap;
  const int64_t floats = (tokens - 1) * stride + (n - 1 - (tokens - 1) * heads) * head_stride + cols;
  float* x = guarded_floats(r, floats);
  const int64_t bytes = yz_prepared_bytes(type, cols);
  uint8_t* prepared = guarded(r, n * bytes, 4);
  for (int t = 0; t < n; t++) fill(r, kind, x + t / heads * stride + t % heads * head_stride, cols);
  const int cut = below(r, n + 1);
  yz_prepare(type, x, stride, heads, head_stride, 0, cut, cols, prepared, bytes);
  yz_prepare(type, x, stride, heads, head_stride, cut, n, cols, prepared, bytes);

  const uint8_t* in[MOST_VECTORS];
  float *out[MOST_VECTORS], *again[MOST_VECTORS];
  for (int t = 0; t < n; t++) {
    uint8_t* one = guarded(r, bytes, 4);
    memcpy(one, prepared + t * bytes, (size_t)bytes);
    in[t] = one;
    out[t] = guarded_floats(r, rows);
    again[t] = guarded_floats(r, rows);
  }
  yz_product(type, packed, rows, cols, 0, strips, in, n, out);

  double* w = malloc(sizeof(double) * (size_t)cols);
  double* size = malloc(sizeof(double) * (size_t)cols);
  double* y = malloc(sizeof(double) * (size_t)(cols * n));
  for (int t = 0; t < n; t++) {
    const float* from = x + t / heads * stride + t % heads * head_stride;
    if (f->block != 0) {
      rounded(from, cols, f->block, y + t * cols);
    } else {
      for (int64_t c = 0; c < cols; c++) y[t * cols + c] = from[c];
    }
  }
  for (int64_t i = 0; i < rows; i++) {
    decode(type, file + i * row_bytes, scales + i / 128 * tiles, cols, w, size);
    for (int t = 0; t < n; t++) {
      double sum = 0, about = 0, all = 0;
      for (int64_t c = 0; c < cols; c++) {
        sum += w[c] * y[t * cols + c];
        about += size[c] * fabs(y[t * cols + c]);
        all += size[c];
      }
      /* sums in F32; BF16 and FP8 weights meet two BF16 parts of sixteen bits together, in which denormals may count as zeros */
      const double part = f->block != 0 ? 2e-6 + (double)cols / 32 * 3e-8 : type == YZ_F16 ? 3e-7 + (double)cols * 3e-8 : 0x1p-16;
      near(sum, out[t][i], about * part + all * 1e-36 + (double)cols * 1e-36, "product", f->name, t, i);
    }
  }
  free(w);
  free(size);
  free(y);

  /* the same to the last bit in pieces of strips, and whichever vectors are taken together */
  for (int t = 0; t < n;) {
    const int some = 1 + below(r, n - t < 5 ? n - t : 5);
    for (int64_t s = 0; s < strips;) {
      const int64_t piece = 1 + below(r, (int)(strips - s));
      yz_product(type, packed, rows, cols, s, s + piece, in + t, some, again + t);
      s += piece;
    }
    t += some;
  }
  for (int t = 0; t < n; t++) {
    if (memcmp(out[t], again[t], (size_t)rows * 4) != 0) wrong("product %s: vector %d of %d has other numbers beside others", f->name, t, n);
  }
  freed();
}

void test_products(Random* r) {
  static const int counts[] = {1, 2, 3, 4, 5, 8, 9, 13};
  for (int type = 0; type < YZ_TYPES; type++) {
    const int columns = FORMATS[type].columns;
    for (int i = 0; i < 8; i++) {
      static const int widths[] = {1, 2, 31, 32, 100, 128, 129, 300};
      const int64_t cols = FORMATS[type].block == 0 ? widths[i] : columns * (1 + i % 3);
      product(r, type, 1 + below(r, 40), cols, counts[i], 0, i < KINDS ? i : 0);
      product(r, type, 16 * (1 + below(r, 5)), cols, counts[below(r, 8)], i % 4, 0);
    }
    /* more columns and vectors than a panel has */
    product(r, type, 81, FORMATS[type].block == 0 ? 577 : columns == 256 ? 2304 : 1152, 67, 0, 0);
  }
  product(r, YZ_FP8, 150, 129, 3, 0, 0);
  product(r, YZ_Q8_0, 1600, 1024, 2, 0, 0); /* more than is taken to stay in a cache */
  /* activations that are no numbers fault nothing; what comes of them is not said */
  for (int type = 0; type < YZ_TYPES; type++) {
    const int64_t cols = FORMATS[type].block == 0 ? 33 : FORMATS[type].columns;
    float* x = guarded_floats(r, cols);
    fill(r, 0, x, cols);
    x[0] = NAN;
    x[1] = INFINITY;
    uint8_t* file = guarded(r, 16 * cols / FORMATS[type].columns * FORMATS[type].bytes, 1);
    random_rows(r, type, 0, 16, cols, file);
    uint8_t* packed = guarded(r, yz_packed_bytes(type, 16, cols), 4);
    const float scale = 1;
    yz_pack(type, file, &scale, 16, cols, packed);
    uint8_t* prepared = guarded(r, yz_prepared_bytes(type, cols), 4);
    yz_prepare(type, x, cols, 1, 0, 0, 1, cols, prepared, yz_prepared_bytes(type, cols));
    float* out = guarded_floats(r, 16);
    const uint8_t* in[] = {prepared};
    yz_product(type, packed, 16, cols, 0, 1, in, 1, &out);
    freed();
  }
}
