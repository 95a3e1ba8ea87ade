package dev.yuzui.ptx.machine;

import static dev.yuzui.ptx.machine.Warp.LANES;

import dev.yuzui.ptx.code.Instruction;
import dev.yuzui.ptx.code.Operand;
import dev.yuzui.ptx.code.PtxType;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * wgmma with A in registers, B in shared memory and sums in F32, what orders it, and setmaxnreg. A
 * warpgroup's instruction is run by its four warps, each for itself.
 */
final class WgmmaOps {
  private static final Pattern PRODUCT =
      Pattern.compile(
          "wgmma\\.mma_async\\.sync\\.aligned\\.m64n(\\d+)k16\\.f32\\.(b?f16)\\.(b?f16)");
  private static final Pattern REGISTERS =
      Pattern.compile("setmaxnreg\\.(?:inc|dec)\\.sync\\.aligned\\.u32");

  /** D is added to, neither A nor B is negated, B is K-major. */
  private static final List<Operand> AS_IT_IS =
      List.of(
          new Operand.Immediate(1),
          new Operand.Immediate(1),
          new Operand.Immediate(1),
          new Operand.Immediate(0));

  private final Decoder decoder;

  WgmmaOps(Decoder decoder) {
    this.decoder = decoder;
  }

  Operation operation(Instruction i) {
    Operation one = one(i);
    return (w, m) -> {
      if (m != Warp.ALL) {
        throw w.fault("not all lanes");
      }
      one.run(w, m);
    };
  }

  private Operation one(Instruction i) {
    Matcher product = PRODUCT.matcher(i.opcode());
    if (product.matches() && product.group(2).equals(product.group(3))) {
      return product(
          i,
          Integer.parseInt(product.group(1)),
          product.group(2).equals("f16") ? Rounding::fromHalf : Rounding::fromBfloat);
    }
    if (REGISTERS.matcher(i.opcode()).matches()) {
      int count = number(i);
      if (count % 8 != 0 || count < 24 || count > 256) {
        throw Decoder.unknown(i);
      }
      return (w, _) -> w.wgmmas.registers(count);
    }
    return switch (i.opcode()) {
      case "wgmma.fence.sync.aligned" -> (w, _) -> w.wgmmas.fence();
      case "wgmma.commit_group.sync.aligned" -> (w, _) -> w.wgmmas.commit();
      case "wgmma.wait_group.sync.aligned" -> {
        int pending = number(i);
        yield (w, _) -> w.wgmmas.waitFor(pending);
      }
      default -> throw Decoder.unknown(i);
    };
  }

  private static int number(Instruction i) {
    return Math.toIntExact(((Operand.Immediate) i.operands().getFirst()).bits());
  }

  private int[] registers(Operand o, int count) {
    List<Operand> parts = ((Operand.Vector) o).parts();
    if (parts.size() != count) {
      throw new IndexOutOfBoundsException(parts.size());
    }
    return parts.stream().mapToInt(p -> decoder.word(p, PtxType.B32)).toArray();
  }

  private Operation product(Instruction i, int n, Wgmmas.Halves value) {
    List<Operand> o = i.operands();
    if (n < 8 || n > 256 || n % 8 != 0 || !o.subList(3, o.size()).equals(AS_IT_IS)) {
      throw Decoder.unknown(i);
    }
    int[] d = registers(o.get(0), n / 2);
    int[] a = registers(o.get(1), 4);
    int b = decoder.quad(o.get(2));
    return (w, _) -> {
      for (int lane = 1; lane < LANES; lane++) {
        if (w.q[b + lane] != w.q[b]) {
          throw w.fault("lanes have different descriptors");
        }
      }
      w.wgmmas.begin(d, a, new SharedMatrix(w.q[b]), value);
    };
  }
}
