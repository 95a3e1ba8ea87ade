package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.L;

/** Rows without blocks to F32. */
final class PlainDecode {
  private PlainDecode() {}

  static void f32(long w, int count, long out) {
    Memory.copy(w, out, 4L * count);
  }

  static void f16(long w, int count, long out) {
    int c = 0;
    for (; c + L <= count; c += L) {
      Lanes.store(Lanes.f16(w + 2L * c), out + 4L * c);
    }
    for (; c < count; c++) {
      Memory.f32(out + 4L * c, Memory.f16(w + 2L * c));
    }
  }

  static void bf16(long w, int count, long out) {
    int c = 0;
    for (; c + L <= count; c += L) {
      Lanes.store(Lanes.bf16(w + 2L * c), out + 4L * c);
    }
    for (; c < count; c++) {
      Memory.f32(out + 4L * c, Memory.bf16(w + 2L * c));
    }
  }

  static void e4m3(long w, int count, long out) {
    int c = 0;
    for (; c + L <= count; c += L) {
      Lanes.store(Lanes.e4m3(w + c), out + 4L * c);
    }
    for (; c < count; c++) {
      Memory.f32(out + 4L * c, Memory.e4m3(w + c));
    }
  }

  /** {@code scales} is the row of column 0, {@code w} the code of column {@code from}. */
  static void fp8(long w, long scales, int tile, int from, int count, long out) {
    int c = 0;
    while (c < count) {
      int end = Math.min(count, ((from + c) / tile + 1) * tile - from);
      float scale = Memory.f32(scales + 4L * ((from + c) / tile));
      for (; c + L <= end; c += L) {
        Lanes.store(Lanes.e4m3(w + c).mul(scale), out + 4L * c);
      }
      for (; c < end; c++) {
        Memory.f32(out + 4L * c, Memory.e4m3(w + c) * scale);
      }
    }
  }
}
