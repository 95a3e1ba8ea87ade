/* Attention over the pages of a cache, in both forms, and the indexer's scores. */
#include "test.h"

/* The first `count` entries of a sequence on pages that lie in disorder, among others that are NaN. */
typedef struct {
  YzPages pages;
  double* numbers; /* [count][width] */
} Cache;

static Cache cache_of(Random* r, int cache, int64_t count, int width, int kind) {
  const int64_t tokens = 1 + below(r, 20), pages = (count + tokens - 1) / tokens, bytes = cache_bytes(cache, width);
  int32_t* table = guarded(r, 4 * pages, 4);
  uint8_t* entries = guarded(r, (pages + 1) * tokens * bytes, cache == YZ_CACHE_F32 ? 4 : 2);
  const int64_t spare = below(r, (int)pages + 1); /* belongs to another sequence */
  for (int64_t p = 0; p < pages; p++) table[p] = (int32_t)(pages - p - (pages - p > spare ? 0 : 1));
  Cache c = {{entries, table, tokens, bytes}, malloc(sizeof(double) * (size_t)(count * width + 1))};
  float* row = malloc(sizeof(float) * (size_t)width);
  for (int64_t i = 0; i < count; i++) {
    fill(r, kind, row, width);
    uint8_t* to = entries + (table[i / tokens] * tokens + i % tokens) * bytes;
    cache_encode(cache, row, width, to);
    for (int j = 0; j < width; j++) c.numbers[i * width + j] = cache_decode(cache, to, j);
  }
  free(row);
  return c;
}

static const char* const CACHES[] = {"f32", "f16", "bf16", "e4m3", "q8_0"};

/* Σ softmax(scores)·values over the entries that are seen, and Σ softmax·|value|. */
static void attended(const double* scores, int64_t seen, const double* values, int64_t stride, int n, double* out, double* size) {
  double most = -INFINITY, total = 0;
  for (int64_t e = 0; e < seen; e++) most = scores[e] > most ? scores[e] : most;
  memset(out, 0, sizeof(double) * (size_t)n);
  memset(size, 0, sizeof(double) * (size_t)n);
  if (most == -INFINITY) return;
  for (int64_t e = 0; e < seen; e++) total += exp(scores[e] - most);
  for (int64_t e = 0; e < seen; e++) {
    const double p = exp(scores[e] - most) / total;
    for (int i = 0; i < n; i++) {
      out[i] += p * values[e * stride + i];
      size[i] += p * fabs(values[e * stride + i]);
    }
  }
}

