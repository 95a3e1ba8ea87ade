package dev.yuzui.kit;

import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Dispatch;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.ExpertWeights;
import dev.yuzui.spi.KvCache;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.util.stream.Stream;

/** Tensors of any shape in one buffer, one behind the other. */
final class Shapes {
  private final DeviceBuffer buffer;
  private final StepBatch batch;
  private long next;

  Shapes(DeviceBuffer buffer, StepBatch batch) {
    this.buffer = buffer;
    this.batch = batch;
  }

  Tensor f32(String name, int rows, int cols) {
    return tensor(name, Encoding.F32, rows, cols);
  }

  Tensor i32(String name, int rows, int cols) {
    return tensor(name, Encoding.I32, rows, cols);
  }

  Tensor tensor(String name, Encoding encoding, int rows, int cols) {
    Tensor t = new Tensor(name, buffer, next, encoding, rows, cols);
    next += Math.ceilDiv(t.byteSize(), 64) * 64;
    return t;
  }

  StepBatch batch() {
    return batch;
  }

  KvCache cache(int cols) {
    return new KvCache(f32("cache", 8, cols), 4);
  }

  Dispatch dispatch(int experts, int slots) {
    return new Dispatch(
        i32("offset", 1, experts + 1), i32("slot", 1, slots), i32("place", 1, slots), 2);
  }

  ExpertWeights experts(int count, int rows, int cols) {
    return new ExpertWeights(
        "w", Stream.generate(() -> f32("w", rows, cols)).limit(count).toList());
  }
}
