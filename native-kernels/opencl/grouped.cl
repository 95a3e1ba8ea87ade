// Grouped-query attention: out[t, n] = softmax(q[t, n]·k[g]ᵀ·scale)·v[g] over the first kvLength[t] entries of row t's sequence, g =
// n / (N / G) (arXiv:2305.13245). q, out [T, N·D]; an entry is [k; v] of each of G heads; a row of kvLength 0 or sequence −1 gives
// zeros.
//
// A work-group has a block of `rows` rows and `heads` heads of one head of keys and values: query r·heads + j is head j of row r.
// Neighbouring rows of one sequence, a run, meet each tile of entries together; the tiles of a run are cut into splits, which
// grouped_combine puts together. Built for the cache's encoding, WEIGHTS, and at most QUERIES queries, a multiple of 4.
#include "cache.clh"
#include "device.clh"
#include "tiles.clh"

// `partial`, if splits > 1: [T, splits, N] of 2 + D numbers, the greatest score, Σ e^(score − greatest), and, unless that is 0, the
// weighted sum of the values.
INLINE ulong part_at(int t, int split, int splits, int n, int N, int D) {
  return (((ulong)t * splits + split) * N + n) * (2 + D);
}

#define ARGUMENTS                                                                                                                 \
  IN(q), IN(entries), ulong rowBytes, int pageTokens, IN(pages), int pagesPerSequence, IN(sequence), IN(kvLength), int T, int N, \
      int G, int D, float scale, int rows, int heads, OUT(out), OUT(partial), int splits, int leastTiles

// A block: its rows and heads. Head blocks of a head of keys and values are neighbours in the grid.
typedef struct {
  int row0, rows, head0, heads;
} Block;
INLINE Block block_at(int index, int g, int T, int perGroup, int rows, int heads) {
  const int blocks = (perGroup + heads - 1) / heads, head = index % blocks * heads, row = index / blocks * rows;
  const Block b = {row, min(rows, T - row), g * perGroup + head, min(heads, perGroup - head)};
  return b;
}

INLINE int entries_of(const __global int* sequence, const __global int* kvLength, int t) {
  return sequence[t] < 0 ? 0 : max(0, kvLength[t]);
}

// Rows [row, past) of a sequence, and the most entries that one of them sees.
typedef struct {
  int past, longest;
} Run;
INLINE Run run_at(const __global int* sequence, const __global int* kvLength, int row, int end) {
  Run r = {row, 0};
  for (; r.past < end && sequence[r.past] == sequence[row]; r.past++) {
    r.longest = max(r.longest, entries_of(sequence, kvLength, r.past));
  }
  return r;
}

#ifdef WIDE

// Numbers [from + 32u, from + 32u + 32) of an entry, 0 from number from + D on.
INLINE Unit head_unit(Row row, int bytes, int from, int u, int D) {
#if PARTIAL_UNITS
  row.at += (ulong)from * bytes;
  return entry_unit(row, u, D);
#else
  if (D % 32 == 0) return decode(row, from / 32 + u);
  float v[32];
  for (int i = 0; i < 32; i++) v[i] = 32 * u + i < D ? number_at(row, from + 32 * u + i) : 0;
  const Unit unit = {vload16(0, v), vload16(1, v)};
  return unit;
#endif
}

