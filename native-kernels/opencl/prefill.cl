// Expanded latent attention of steps with many rows: keys and values of the step's own tokens are rebuilt for every head, what the
// cache held before is attended to in the absorbed form, and the two are merged (DeepSeek-V2 report §2.1). Right for any step: a row
// whose tokens are not found among the step's own has history alone.
#include "device.clh"
#include "tiles.clh"

// What each row sees of the step's own rows, [first, first + own), and of the cache before them, `history` entries. Rows in a run
// of one sequence are in order of position, so that a run without gaps is known by its ends. any[0]: whether some row has own ones,
// any[1]: whether some has history.
//
// With history the queries are carried into the latent space all the same, and the keys and values are rebuilt besides; that pays if
// `saved` operations for each pair of rows come to more than `rebuilt` for each row, else all is history. One group.
__kernel void prefill_rows(IN(position), IN(sequence), IN(kvLength), int T, int saved, int rebuilt, OUT(first), OUT(own), OUT(history),
                           OUT(any), __local int* starts, __local int* pairs, __local int* earlier) {
  const int item = get_local_id(0), items = get_local_size(0);
  const int each = (T + items - 1) / items, begin = min(T, item * each), end = min(T, begin + each);
  const __global int *at = READ(int, position), *of = READ(int, sequence);
  int start = -1;
  for (int t = begin; t < end; t++) {
    if (t == 0 || of[t] != of[t - 1]) start = t;
  }
  starts[item] = start;
  barrier(CLK_LOCAL_MEM_FENCE);
  start = 0;
  for (int i = 0; i < item; i++) start = max(start, starts[i]);

  int ownPairs = 0, before = 0;
  for (int t = begin; t < end; t++) {
    if (t == 0 || of[t] != of[t - 1]) start = t;
    const int length = of[t] < 0 ? 0 : max(0, READ(int, kvLength)[t]);
    const int count = length - at[start], last = start + count - 1;
    const int found = count > 0 && last <= t && at[last] == at[start] + count - 1 ? count : 0;
    WRITE(int, first)[t] = start;
    WRITE(int, own)[t] = found;
    WRITE(int, history)[t] = length - found;
    ownPairs += found;
    before = max(before, length - found);
  }
  pairs[item] = ownPairs;
  earlier[item] = before;
  barrier(CLK_LOCAL_MEM_FENCE);
  ownPairs = 0;
  before = 0;
  for (int i = 0; i < items; i++) {
    ownPairs += pairs[i];
    before = max(before, earlier[i]);
  }
  const bool pays = ownPairs > 0 && (before == 0 || (long)saved * ownPairs > (long)rebuilt * T);
  if (!pays) {
    for (int t = begin; t < end; t++) {
      WRITE(int, history)[t] += WRITE(int, own)[t];
      WRITE(int, own)[t] = 0;
    }
  }
  if (item == 0) {
    WRITE(int, any)[0] = pays;
    WRITE(int, any)[1] = before > 0 || (!pays && ownPairs > 0);
  }
}

// out[t, n] = softmax(q[t, n]·[K[s, n]; k_rope[s]]ᵀ·scale)·V[s, n] over rows s in [first[t], first[t] + own[t]), zeros if own is 0;
// stat as mla_decode's. q [T, N·(P+R)], K [T, N·P], V [T, N·V], out [T, N·V]; k_rope ends the rows of entries [T, Lkv + R]. K,
// V and entries need not be there where no own is more than 0.
#define ARGUMENTS \
  IN(q), IN(K), IN(entries), IN(V), IN(first), IN(own), int T, int N, int P, int R, int Lkv, int W, float scale, OUT(out), OUT(stat)

// A number of the key of row s.
INLINE float key_at(const __global float* key, const __global float* entry, int P, int R, int Lkv, int c) {
  return c < P ? key[c] : c < P + R ? entry[Lkv + c - P] : 0;
}

#ifdef WIDE

#define QUERIES 16

