// From a file's rows to tiles and back: F32, and formats of four bits and more.
#include "repack.cuh"

namespace yuzui {

TYPES(REPACK)

KERNEL(embed_f32, (const u8* table, const int* row, float* out, int n, int k)) {
  begin_kernel();
  embed<float>(table, row, out, n, k);
}
KERNEL(transpose_heads_f32, (const u8* from, u8* to, int heads, int lkv, int p)) {
  begin_kernel();
  transpose_heads<float>(from, to, heads, lkv, p);
}

}  // namespace yuzui
