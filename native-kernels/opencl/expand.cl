// What expanded attention rebuilds keys and values from, as floats; WEIGHTS is the encoding of what is read. Nothing is done where
// `unless` is 0.
#include "cache.clh"
#include "device.clh"
#include "weights.clh"

#if NUMBERS
// The cache's entry at position[t] of each row's sequence, out [T, Lkv + R]; zeros in rows of padding. Groups (T).
__kernel void gather_entries(IN(entries), ulong rowBytes, int pageTokens, IN(pages), int pagesPerSequence, IN(position), IN(sequence),
                             int numbers, OUT(out), IN(unless)) {
  if (SKIPPED(unless)) return;
  const int t = get_group_id(0), s = READ(int, sequence)[t];
  __global float* to = WRITE(float, out) + (ulong)t * numbers;
  if (s < 0) {
    for (int c = get_local_id(0); c < numbers; c += get_local_size(0)) to[c] = 0;
    return;
  }
  const Matrix m = matrix_at(READ(uchar, entries), 0, rowBytes, numbers);
  const Row row = row_of(m, entry_row(READ(int, pages) + (ulong)s * pagesPerSequence, pageTokens, READ(int, position)[t]));
  for (int c = get_local_id(0); c < numbers; c += get_local_size(0)) to[c] = number_at(row, c);
}
#endif

// W_UK [N·Lkv, P], a row for each head and number of the latent, as [N·P, Lkv]. Neighbouring work-items write neighbours; groups
// (⌈Lkv / items⌉, ⌈P / 32⌉, N).
__kernel void transpose_heads(IN(w), ulong scalesAt, ulong rowBytes, int Lkv, int P, OUT(out), IN(unless)) {
  if (SKIPPED(unless)) return;
  const int l = get_global_id(0), u = get_group_id(1), n = get_group_id(2);
  if (l >= Lkv) return;
  const Row row = row_of(matrix_at(READ(uchar, w), scalesAt, rowBytes, P), n * Lkv + l);
  const Unit unit = PARTIAL_UNITS && 32 * u + 32 > P ? decode_part(row, u, P) : decode(row, u);
  const int2 c = unit_columns(u);
  float values[32];
  vstore16(unit.a, 0, values);
  vstore16(unit.b, 1, values);
  __global float* to = WRITE(float, out) + (ulong)n * P * Lkv + l;
  for (int i = 0; i < 32; i++) {
    const int column = i < 16 ? c.x + i : c.y + i - 16;
    if (column < P) to[(ulong)column * Lkv] = values[i];
  }
}