// For CPUs, as mla_decode: rows of one head in place of heads of one row. Groups (⌈T / 16⌉, N), of one work-item. Local memory, with
// E and L ceil32 of P + R and V: queries 16·E, keys TILE·E, values TILE·L, sums 16·L floats.
__kernel void mla_flash(ARGUMENTS, __local float* queries, __local float* keys, __local float* values, __local float* sums) {
  __local float scores[QUERIES * TILE], shrink[QUERIES], greatest[QUERIES], total[QUERIES];
  __local int from[QUERIES], to[QUERIES];
  const int n = get_group_id(1), row0 = get_group_id(0) * QUERIES;
  const int rows = min(QUERIES, T - row0), numbers = P + R;
  const int E = (numbers + 31) / 32 * 32, L = (W + 31) / 32 * 32;
  int begin = T, end = 0;
  for (int h = 0; h < QUERIES; h++) {
    const int t = min(row0 + h, T - 1), count = h < rows ? READ(int, own)[t] : 0;
    from[h] = READ(int, first)[t];
    to[h] = from[h] + count;
    if (count > 0) {
      begin = min(begin, from[h]);
      end = max(end, to[h]);
    }
    const __global float* q_of = READ(float, q) + ((ulong)t * N + n) * numbers;
    for (int c = 0; c < E; c++) queries[h * E + c] = count > 0 && c < numbers ? q_of[c] * scale : 0;
    for (int c = 0; c < L; c++) sums[h * L + c] = 0;
    greatest[h] = -INFINITY;
    total[h] = 0;
  }

  for (int row = begin; row < end; row += TILE) {
    const int count = min(TILE, end - row);
    for (int e = 0; e < (count + 3) / 4 * 4; e++) {
      const ulong s = row + min(e, count - 1);
      const __global float* key = READ(float, K) + (s * N + n) * P;
      const __global float* entry = READ(float, entries) + s * (Lkv + R) + Lkv;
      const __global float* value = READ(float, V) + (s * N + n) * W;
      for (int c = 0; c < P; c++) keys[e * E + c] = key[c];
      for (int c = 0; c < R; c++) keys[e * E + P + c] = entry[c];
      for (int c = numbers; c < E; c++) keys[e * E + c] = 0;
      for (int c = 0; c < W; c++) values[e * L + c] = value[c];
      for (int c = W; c < L; c++) values[e * L + c] = 0;
    }
    for (int h = 0; h < QUERIES; h += 4) {
      for (int e = 0; e < TILE; e += 4) {
        if (e < count) {
          scores_of_four(queries + h * E, keys + e * E, E, count - e, scores + h * TILE + e);
        } else {
          for (int i = 0; i < 4; i++) vstore4((float4)-INFINITY, 0, scores + (h + i) * TILE + e);
        }
      }
    }
    for (int h = 0; h < QUERIES; h++) {
      if (from[h] > row || to[h] < row + count) {
        for (int e = 0; e < count; e++) {
          if (row + e < from[h] || row + e >= to[h]) scores[h * TILE + e] = -INFINITY;
        }
      }
      shrink[h] = soften(scores + h * TILE, greatest + h, total + h);
    }
    for (int h = 0; h < QUERIES; h += 4) {
      for (int c = 0; c < L; c += 32) values_of_four(scores + h * TILE, shrink + h, values + c, L, count, sums + h * L + c, L);
    }
  }

  for (int h = 0; h < rows; h++) {
    const ulong head = (ulong)(row0 + h) * N + n;
    const float factor = total[h] > 0 ? 1 / total[h] : 0;
    __global float* result = WRITE(float, out) + head * W;
    for (int c = 0; c < W; c++) result[c] = sums[h * L + c] * factor;
    WRITE(float, stat)[2 * head] = greatest[h];
    WRITE(float, stat)[2 * head + 1] = total[h];
  }
}

#else

// For GPUs: scores as a product of tiles through local memory, 32 columns at a time; then every work-item sums a column of the values.
#define QUERIES 32
#define KEYS 64
#define ITEMS 128
#define STRIDE (KEYS + 1)
#define PARTS (ITEMS / QUERIES)