static void attend(Random* r, int cache, int keys, int values_at, int values, int queries, int64_t entries, int kind, int few) {
  const int width = values_at + values > keys ? values_at + values : keys;
  Cache c = cache_of(r, cache, entries, width, kind);
  float* q = guarded_floats(r, (int64_t)queries * keys);
  fill(r, 0, q, (int64_t)queries * keys);
  const float scale = (kind == 2 ? 1e-8f : 1) / sqrtf((float)keys);
  int64_t* last = guarded(r, 16 * 8, 8);
  for (int j = 0; j < 16; j++) last[j] = j < queries ? below(r, (int)entries + 1) : 0;
  last[below(r, queries)] = entries;

  /* some parts, of which a query may see none */
  const int parts = 1 + below(r, 4);
  const int64_t stride = 16 * values + 32 + 16 * below(r, 2);
  float* turned = guarded_floats(r, few ? (int64_t)queries * keys : 16 * (int64_t)keys);
  yz_turn(q, queries, keys, scale, few, turned);
  float* part = guarded_floats(r, (parts - 1) * stride + 16 * values + 32);
  uint8_t* work = guarded(r, yz_attend_bytes(width), 1);
  int64_t ends[5] = {0};
  for (int p = 1; p <= parts; p++) ends[p] = p == parts ? entries : ends[p - 1] + below(r, (int)(entries - ends[p - 1]) + 1);
  for (int p = 0; p < parts; p++) {
    int64_t* some = guarded(r, 16 * 8, 8);
    for (int j = 0; j < 16; j++) some[j] = last[j] < ends[p + 1] ? last[j] : ends[p + 1];
    yz_attend(cache, turned, queries, few, &c.pages, ends[p], some, width, keys, values_at, values, part + p * stride, work);
  }
  float* out = guarded_floats(r, (int64_t)queries * values);
  yz_merge(part, stride, parts, queries, values, out);

  double* scores = malloc(sizeof(double) * (size_t)(entries + 1));
  double* want = malloc(sizeof(double) * (size_t)values * 2);
  float* alone = guarded_floats(r, values);
  for (int j = 0; j < queries; j++) {
    double most = 0;
    for (int64_t e = 0; e < last[j]; e++) {
      double size = 0;
      scores[e] = 0;
      for (int i = 0; i < keys; i++) {
        scores[e] += (double)q[j * keys + i] * c.numbers[e * width + i] * scale;
        size += fabs((double)q[j * keys + i] * c.numbers[e * width + i] * scale);
      }
      most = size > most ? size : most;
    }
    attended(scores, last[j], c.numbers + values_at, width, values, want, want + values);
    for (int i = 0; i < values; i++) {
      near(want[i], out[j * values + i], (5e-6 + 1e-6 * most) * want[values + i] + 1e-36, "attend", CACHES[cache], j, i);
    }
    /* alone, over the same parts */
    float* one = guarded_floats(r, few ? keys : 16 * (int64_t)keys);
    yz_turn(q + j * keys, 1, keys, scale, few, one);
    for (int p = 0; p < parts; p++) {
      int64_t some[16] = {last[j] < ends[p + 1] ? last[j] : ends[p + 1]};
      yz_attend(cache, one, 1, few, &c.pages, ends[p], some, width, keys, values_at, values, part + p * stride, work);
    }
    yz_merge(part, stride, parts, 1, values, alone);
    if (memcmp(alone, out + j * values, (size_t)values * 4) != 0) wrong("attend %s: query %d of %d has other numbers alone", CACHES[cache], j, queries);
  }
  free(scores);
  free(want);
  free(c.numbers);
  freed();
}

void test_attention(Random* r) {
  /* keys, where values begin, values */
  static const int spans[][3] = {{96, 0, 64}, {64, 64, 64}, {16, 16, 48}, {576, 0, 512}, {128, 128, 128}, {32, 32, 96}};
  for (int cache = 0; cache < 5; cache++) {
    for (int i = 0; i < 12; i++) {
      const int* s = spans[i < 10 ? i % 3 + (i > 6 ? 3 : 0) : 1];
      const int queries = 1 + below(r, 16), kind = i % 4 == 3 ? 3 : i % 4;
      attend(r, cache, s[0], s[1], s[2], queries, 1 + below(r, 100), kind == 2 && cache == YZ_CACHE_E4M3 ? 0 : kind, 0);
      if (yz_few(1)) attend(r, cache, s[0], s[1], s[2], 1 + queries % 8, 1 + below(r, 100), kind == 2 && cache == YZ_CACHE_E4M3 ? 0 : kind, 1);
    }
  }
  float* out = guarded_floats(r, 3 * 16);
  yz_merge(out, 288, 0, 3, 16, out);
  for (int i = 0; i < 48; i++) near(0, out[i], 0, "merge", "of nothing", i, 0);
  freed();
}

/* A matrix in an encoding, and its numbers. */
static YzMatrix matrix(Random* r, int encoding, int64_t rows, int64_t cols, double** numbers) {
  const int64_t bytes = encoding == YZ_CACHE_F32 ? 4 * cols : cache_bytes(encoding, cols);
  uint8_t* to = guarded(r, rows * bytes, encoding == YZ_CACHE_F32 ? 4 : 2);
  float* row = malloc(sizeof(float) * (size_t)cols);
  *numbers = malloc(sizeof(double) * (size_t)(rows * cols));
  for (int64_t i = 0; i < rows; i++) {
    fill(r, 0, row, cols);
    for (int64_t c = 0; c < cols; c++) row[c] *= 0.2f;
    cache_encode(encoding, row, cols, to + i * bytes);
    for (int64_t c = 0; c < cols; c++) (*numbers)[i * cols + c] = cache_decode(encoding, to + i * bytes, c);
  }
  free(row);
  return (YzMatrix){to, encoding, bytes};
}

