package dev.yuzui.model;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.spi.Tensor;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Part;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.LongConsumer;

/** Puts tensors of a checkpoint on devices, and tables that are computed. */
final class WeightUploader {
  private final Checkpoint checkpoint;
  private final LongConsumer loadedBytes;
  private final List<DeviceBuffer> owned = new ArrayList<>();

  /**
   * @param loadedBytes told the bytes of each tensor as it is done
   */
  WeightUploader(Checkpoint checkpoint, LongConsumer loadedBytes) {
    this.checkpoint = checkpoint;
    this.loadedBytes = loadedBytes;
  }

  /** Memory beside what the backends keep of {@link Backend#upload}, for who asked to close. */
  List<DeviceBuffer> owned() {
    return owned;
  }

  Tensor weight(Backend b, Part part, int layer) {
    return upload(b, checkpoint.tensor(part, layer));
  }

  Optional<Tensor> find(Backend b, Part part, int layer) {
    return checkpoint.find(part, layer).map(t -> upload(b, t));
  }

  private Tensor upload(Backend b, HostTensor host) {
    Tensor tensor = b.upload(host);
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  /** Of which rows are looked up. */
  Tensor table(Backend b, HostTensor host) {
    Tensor tensor = b.uploadTable(host);
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  Norm norm(Backend b, Part part, int layer, float eps) {
    return new Norm(asF32(b, checkpoint.tensor(part, layer)), eps);
  }

  /** Norm weights and biases are F32 on every device, whatever the file has. */
  Tensor asF32(Backend b, HostTensor host) {
    Tensor tensor = allocate(b, host.name(), host.rows(), host.cols());
    write(b, tensor, Dequantizer.all(host));
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  /**
   * [positions, 2·frequencies]: factor·cos and factor·sin of position·frequency.
   *
   * @param frequency radians per position of each pair
   */
  Tensor ropeTable(Backend b, int positions, double[] frequency, double factor) {
    int dims = 2 * frequency.length;
    float[] table = new float[Math.multiplyExact(positions, dims)];
    for (int p = 0; p < positions; p++) {
      for (int i = 0; i < frequency.length; i++) {
        double angle = p * frequency[i];
        table[p * dims + 2 * i] = (float) (Math.cos(angle) * factor);
        table[p * dims + 2 * i + 1] = (float) (Math.sin(angle) * factor);
      }
    }
    Tensor tensor = allocate(b, "rope_table", positions, dims);
    write(b, tensor, table);
    return tensor;
  }

  /** I32. */
  Tensor numbers(Backend b, HostTensor host) {
    DeviceBuffer buffer = b.allocate(host.byteSize(), host.name());
    owned.add(buffer);
    Tensor tensor = new Tensor(host.name(), buffer, 0, Encoding.I32, host.rows(), host.cols());
    b.write(tensor, host.data());
    loadedBytes.accept(host.byteSize());
    return tensor;
  }

  private Tensor allocate(Backend b, String name, long rows, long cols) {
    DeviceBuffer buffer = b.allocate(Encoding.F32.byteSize(rows, cols), name);
    owned.add(buffer);
    return new Tensor(name, buffer, 0, Encoding.F32, rows, cols);
  }

  private void write(Backend b, Tensor tensor, float[] values) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
      b.write(tensor, segment);
    }
  }

  Tensor ones(Backend b, int count) {
    Tensor tensor = allocate(b, "ones", 1, count);
    float[] values = new float[count];
    Arrays.fill(values, 1);
    write(b, tensor, values);
    return tensor;
  }
}
