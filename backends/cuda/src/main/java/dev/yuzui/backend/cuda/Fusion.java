package dev.yuzui.backend.cuda;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Launches of a recorded step that do the work of two which follow each other, to the bit: where a
 * launch does little, most of its time is that it begins and ends.
 */
final class Fusion {
  /** Numbers of y that a block may sum a row of: beyond, several blocks do it sooner. */
  private static final long SUMMED_BY_A_BLOCK = 1 << 14;

  private final Kernels kernels;

  Fusion(Kernels kernels) {
    this.kernels = kernels;
  }

  /** The same work in as many launches or fewer. */
  List<Runnable> of(List<Runnable> works) {
    List<Runnable> fused = new ArrayList<>(works.size());
    for (Runnable work : works) {
      Optional<Launch.Ready> both =
          fused.isEmpty() ? Optional.empty() : both(fused.getLast(), work);
      both.ifPresentOrElse(b -> fused.set(fused.size() - 1, b), () -> fused.add(work));
    }
    return fused;
  }

  private Optional<Launch.Ready> both(Runnable first, Runnable second) {
    return first instanceof Launch.Ready a && second instanceof Launch.Ready b
        ? switch (a.kernel().name() + " " + b.kernel().name()) {
          case "gate_f32 permute" -> gateAndPermute(a, b);
          case "combine add_rms_norm" -> combineAndNorm(a, b);
          default -> Optional.empty();
        }
        : Optional.empty();
  }

  /** The block that chooses the experts sorts them: parameters as experts.cu and permute.cu say. */
  private static Optional<Launch.Ready> gateAndPermute(Launch.Ready gate, Launch.Ready permute) {
    long[] g = gate.parameters();
    long[] p = permute.parameters();
    int ids = 13;
    int offset = 18;
    boolean same = g[ids] == p[0] && gate.shape().block() == permute.shape().block();
    if (!same) {
      return Optional.empty();
    }
    System.arraycopy(p, 4, g, offset, 3);
    Launches.Shape shape = gate.shape();
    int shared = Math.max(shape.shared(), permute.shape().shared());
    return Optional.of(
        gate.instead(
            gate.kernel(),
            gate.letters(),
            new Launches.Shape(shape.gridX(), shape.gridY(), shape.gridZ(), shape.block(), shared),
            g));
  }

  /**
   * Whether a block that writes its row of {@code normed} [T, H] may write what the combine of
   * another reads: scratch that is given back between the two is given out again.
   */
  private static boolean isReadByOthers(long[] combine, long rows, long normed) {
    long slots = rows * combine[5];
    long row = 4 * combine[6];
    return overlaps(normed, rows * row, combine[0], slots * row)
        || overlaps(normed, rows * row, combine[1], 4 * slots)
        || overlaps(normed, rows * row, combine[2], 4 * slots)
        || overlaps(normed, rows * row, combine[3], rows * row);
  }

  private static boolean overlaps(long a, long aBytes, long b, long bBytes) {
    return a < b + bBytes && b < a + aBytes;
  }

  /** The sum of the experts is normalised with the residual stream by the block that made it. */
  private Optional<Launch.Ready> combineAndNorm(Launch.Ready combine, Launch.Ready norm) {
    long[] c = combine.parameters();
    long[] n = norm.parameters();
    boolean same =
        c[4] == n[1]
            && c[6] == n[5]
            && combine.shape().gridX() == norm.shape().gridX()
            && c[5] * c[6] <= SUMMED_BY_A_BLOCK;
    if (!same || isReadByOthers(c, combine.shape().gridX(), n[4])) {
      return Optional.empty();
    }
    long[] both = Arrays.copyOf(c, 11);
    both[7] = n[0];
    both[8] = n[2];
    both[9] = n[3];
    both[10] = n[4];
    return Optional.of(
        norm.instead(
            kernels.get("combine_add_rms_norm"), combine.letters() + "ppfp", norm.shape(), both));
  }
}