// For CPUs: a work-item does it all, on whole vectors, with a tile decoded to floats once. Groups (⌈T / rows⌉·⌈N / G / heads⌉,
// splits, G), of one work-item. Local memory, with E ceil32 of D: queries QUERIES·E, keys TILE·E, values TILE·E, sums QUERIES·E.
__kernel void grouped(ARGUMENTS, __local float* queries, __local float* keys, __local float* values, __local float* sums) {
  __local float scores[QUERIES * TILE], shrink[QUERIES], greatest[QUERIES], total[QUERIES];
  __local int seen[QUERIES];
  const int split = get_group_id(1), g = get_group_id(2);
  const Block b = block_at(get_group_id(0), g, T, N / G, rows, heads);
  const int count = b.rows * b.heads, padded = (count + 3) / 4 * 4, E = (D + 31) / 32 * 32;
  const __global int *of = READ(int, sequence), *lengths = READ(int, kvLength);
  for (int i = 0; i < padded; i++) {
    const int t = b.row0 + i / b.heads;
    const __global float* from = READ(float, q) + ((ulong)t * N + b.head0 + i % b.heads) * D;
    for (int c = 0; c < E; c++) queries[i * E + c] = i < count && c < D ? from[c] * scale : 0;
    for (int c = 0; c < E; c++) sums[i * E + c] = 0;
    greatest[i] = -INFINITY;
    total[i] = 0;
  }
  const Matrix m = matrix_at(READ(uchar, entries), 0, rowBytes, 2 * G * D);
  const int bytes = (int)(rowBytes / (2 * G * D)), key = 2 * g * D;

  Run run;
  for (int row = b.row0; row < b.row0 + b.rows; row = run.past) {
    run = run_at(of, lengths, row, b.row0 + b.rows);
    const Cut work = cut(run.longest, TILE, splits, leastTiles);
    const int begin = split * work.tiles * TILE, end = min(run.longest, begin + work.tiles * TILE);
    if (begin >= end) continue;
    const __global int* table = READ(int, pages) + (ulong)of[row] * pagesPerSequence;
    // in fours, among them queries of neighbouring runs, which see nothing here
    const int q0 = (row - b.row0) * b.heads, q1 = (run.past - b.row0) * b.heads, fours = q0 / 4 * 4, foursEnd = (q1 + 3) / 4 * 4;
    for (int i = fours; i < foursEnd; i++) seen[i] = i >= q0 && i < q1 ? entries_of(of, lengths, b.row0 + i / b.heads) : 0;

    for (int first = begin; first < end; first += TILE) {
      const int there = min(TILE, end - first);
      for (int e = 0; e < (there + 3) / 4 * 4; e++) {
        const Row from = row_of(m, entry_row(table, pageTokens, first + min(e, there - 1)));
        for (int u = 0; u < E / 32; u++) {
          const Unit k = head_unit(from, bytes, key, u, D), v = head_unit(from, bytes, key + D, u, D);
          vstore16(k.a, 2 * u, keys + e * E);
          vstore16(k.b, 2 * u + 1, keys + e * E);
          vstore16(v.a, 2 * u, values + e * E);
          vstore16(v.b, 2 * u + 1, values + e * E);
        }
      }
      for (int i = fours; i < foursEnd; i += 4) {
        for (int e = 0; e < TILE; e += 4) {
          if (e < there) {
            scores_of_four(queries + i * E, keys + e * E, E, there - e, scores + i * TILE + e);
          } else {
            for (int j = 0; j < 4; j++) vstore4((float4)-INFINITY, 0, scores + (i + j) * TILE + e);
          }
        }
      }
      for (int i = fours; i < foursEnd; i++) {
        for (int e = max(0, seen[i] - first); e < there; e++) scores[i * TILE + e] = -INFINITY;
        shrink[i] = soften(scores + i * TILE, greatest + i, total + i);
      }
      for (int i = fours; i < foursEnd; i += 4) {
        for (int c = 0; c < E; c += 32) values_of_four(scores + i * TILE, shrink + i, values + c, E, there, sums + i * E + c, E);
      }
    }
  }

  for (int i = 0; i < count; i++) {
    const int t = b.row0 + i / b.heads, n = b.head0 + i % b.heads;
    if (splits == 1) {
      const float factor = total[i] > 0 ? 1 / total[i] : 0;
      __global float* to = WRITE(float, out) + ((ulong)t * N + n) * D;
      for (int c = 0; c < D; c++) to[c] = sums[i * E + c] * factor;
    } else {
      __global float* part = WRITE(float, partial) + part_at(t, split, splits, n, N, D);
      part[0] = greatest[i];
      part[1] = total[i];
      for (int c = 0; total[i] > 0 && c < D; c++) part[2 + c] = sums[i * E + c];
    }
  }
}

#else

// For GPUs: scores as a product of tiles through local memory, 32 columns at a time; then every work-item sums a column of the
// values, in teams with entries of their own where a head is narrower than the group.
#define KEYS 64
#define ITEMS 128
#define STRIDE (KEYS + 1)
#define FOURS (ITEMS * 4 / QUERIES)  // work-items that have the same four queries
#define PARTS (ITEMS / QUERIES)

// Groups (⌈T / rows⌉·⌈N / G / heads⌉, splits, G·⌈D / 128⌉), local size 128; QUERIES divides 32 and is at least 8.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void grouped(ARGUMENTS) {
  // the teams' sums come together where tiles and scores were
  __local float pool[32 * STRIDE + KEYS * QUERIES], qs[32 * QUERIES], parts[ITEMS];
  __local float shrink[QUERIES], greatest[QUERIES], total[QUERIES];
  __local int seen[QUERIES], at[KEYS];
  __local float *ks = pool, *scores = pool + 32 * STRIDE;
  const int item = get_local_id(0), split = get_group_id(1), g = get_group_id(2) % G;
  const Block b = block_at(get_group_id(0), g, T, N / G, rows, heads);
  const int count = b.rows * b.heads, key = 2 * g * D;
  const int columns = D > 64 ? 128 : D > 32 ? 64 : 32, teams = ITEMS / columns, team = item / columns;
  const int column = get_group_id(2) / G * ITEMS + item % columns;
  const __global int *of = READ(int, sequence), *lengths = READ(int, kvLength);
  const Matrix m = matrix_at(READ(uchar, entries), 0, rowBytes, 2 * G * D);
  if (item < QUERIES) {
    greatest[item] = -INFINITY;
    total[item] = 0;
  }
  float sum[QUERIES];