// Groups (⌈T / 32⌉, ⌈V / 128⌉, N), local size 128.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void mla_flash(ARGUMENTS) {
  __local float ks[32 * STRIDE], qs[32 * QUERIES], scores[KEYS * QUERIES], parts[ITEMS];
  __local float shrink[QUERIES], greatest[QUERIES], total[QUERIES];
  __local int from[QUERIES], to[QUERIES];
  const int item = get_local_id(0), n = get_group_id(2), column = get_group_id(1) * ITEMS + item;
  // those whose rows see most begin first, or they would end last
  const int row0 = (get_num_groups(0) - 1 - get_group_id(0)) * QUERIES;
  if (item < QUERIES) {
    const int t = row0 + item, count = t < T ? READ(int, own)[t] : 0;
    from[item] = count > 0 ? READ(int, first)[t] : T;
    to[item] = count > 0 ? from[item] + count : 0;
    greatest[item] = -INFINITY;
    total[item] = 0;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  int begin = T, end = 0;
  for (int i = 0; i < QUERIES; i++) {
    begin = min(begin, from[i]);
    end = max(end, to[i]);
  }
  float sum[QUERIES];
#pragma unroll
  for (int i = 0; i < QUERIES; i++) sum[i] = 0;

  for (int row = begin; row < end; row += KEYS) {
    const int count = min(KEYS, end - row);

    // scores: a work-item has every sixteenth key, of four queries
    const int e0 = item % 16, q0 = item / 16 * 4;
    float4 score[KEYS / 16];
#pragma unroll
    for (int j = 0; j < KEYS / 16; j++) score[j] = 0;
    for (int u = 0; u < (P + R + 31) / 32; u++) {
      const int i = item % 32, c = 32 * u + i;
      barrier(CLK_LOCAL_MEM_FENCE);
      for (int e = item / 32; e < KEYS; e += ITEMS / 32) {
        const ulong s = row + min(e, count - 1);
        ks[i * STRIDE + e] = key_at(READ(float, K) + (s * N + n) * P, READ(float, entries) + s * (Lkv + R), P, R, Lkv, c);
      }
      for (int k = item / 32; k < QUERIES; k += ITEMS / 32) {
        qs[i * QUERIES + k] = row0 + k < T && c < P + R ? READ(float, q)[((ulong)(row0 + k) * N + n) * (P + R) + c] * scale : 0;
      }
      barrier(CLK_LOCAL_MEM_FENCE);
      for (int k = 0; k < 32; k++) {
        const float4 a = vload4(0, qs + k * QUERIES + q0);
#pragma unroll
        for (int j = 0; j < KEYS / 16; j++) score[j] += a * ks[k * STRIDE + e0 + 16 * j];
      }
    }
    const int4 low = vload4(0, from + q0), high = vload4(0, to + q0);
#pragma unroll
    for (int j = 0; j < KEYS / 16; j++) {
      const int4 s = row + e0 + 16 * j;
      vstore4(select((float4)-INFINITY, score[j], s >= low && s < high), 0, scores + (e0 + 16 * j) * QUERIES + q0);
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    // softmax: four work-items a query, sixteen keys each
    const int k = item % QUERIES;
    __local float* own_scores = scores + item / QUERIES * (KEYS / PARTS) * QUERIES + k;
    float top = -INFINITY;
    for (int i = 0; i < KEYS / PARTS; i++) top = fmax(top, own_scores[i * QUERIES]);
    parts[item] = top;
    barrier(CLK_LOCAL_MEM_FENCE);
    const float before = greatest[k];
    top = before;
    for (int i = 0; i < PARTS; i++) top = fmax(top, parts[i * QUERIES + k]);
    const float base = top == -INFINITY ? 0 : top;  // nothing was seen yet
    barrier(CLK_LOCAL_MEM_FENCE);
    float part = 0;
    for (int i = 0; i < KEYS / PARTS; i++) {
      const float p = exp(own_scores[i * QUERIES] - base);
      own_scores[i * QUERIES] = p;
      part += p;
    }
    parts[item] = part;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < QUERIES) {
      shrink[k] = exp(before - base);
      greatest[k] = top;
      float all = 0;
      for (int i = 0; i < PARTS; i++) all += parts[i * QUERIES + k];
      total[k] = total[k] * shrink[k] + all;
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    // values: neighbours have neighbouring columns
#pragma unroll
    for (int i = 0; i < QUERIES; i++) sum[i] *= shrink[i];
    if (column < W) {
      for (int e = 0; e < count; e++) {
        const float v = READ(float, V)[((ulong)(row + e) * N + n) * W + column];
#pragma unroll
        for (int i = 0; i < QUERIES; i++) sum[i] += scores[e * QUERIES + i] * v;
      }
    }
  }

#pragma unroll
  for (int i = 0; i < QUERIES; i++) {
    if (row0 + i < T && column < W) {
      WRITE(float, out)[((ulong)(row0 + i) * N + n) * W + column] = total[i] > 0 ? sum[i] / total[i] : 0;
    }
  }
  if (item < QUERIES && row0 + item < T && get_group_id(1) == 0) {
    __global float* to_stat = WRITE(float, stat) + 2 * ((ulong)(row0 + item) * N + n);
    to_stat[0] = greatest[item];
    to_stat[1] = total[item];
  }
}

#endif

// out [T, N·V] = the attention over both parts, from each one's result and stat. A work-item for each number of a row, groups in the
// second dimension for rows.
__kernel void mla_merge(OUT(out), IN(stat), IN(before), IN(statBefore), int N, int W, IN(unless)) {
  if (SKIPPED(unless)) return;
  const int i = get_global_id(0), t = get_group_id(1);
  if (i >= N * W) return;
  const ulong head = 2 * ((ulong)t * N + i / W), at = (ulong)t * N * W + i;
  const float total = READ(float, stat)[head + 1], earlier = READ(float, statBefore)[head + 1];
  if (earlier == 0) return;
  const float top = READ(float, stat)[head], topBefore = READ(float, statBefore)[head], most = fmax(top, topBefore);
  const float a = total * exp(top - most), b = earlier * exp(topBefore - most);
  WRITE(float, out)[at] = (a * WRITE(float, out)[at] + b * READ(float, before)[at]) / (a + b);
}