static void expanded(Random* r, int cache, int encoding, YzHeads h, int64_t count, int64_t longest, int choose, int kind) {
  const int width = h.lkv + h.rope, query = h.nope + h.rope;
  Cache c = cache_of(r, cache, longest, width, kind);
  double *key_up, *value_up;
  const YzMatrix k = matrix(r, encoding, h.lkv, h.nope, &key_up), v = matrix(r, encoding, h.value, h.lkv, &value_up);
  const int64_t q_stride = query + below(r, 4), out_stride = h.value + below(r, 4), words = (longest + 63) / 64;
  float* q = guarded_floats(r, (count - 1) * q_stride + query);
  float* out = guarded_floats(r, (count - 1) * out_stride + h.value);
  int32_t* lengths = guarded(r, 4 * count, 4);
  uint64_t* chosen = guarded(r, 8 * count * words, 8);
  for (int64_t i = 0; i < count; i++) {
    fill(r, 0, q + i * q_stride, query);
    lengths[i] = below(r, (int)longest + 1);
    for (int64_t w = 0; w < words; w++) chosen[i * words + w] = i % 5 == 0 ? 0 : i % 5 == 1 ? ~(uint64_t)0 : bits(r) & bits(r);
  }
  lengths[count - 1] = (int32_t)longest;
  const YzRows rows = {q, out, lengths, q_stride, out_stride, count, k, v, choose ? chosen : NULL, words};
  uint8_t* work = guarded(r, yz_expanded_bytes(h.nope, h.rope, h.value, h.lkv, count), 1);
  yz_expanded(cache, &h, &rows, &c.pages, work);

  double* keys = malloc(sizeof(double) * (size_t)(longest * query));
  double* values = malloc(sizeof(double) * (size_t)(longest * h.value));
  double* sizes = calloc((size_t)(longest * query), sizeof(double));
  double* scores = malloc(sizeof(double) * (size_t)longest);
  double* want = malloc(sizeof(double) * (size_t)h.value * 2);
  double least = 0; /* of values, whose own errors are those of sums over the latent */
  for (int64_t e = 0; e < longest; e++) {
    const double* entry = c.numbers + e * width;
    for (int i = 0; i < query; i++) {
      keys[e * query + i] = 0;
      for (int j = 0; j < h.lkv && i < h.nope; j++) {
        keys[e * query + i] += key_up[j * h.nope + i] * entry[j];
        sizes[e * query + i] += fabs(key_up[j * h.nope + i] * entry[j]);
      }
      if (i >= h.nope) sizes[e * query + i] = fabs(keys[e * query + i] = entry[h.lkv + i - h.nope]);
    }
    for (int i = 0; i < h.value; i++) {
      double size = 0;
      values[e * h.value + i] = 0;
      for (int j = 0; j < h.lkv; j++) {
        values[e * h.value + i] += value_up[i * h.lkv + j] * entry[j];
        size += fabs(value_up[i * h.lkv + j] * entry[j]);
      }
      least = size > least ? size : least;
    }
  }
  for (int64_t i = 0; i < count; i++) {
    double most = 0;
    for (int64_t e = 0; e < lengths[i]; e++) {
      double size = 0;
      scores[e] = 0;
      for (int j = 0; j < query; j++) {
        scores[e] += (double)q[i * q_stride + j] * keys[e * query + j] * h.scale;
        size += fabs((double)q[i * q_stride + j] * h.scale) * sizes[e * query + j];
      }
      most = size > most ? size : most;
      if (choose && !(chosen[i * words + e / 64] >> e % 64 & 1)) scores[e] = -INFINITY;
    }
    attended(scores, lengths[i], values, h.value, h.value, want, want + h.value);
    for (int j = 0; j < h.value; j++) {
      const double about = (5e-6 + 2e-6 * most) * (want[h.value + j] + 0.1 * least) + 1e-36;
      near(want[j], out[i * out_stride + j], about, "expanded", CACHES[cache], i, j);
    }
  }
  free(keys);
  free(values);
  free(sizes);
  free(scores);
  free(want);
  free(key_up);
  free(value_up);
  free(c.numbers);
  freed();
}

