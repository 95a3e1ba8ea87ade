// Rows of a table, decoded. Built for one encoding, WEIGHTS.
#include "device.clh"
#include "weights.clh"

// out[t] = table[row[t]], k wide; see matrix_at. A group for each row; a work-item takes units of 32 numbers.
__kernel void embed(IN(table), ulong scalesAt, ulong rowBytes, int k, IN(row), OUT(out)) {
  const ulong t = get_group_id(0);
  const Matrix m = matrix_at(READ(uchar, table), scalesAt, rowBytes, k);
  const Row from = row_of(m, READ(int, row)[t]);
  __global float *to = WRITE(float, out) + t * k;
  for (int u = get_local_id(0); u < k / 32; u += get_local_size(0)) {
    const Unit w = decode(from, u);
    const int2 c = unit_columns(u);
    vstore16(w.a, 0, to + c.x);
    vstore16(w.b, 0, to + c.y);
  }
#if PARTIAL_UNITS
  for (int c = k / 32 * 32 + get_local_id(0); c < k; c += get_local_size(0)) to[c] = number_at(from, c);
#endif
}
