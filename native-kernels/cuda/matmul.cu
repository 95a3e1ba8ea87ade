// The plain product: F32 weights as they lie, or tiles decoded number by number; any shape, sums in F32. And the product of
// many rows with F32 weights, which routers have. The fast forms of the others are matvec.cu and gemm.cu.
#include "matmul.cuh"

namespace yuzui {
namespace {

// ---- many rows by F32 weights -----------------------------------------------------------------------------------------

// A block multiplies SIDE rows of w by SIDE rows of x, DEPTH columns at a time, which pass through shared memory, column by
// column; a thread has 8 × 4 of the sums: three loads of 16 bytes for 32 products. Numbers that a warp stores at once lie in
// different banks by the exclusive or; those that a thread loads together stay together.
constexpr int SIDE = 64, DEPTH = 32, TILED_THREADS = 128;
constexpr int PIECES = SIDE * DEPTH / 4 / TILED_THREADS;  // float4 of each matrix that a thread brings
__device__ __forceinline__ int tile_at(int column, int row) { return column * SIDE + (row ^ (column >> 2 & 7) << 2); }

// A thread's share of SIDE rows from `first` on of [rows, k] at columns column … column + DEPTH − 1, of which those before
// `end` count.
struct Pieces {
  float4 v[PIECES];
  __device__ __forceinline__ void load(const float* from, int64_t stride, int first, int rows, int column, int end) {
#pragma unroll
    for (int i = 0; i < PIECES; i++) {
      const int piece = i * TILED_THREADS + threadIdx.x;
      const int row = first + piece / (DEPTH / 4), at = column + piece % (DEPTH / 4) * 4;
      v[i] = read4(from + row * stride + at, row < rows ? end - at : 0);
    }
  }
  __device__ __forceinline__ void store(float* tile) const {
#pragma unroll
    for (int i = 0; i < PIECES; i++) {
      const int piece = i * TILED_THREADS + threadIdx.x;
      const int row = piece / (DEPTH / 4), column = piece % (DEPTH / 4) * 4;
      tile[tile_at(column, row)] = v[i].x;
      tile[tile_at(column + 1, row)] = v[i].y;
      tile[tile_at(column + 2, row)] = v[i].z;
      tile[tile_at(column + 3, row)] = v[i].w;
    }
  }
};

}  // namespace

// out[t, i] = Σk x[t, k]·w[i, k] in F32: T rows of x and out, n of w. Strides in numbers. grid (⌈n/64⌉, ⌈T/64⌉, splits), block
// 128. Blocks of one place share the columns, the last adds up, in order. If splits > 1: partial holds splits·T·n numbers;
// counters gridX·gridY zeros, again zero afterwards.
KERNEL_BOUNDED(matmul_f32_tiled, TILED_THREADS, 4,
               (const float* w, const float* x, int xStride, float* out, int outStride, int T, int n, int k, float* partial,
                int* counters, int splits)) {
  begin_kernel();
  __shared__ __align__(16) float tiles[2][2][SIDE * DEPTH];
  __shared__ int last;
  const int row0 = blockIdx.x * SIDE, token0 = blockIdx.y * SIDE;
  const int each = ceil_div(ceil_div(k, DEPTH), splits);
  const int column0 = blockIdx.z * each * DEPTH;
  const int end = column0 + each * DEPTH < k ? column0 + each * DEPTH : k;
  const int rowAt = threadIdx.x / 16 * 8, tokenAt = threadIdx.x % 16 * 4;

  Pieces ws, xs;
  auto load = [&](int column) {
    ws.load(w, k, row0, n, column, end);
    xs.load(x, xStride, token0, T, column, end);
  };
  float acc[8][4] = {};
  load(column0);
  int stage = 0;
#pragma unroll 1
  for (int column = column0; column < end; column += DEPTH) {
    ws.store(tiles[stage][0]);
    xs.store(tiles[stage][1]);
    __syncthreads();  // and nobody still reads the other stage, which is stored to next
    load(column + DEPTH);
#pragma unroll 8
    for (int c = 0; c < DEPTH; c++) {
      const float4 a0 = *reinterpret_cast<const float4*>(&tiles[stage][0][tile_at(c, rowAt)]);
      const float4 a1 = *reinterpret_cast<const float4*>(&tiles[stage][0][tile_at(c, rowAt + 4)]);
      const float4 b = *reinterpret_cast<const float4*>(&tiles[stage][1][tile_at(c, tokenAt)]);
      const float rows[8] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
#pragma unroll
      for (int i = 0; i < 8; i++) {
        acc[i][0] += rows[i] * b.x;
        acc[i][1] += rows[i] * b.y;
        acc[i][2] += rows[i] * b.z;
        acc[i][3] += rows[i] * b.w;
      }
    }
    stage ^= 1;
  }

  auto each_result = [&](auto use) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
#pragma unroll
      for (int i = 0; i < 8; i++) {
        if (token0 + tokenAt + j < T && row0 + rowAt + i < n) use(token0 + tokenAt + j, row0 + rowAt + i, acc[i][j]);
      }
    }
  };
  auto finish = [&](int t, int row, float y) { out[(int64_t)t * outStride + row] = y; };
  if (splits == 1) {
    each_result(finish);
    return;
  }
  auto place = [&](int split, int t, int row) { return partial + ((int64_t)split * T + t) * n + row; };
  each_result([&](int t, int row, float y) { *place(blockIdx.z, t, row) = y; });
  if (last_block(counters + blockIdx.y * gridDim.x + blockIdx.x, splits, &last)) {
    each_result([&](int t, int row, float) {
      float y = 0;
      for (int split = 0; split < splits; split++) y += *place(split, t, row);
      finish(t, row, y);
    });
  }
}

TYPES(MATMUL)
MATMUL(f32, float)

}  // namespace yuzui