void test_expanded(Random* r) {
  for (int cache = 0; cache < 5; cache++) {
    for (int i = 0; i < 6; i++) {
      const YzHeads even = {32, 32, 32, 96, 0.1f}, odd = {20, 16, 12, 48, 0.2f}, larger = {128, 64, 128, 160, 0.05f};
      const int encoding = i % 5;
      expanded(r, cache, encoding, i == 5 ? larger : even, 1 + below(r, 45), 1 + below(r, i == 5 ? 70 : 150), i % 2, i == 4 ? 3 : 0);
      expanded(r, cache, YZ_CACHE_F32, odd, 1 + below(r, 40), 1 + below(r, 130), i % 2 == 0, i == 3);
    }
  }
}

static void index_scores(Random* r, int cache, int heads, int width, int64_t entries, int kind) {
  Cache c = cache_of(r, cache, entries, width, kind);
  float* q = guarded_floats(r, (int64_t)heads * width);
  float* weights = guarded_floats(r, heads);
  fill(r, 0, q, (int64_t)heads * width);
  fill(r, 0, weights, heads);
  if (kind == 1) q[below(r, heads) * width] = NAN;
  float* turned = guarded(r, yz_index_turned_bytes(heads, width), 4);
  uint8_t* work = guarded(r, yz_index_bytes(width), 1);
  float *scores = guarded_floats(r, entries), *again = guarded_floats(r, entries);
  const int64_t first = below(r, (int)entries), cut = first + below(r, (int)(entries - first) + 1);
  yz_index_turn(q, weights, heads, width, turned);
  yz_index_scores(cache, turned, heads, width, 0.25f, &c.pages, first, entries, scores, work);
  yz_index_scores(cache, turned, heads, width, 0.25f, &c.pages, first, cut, again, work);
  yz_index_scores(cache, turned, heads, width, 0.25f, &c.pages, cut, entries, again, work);
  for (int64_t e = first; e < entries; e++) {
    double sum = 0, size = 0;
    for (int h = 0; h < heads; h++) {
      double dot = 0, about = 0;
      for (int i = 0; i < width; i++) {
        dot += (double)q[h * width + i] * c.numbers[e * width + i];
        about += fabs((double)q[h * width + i] * c.numbers[e * width + i]);
      }
      sum += isnan(dot) ? dot : weights[h] * (dot > 0 ? dot : 0) * 0.25;
      size += isnan(dot) ? 0 : fabs(weights[h] * about) * 0.25;
    }
    if (isnan(sum) && !isnan(scores[e])) wrong("index %s: a score of what is none", CACHES[cache]);
    near(sum, scores[e], size * (2e-6 + (double)width * 3e-8) + 1e-36, "index", CACHES[cache], e, heads);
  }
  if (memcmp(scores + first, again + first, (size_t)(entries - first) * 4) != 0) wrong("index %s: scores depend on what is asked for", CACHES[cache]);
  free(c.numbers);
  freed();
}

void test_index(Random* r) {
  for (int cache = 0; cache < 5; cache++) {
    for (int i = 0; i < 10; i++) {
      const int width = i % 2 == 0 ? 128 : 32;
      index_scores(r, cache, 1 + below(r, 70), width, 1 + below(r, 90), i == 2 ? 3 : i == 3 ? 1 : 0);
    }
  }
}
