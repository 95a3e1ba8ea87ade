package dev.yuzui.ptx.machine;

import static dev.yuzui.ptx.machine.Warp.LANES;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import java.util.List;

/**
 * mma.sync of 16×8×16 and 16×8×8 with sums in F32. Sums are taken in double and rounded once: how a
 * tensor core rounds on the way the ISA leaves open.
 */
final class MmaOps {
  private static final int ROWS = 16;
  private static final int COLUMNS = 8;

  @FunctionalInterface
  private interface Halves {
    float of(int bits);
  }

  private final Decoder decoder;

  MmaOps(Decoder decoder) {
    this.decoder = decoder;
  }

  Operation operation(Instruction i) {
    return switch (i.opcode()) {
      case "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32" ->
          product(i, 16, Rounding::fromHalf);
      case "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32" -> product(i, 8, Rounding::fromHalf);
      case "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" ->
          product(i, 16, Rounding::fromBfloat);
      default -> throw Decoder.unknown(i);
    };
  }

  private int[] registers(Operand o, int count) {
    List<Operand> parts = ((Operand.Vector) o).parts();
    if (parts.size() != count) {
      throw new IndexOutOfBoundsException(parts.size());
    }
    return parts.stream().mapToInt(p -> decoder.word(p, PtxType.B32)).toArray();
  }

  /**
   * Of the lane with g = lane / 4 and c = lane % 4, register n of A holds row g + 8·(n % 2),
   * columns 2c + 8·(n / 2) and the next; register n of B rows 2c + 8n and the next of column g;
   * number n of C and D row g + 8·(n / 2), column 2c + n % 2.
   */
  private Operation product(Instruction i, int inner, Halves value) {
    int[] d = registers(i.operands().get(0), 4);
    int[] a = registers(i.operands().get(1), inner / 4);
    int[] b = registers(i.operands().get(2), inner / 8);
    int[] c = registers(i.operands().get(3), 4);
    return (w, m) -> {
      if (m != Warp.ALL) {
        throw w.fault("not all lanes");
      }
      double[] left = new double[ROWS * inner];
      double[] right = new double[COLUMNS * inner];
      for (int l = 0; l < LANES; l++) {
        int g = l / 4;
        int pair = l % 4 * 2;
        for (int n = 0; n < a.length; n++) {
          int at = (g + n % 2 * 8) * inner + pair + n / 2 * 8;
          int bits = w.r[a[n] + l];
          left[at] = value.of(bits & 0xffff);
          left[at + 1] = value.of(bits >>> 16);
        }
        for (int n = 0; n < b.length; n++) {
          int at = g * inner + pair + 8 * n;
          int bits = w.r[b[n] + l];
          right[at] = value.of(bits & 0xffff);
          right[at + 1] = value.of(bits >>> 16);
        }
      }
      float[] sums = new float[4 * LANES];
      for (int l = 0; l < LANES; l++) {
        for (int n = 0; n < 4; n++) {
          int row = (l / 4 + n / 2 * 8) * inner;
          int column = (l % 4 * 2 + n % 2) * inner;
          double sum = Float.intBitsToFloat(w.r[c[n] + l]);
          for (int k = 0; k < inner; k++) {
            sum += left[row + k] * right[column + k];
          }
          sums[4 * l + n] = (float) sum;
        }
      }
      for (int l = 0; l < LANES; l++) {
        for (int n = 0; n < 4; n++) {
          w.r[d[n] + l] = Float.floatToRawIntBits(sums[4 * l + n]);
        }
      }
    };
  }
}