#pragma unroll
  for (int i = 0; i < QUERIES; i++) sum[i] = 0;

  Run run;
  for (int row = b.row0; row < b.row0 + b.rows; row = run.past) {
    run = run_at(of, lengths, row, b.row0 + b.rows);
    const Cut work = cut(run.longest, KEYS, splits, leastTiles);
    const int begin = split * work.tiles * KEYS, end = min(run.longest, begin + work.tiles * KEYS);
    const __global int* table = READ(int, pages) + (ulong)max(0, of[row]) * pagesPerSequence;
    // queries of other runs see nothing here
    if (item < QUERIES) {
      const int t = b.row0 + item / b.heads;
      seen[item] = item < count && t >= row && t < run.past ? entries_of(of, lengths, t) : 0;
    }
    for (int first = begin; first < end; first += KEYS) {
      const int there = min(KEYS, end - first);
      barrier(CLK_LOCAL_MEM_FENCE);
      if (item < KEYS) at[item] = entry_row(table, pageTokens, first + min(item, there - 1));

      // scores: a work-item has every FOURS-th key, of four queries
      const int e0 = item % FOURS, q0 = item / FOURS * 4;
      float4 score[KEYS / FOURS];
#pragma unroll
      for (int j = 0; j < KEYS / FOURS; j++) score[j] = 0;
      for (int u = 0; u < (D + 31) / 32; u++) {
        const int i = item % 32, c = 32 * u + i;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int e = item / 32; e < KEYS; e += ITEMS / 32) ks[i * STRIDE + e] = c < D ? number_at(row_of(m, at[e]), key + c) : 0;
        for (int k = item / 32; k < QUERIES; k += ITEMS / 32) {
          const ulong head = (ulong)(b.row0 + k / b.heads) * N + b.head0 + k % b.heads;
          qs[i * QUERIES + k] = k < count && c < D ? READ(float, q)[head * D + c] * scale : 0;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < 32; k++) {
          const float4 a = vload4(0, qs + k * QUERIES + q0);
#pragma unroll
          for (int j = 0; j < KEYS / FOURS; j++) score[j] += a * ks[k * STRIDE + e0 + FOURS * j];
        }
      }
      const int4 visible = vload4(0, seen + q0);
#pragma unroll
      for (int j = 0; j < KEYS / FOURS; j++) {
        const int4 e = first + e0 + FOURS * j;
        const float4 v = select((float4)-INFINITY, score[j], e < visible && e < (int4)end);
        vstore4(v, 0, scores + (e0 + FOURS * j) * QUERIES + q0);
      }
      barrier(CLK_LOCAL_MEM_FENCE);

      // softmax: PARTS work-items a query
      const int k = item % QUERIES;
      __local float* own = scores + item / QUERIES * (KEYS / PARTS) * QUERIES + k;
      float top = -INFINITY;
      for (int i = 0; i < KEYS / PARTS; i++) top = fmax(top, own[i * QUERIES]);
      parts[item] = top;
      barrier(CLK_LOCAL_MEM_FENCE);
      const float before = greatest[k];
      top = before;
      for (int i = 0; i < PARTS; i++) top = fmax(top, parts[i * QUERIES + k]);
      const float base = top == -INFINITY ? 0 : top;  // nothing was seen yet
      barrier(CLK_LOCAL_MEM_FENCE);
      float part = 0;
      for (int i = 0; i < KEYS / PARTS; i++) {
        const float p = exp(own[i * QUERIES] - base);
        own[i * QUERIES] = p;
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
      if (column < D) {
        for (int e = team; e < there; e += teams) {
          const float v = number_at(row_of(m, at[e]), key + D + column);
#pragma unroll
          for (int i = 0; i < QUERIES; i++) sum[i] += scores[e * QUERIES + i] * v;
        }
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
  for (int i = 0; i < QUERIES; i++) pool[i * ITEMS + item] = sum[i];
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int i = team; i < count; i += teams) {
    const int t = b.row0 + i / b.heads, n = b.head0 + i % b.heads;
    float all = 0;
    for (int j = 0; j < teams; j++) all += pool[i * ITEMS + j * columns + item % columns];
    if (splits == 1) {
      if (column < D) WRITE(float, out)[((ulong)t * N + n) * D + column] = total[i] > 0 ? all / total[i] : 0;
    } else {
      __global float* part = WRITE(float, partial) + part_at(t, split, splits, n, N, D);
      if (column == 0) part[0] = greatest[i];
      if (column == 0) part[1] = total[i];
      if (column < D) part[2 + column] = all;
    }
  }
}

#endif

// Groups (⌈D / items⌉, N, T).
__kernel void grouped_combine(IN(partial), int N, int D, int splits, OUT(out)) {
  const int c = get_global_id(0), n = get_group_id(1), t = get_group_id(2);
  if (c >= D) return;
  const __global float* part = READ(float, partial) + part_at(t, 0, splits, n, N, D);
  const ulong each = (ulong)N * (2 + D);
  float top = -INFINITY, total = 0, sum = 0;
  for (int i = 0; i < splits; i++) top = fmax(top, part[i * each]);
  for (int i = 0; i < splits; i++) {
    if (part[i * each + 1] == 0) continue;  // no entries: a row is cut as the longest of its run
    const float factor = exp(part[i * each] - top);
    total += factor * part[i * each + 1];
    sum += factor * part[i * each + 2 + c];
  }
  WRITE(float, out)[((ulong)t * N + n) * D + c] = total > 0 ? sum / total : 0;
}
