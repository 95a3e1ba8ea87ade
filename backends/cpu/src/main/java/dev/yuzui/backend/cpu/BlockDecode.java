package dev.yuzui.backend.cpu;

import static dev.yuzui.backend.cpu.Lanes.L;
import static dev.yuzui.backend.cpu.Lanes.all;
import static dev.yuzui.backend.cpu.Lanes.shr;
import static dev.yuzui.backend.cpu.Lanes.store;
import static dev.yuzui.backend.cpu.Lanes.toFloat;
import static dev.yuzui.backend.cpu.Lanes.u8;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Rows of 32-element blocks, and of IQ4_XS, which holds eight of them, to F32. */
final class BlockDecode {
  private BlockDecode() {}

  static void q40(long b, int count, long out) {
    for (int c = 0; c < count; c += 32) {
      float d = Memory.f16(b);
      for (int l = 0; l < 16; l += L) {
        IntVector v = u8(b + 2 + l);
        store(toFloat(v.and(15).sub(8)).mul(d), out + 4L * (c + l));
        store(toFloat(shr(v, 4).sub(8)).mul(d), out + 4L * (c + l + 16));
      }
      b += 18;
    }
  }

  static void q41(long b, int count, long out) {
    for (int c = 0; c < count; c += 32) {
      float d = Memory.f16(b);
      float m = Memory.f16(b + 2);
      for (int l = 0; l < 16; l += L) {
        IntVector v = u8(b + 4 + l);
        store(toFloat(v.and(15)).fma(all(d), all(m)), out + 4L * (c + l));
        store(toFloat(shr(v, 4)).fma(all(d), all(m)), out + 4L * (c + l + 16));
      }
      b += 20;
    }
  }

  static void q50(long b, int count, long out) {
    for (int c = 0; c < count; c += 32) {
      float d = Memory.f16(b);
      int high = Memory.i32(b + 2);
      for (int l = 0; l < 16; l += L) {
        IntVector v = u8(b + 6 + l);
        store(toFloat(Lanes.subtract16(v.and(15), ~high >>> l)).mul(d), out + 4L * (c + l));
        store(
            toFloat(Lanes.subtract16(shr(v, 4), ~high >>> l + 16)).mul(d), out + 4L * (c + l + 16));
      }
      b += 22;
    }
  }

  static void q51(long b, int count, long out) {
    for (int c = 0; c < count; c += 32) {
      float d = Memory.f16(b);
      float m = Memory.f16(b + 2);
      int high = Memory.i32(b + 4);
      for (int l = 0; l < 16; l += L) {
        IntVector v = u8(b + 8 + l);
        store(toFloat(Lanes.or16(v.and(15), high >>> l)).fma(all(d), all(m)), out + 4L * (c + l));
        store(
            toFloat(Lanes.or16(shr(v, 4), high >>> l + 16)).fma(all(d), all(m)),
            out + 4L * (c + l + 16));
      }
      b += 24;
    }
  }

  static void iq4nl(long b, int count, long out) {
    FloatVector table = Lanes.iq4Table();
    FloatVector upper = Lanes.iq4Upper();
    for (int c = 0; c < count; c += 32) {
      float d = Memory.f16(b);
      for (int l = 0; l < 16; l += L) {
        IntVector v = u8(b + 2 + l);
        store(Lanes.lookup(table, upper, v.and(15)).mul(d), out + 4L * (c + l));
        store(Lanes.lookup(table, upper, shr(v, 4)).mul(d), out + 4L * (c + l + 16));
      }
      b += 18;
    }
  }

  static void q80(long b, int count, long out) {
    for (int c = 0; c < count; c += 32) {
      float d = Memory.f16(b);
      for (int l = 0; l < 32; l += L) {
        store(toFloat(Lanes.i8(b + 2 + l)).mul(d), out + 4L * (c + l));
      }
      b += 34;
    }
  }

  static void iq4xs(long b, int count, long out) {
    FloatVector table = Lanes.iq4Table();
    FloatVector upper = Lanes.iq4Upper();
    for (int c = 0; c < count; c += 256) {
      float d = Memory.f16(b);
      for (int i = 0; i < 8; i++) {
        float dl = d * (Lanes.iq4xsScale(b, i) - 32);
        for (int l = 0; l < 16; l += L) {
          IntVector v = u8(b + 8 + 16 * i + l);
          long o = out + 4L * (c + 32 * i + l);
          store(Lanes.lookup(table, upper, v.and(15)).mul(dl), o);
          store(Lanes.lookup(table, upper, shr(v, 4)).mul(dl), o + 64);
        }
      }
      b += 136;
    }
  }
}
