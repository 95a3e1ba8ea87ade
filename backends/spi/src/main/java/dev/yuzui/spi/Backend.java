package dev.yuzui.spi;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * An open device. Buffers and queues opened here are closed before it: {@link #close} with any of
 * them open is a {@link BackendException} that names them and leaves the backend open. So is any
 * use of a closed backend. Methods may be called from any thread; a queue belongs to one at a time.
 */
public interface Backend extends AutoCloseable {
  /** See {@link #upload}. */
  int SLICE_ROWS = 16;

  String name();

  Capabilities capabilities();

  /** Threads, instruction set, memory: one line for people. */
  String description();

  DeviceBuffer allocate(long bytes, String purpose);

  /**
   * Takes a weight: borrows mapped memory, copies, converts or repacks, as the device likes. The
   * tensor reports the shape of {@code weight} and the encoding it is multiplied in. Its buffer
   * lives until the backend closes. Of its rows the first ones, a multiple of {@link #SLICE_ROWS},
   * are a weight for {@link Ops#matmul} too ({@link Tensor#slice} from 0), but not of FP8 in tiles.
   */
  Tensor upload(HostTensor weight);

  /** {@link #upload} of a weight of which only single rows are wanted ({@link Ops#embed}). */
  default Tensor uploadTable(HostTensor table) {
    return upload(table);
  }

  /**
   * Told once a model's weights are all there: what the backend keeps of them for the next start
   * ({@link BackendOptions#repackCache}) is written now. Throws nothing for want of room.
   */
  default void uploaded() {}

  /**
   * Whether {@link #upload} takes weights that repeat a few bytes ({@link HostTensor#repeatsFrom}),
   * made on the device without the host writing them out.
   */
  default boolean repeats() {
    return false;
  }

  /** {@link #upload} for each expert of a projection. */
  default ExpertWeights uploadExperts(String name, List<HostTensor> experts) {
    return new ExpertWeights(name, experts.stream().map(this::upload).toList());
  }

  /**
   * Whether experts of an encoding are read where {@link #uploadExperts} and {@link #replace} were
   * given them, which then outlives the backend; else they may go as soon as it returns.
   */
  default boolean borrowsExperts(Encoding encoding) {
    return true;
  }

  /**
   * Puts another expert of the same shape and encoding in the place of expert {@code index}, whose
   * memory is taken or given back. Recordings that use the old experts must not be replayed, and
   * nothing that uses them may be under way; {@code experts} are not used any more. This body is
   * for backends that keep encodings and borrow what is uploaded.
   *
   * @return the experts, with the new one
   */
  default ExpertWeights replace(ExpertWeights experts, int index, HostTensor expert) {
    return experts.with(index, upload(expert));
  }

  /**
   * Copies a tensor of another backend into one of the same size here, device to device, in no
   * queue's order: synchronize first what may still use either. On return both may be used.
   *
   * @return false, and nothing done, where only the host can carry it
   */
  default boolean receive(Tensor to, Backend source, Tensor from) {
    return false;
  }

  /**
   * Copies host memory, exactly the tensor's bytes, into a tensor, in no queue's order: synchronize
   * first what may still read it.
   */
  void write(Tensor to, MemorySegment from);

  /**
   * Fills a tensor with the bytes of {@code pattern}, whole rows, read round and round from its
   * start; otherwise as {@link #write}.
   */
  default void fill(Tensor to, MemorySegment pattern) {
    long rows = pattern.byteSize() / to.encoding().byteSize(1, to.cols());
    for (long row = 0; row < to.rows(); row += rows) {
      Tensor part = to.slice(to.name(), row, Math.min(rows, to.rows() - row));
      write(part, pattern.asSlice(0, part.byteSize()));
    }
  }

  /**
   * Copies a tensor out to host memory of exactly its bytes, in no queue's order: synchronize first
   * what may still write it.
   */
  void read(Tensor from, MemorySegment to);

  DeviceQueue openQueue();

  @Override
  void close();
}
