package dev.yuzui.kit;

import static dev.yuzui.kit.Tolerance.absolute;
import static dev.yuzui.kit.Tolerance.near;
import static dev.yuzui.kit.Tolerance.ofRow;

import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.Tensor;
import java.util.Optional;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Hyper-connections: what is read of several streams, and how they are written back. */
public abstract class StreamsConformance extends Conformance {

  /** Streams, width, rows. */
  @ParameterizedTest
  @CsvSource({
    "1, 64, 3",
    "1, 37, 1",
    "2, 64, 5",
    "2, 129, 2",
    "3, 256, 2",
    "4, 64, 17",
    "4, 7, 3",
    "4, 1025, 2",
    "4, 4096, 3",
    "8, 100, 2"
  })
  void readStreams(int streams, int width, int tokens) {
    HyperShape shape = new HyperShape(streams, 20, 1e-6f, 1e-6f);
    read(shape, width, tokens, doublyStochastic(shape, absolute(2e-5)));
  }

  @ParameterizedTest
  @CsvSource({"2, 1", "4, 1", "4, 2", "4, 3"})
  void ofAFewIterations(int streams, int iterations) {
    read(new HyperShape(streams, iterations, 1e-2f, 0.5f), 48, 4, absolute(2e-5));
  }

  private void read(HyperShape shape, int width, int tokens, Tolerance kept) {
    int streams = shape.streams();
    float[] base = Values.normal(1, shape.mixes(), 5).of(0);
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.normal(tokens, streams * width, 1, 0.2, 3));
          Tensor mixes = b.input("mixes", Values.normal(tokens, shape.mixes(), 2, 0, 5));
          Tensor shift = b.vector(rig.arena(), "base", base);
          Tensor by = b.vector(rig.arena(), "scale", 0.7f, -1.3f, 1.1f);
          Tensor mix = b.output("mix", tokens, shape.kept(), kept);
          Tensor out = b.output("out", tokens, width, ofRow(1e-5));
          return ops -> ops.readStreams(x, mixes, shift, by, shape, Optional.of(mix), out);
        });
  }

  /** What flows from all streams into one adds up to 1. */
  private static Tolerance doublyStochastic(HyperShape shape, Tolerance tolerance) {
    int s = shape.streams();
    return (name, variant, cols, want, got) -> {
      tolerance.check(name, variant, cols, want, got);
      for (int row = 0; row < got.length; row += cols) {
        for (int j = 0; j < s; j++) {
          double sum = 0;
          for (int i = 0; i < s; i++) {
            sum += got[row + s + i * s + j];
          }
          Assertions.assertEquals(1, sum, 1e-5, "what stream " + j + " is made of");
        }
      }
    };
  }

  @ParameterizedTest
  @CsvSource({"1, 64, 3", "2, 33, 2", "4, 4096, 2", "4, 65, 19"})
  void withNothingToWriteBack(int streams, int width, int tokens) {
    HyperShape shape = new HyperShape(streams, 20, 1e-6f, 1e-6f);
    float[] base = Values.normal(1, streams, 5).of(0);
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.normal(tokens, streams * width, 1));
          Tensor mixes = b.input("mixes", Values.normal(tokens, streams, 2, 0, 5));
          Tensor shift = b.vector(rig.arena(), "base", base);
          Tensor by = b.vector(rig.arena(), "scale", 0.7f);
          Tensor out = b.output("out", tokens, width, ofRow(1e-5));
          return ops -> ops.readStreams(x, mixes, shift, by, shape, Optional.empty(), out);
        });
  }

  @Test
  void readStreamsOfKnownNumbers() {
    // streams (1, 7) and (5, 5): their mean square is 25, so that z = mixes / 5. With σ(0) = 1/2
    // and σ(ln 3) = 3/4: pre = 1/2, 3/4; post = 1, 3/2. softmax(0, ln 3) = 1/4, 3/4 and
    // softmax(0, 0) = 1/2, 1/2; divided by the columns' sums 3/4 and 5/4 that is 1/3, 3/5 and 2/3,
    // 2/5. The rows of that sum to 14/15 and 16/15, then the columns to 55/56 and 57/56.
    readKnown(1, 1 / 3.0, 3 / 5.0, 2 / 3.0, 2 / 5.0);
    readKnown(2, 20 / 55.0, 36 / 57.0, 35 / 55.0, 21 / 57.0);
  }

  private void readKnown(int iterations, double... res) {
    double ln3 = Math.log(3);
    HyperShape shape = new HyperShape(2, iterations, 0, 0);
    Values mixes = Values.literal(1, 8, 0, 5 * ln3 / 2, 5 / 4.0, 5 * ln3 / 4, 0, 10 * ln3, 0, 0);
    Values kept = Values.literal(1, 6, 1, 1.5, res[0], res[1], res[2], res[3]);
    Values read = Values.literal(1, 2, 0.5 + 0.75 * 5, 0.5 * 7 + 0.75 * 5);
    rig.compare(
        b -> {
          Tensor x = b.input("x", Values.literal(1, 4, 1, 7, 5, 5));
          Tensor m = b.input("mixes", mixes);
          Tensor base = b.vector(rig.arena(), "base", 0, 0, -1, 0, 0, 0, 0, 0);
          Tensor by = b.vector(rig.arena(), "scale", 2, 4, 0.5f);
          Tensor mix = b.output("mix", 1, 6, near(kept, absolute(1e-5)));
          Tensor out = b.output("out", 1, 2, near(read, absolute(1e-5)));
          return ops -> ops.readStreams(x, m, base, by, shape, Optional.of(mix), out);
        });
  }

  @ParameterizedTest
  @CsvSource({
    "1, 64, 3",
    "2, 64, 5",
    "2, 129, 2",
    "3, 33, 2",
    "4, 64, 17",
    "4, 7, 3",
    "4, 1025, 2",
    "4, 4096, 3",
    "8, 100, 2"
  })
  void writeStreams(int streams, int width, int tokens) {
    HyperShape shape = new HyperShape(streams, 20, 1e-6f, 1e-6f);
    rig.compare(
        b -> {
          Tensor x = b.inOut("x", Values.normal(tokens, streams * width, 1), ofRow(1e-5));
          Tensor y = b.input("y", Values.normal(tokens, width, 2));
          Tensor mix = b.input("mix", Values.normal(tokens, shape.kept(), 3));
          return ops -> ops.writeStreams(x, y, mix, shape);
        });
  }

  /** The first index of what stays is the stream it comes from: a circle has a direction. */
  @Test
  void streamsGoWhereTheMatrixSends() {
    HyperShape shape = new HyperShape(3, 1, 0, 0);
    Values mix = Values.literal(1, 12, 10, 20, 30, 0, 1, 0, 0, 0, 1, 1, 0, 0);
    Values wanted =
        Values.literal(1, 6, 30 + 5, 40 + 6, 2 * 30 + 1, 2 * 40 + 2, 3 * 30 + 3, 3 * 40 + 4);
    rig.compare(
        b -> {
          Tensor x =
              b.inOut("x", Values.literal(1, 6, 1, 2, 3, 4, 5, 6), near(wanted, absolute(1e-4)));
          Tensor y = b.input("y", Values.literal(1, 2, 3, 4));
          Tensor m = b.input("mix", mix);
          return ops -> ops.writeStreams(x, y, m, shape);
        });
  }

  /** Both halves in one recording. */
  @ParameterizedTest
  @ValueSource(ints = {2, 4})
  void whatIsReadIsWrittenBack(int streams) {
    HyperShape shape = new HyperShape(streams, 20, 1e-6f, 1e-6f);
    rig.compare(
        b -> {
          Tensor x = b.inOut("x", Values.normal(6, streams * 40, 1), ofRow(2e-5));
          Tensor mixes = b.input("mixes", Values.normal(6, shape.mixes(), 2));
          Tensor base = b.vector(rig.arena(), "base", Values.normal(1, shape.mixes(), 5).of(0));
          Tensor by = b.vector(rig.arena(), "scale", 1, 2, 3);
          Tensor mix = b.output("mix", 6, shape.kept(), absolute(2e-5));
          Tensor out = b.output("out", 6, 40, ofRow(1e-5));
          return ops -> {
            ops.readStreams(x, mixes, base, by, shape, Optional.of(mix), out);
            ops.writeStreams(x, out, mix, shape);
          };
        });
  }
}
