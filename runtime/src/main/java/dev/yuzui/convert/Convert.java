package dev.yuzui.convert;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.GgufForm;
import dev.yuzui.weights.GgufTensor;
import dev.yuzui.weights.GgufValue;
import dev.yuzui.weights.ImportanceMatrix;
import dev.yuzui.weights.WeightException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.LongStream;

/**
 * Writes a checkpoint as a GGUF of another type. Tensors follow one after the other; the rows of
 * one are decoded, quantised and written by all threads, so that memory holds a few rows for each.
 */
public final class Convert {
  /** Weights that a thread takes at a time. */
  private static final int CHUNK = 1 << 18;

  /**
   * What was made.
   *
   * @param weights bits of all of them over their number are {@code bits}
   * @param resumed tensors that were there from a cut run
   * @param types how many tensors have each
   */
  public record Result(
      List<Path> files,
      long bytes,
      long weights,
      double bits,
      int tensors,
      int resumed,
      Map<String, Integer> types) {}

  private final ConvertOptions options;
  private final ConvertListener listener;

  private Convert(ConvertOptions options, ConvertListener listener) {
    this.options = options;
    this.listener = listener;
  }

  /**
   * @throws WeightException if the model or the importance matrix cannot be used
   * @throws ConvertException if an option cannot be met, or a file cannot be written
   */
  public static Result run(ConvertOptions options, ConvertListener listener) {
    return new Convert(options, listener).run();
  }

  private Result run() {
    if (!options.output().toString().endsWith(".gguf")) {
      throw ConvertException.expected(
          "ConvertOptions.output", "a name that ends in .gguf", options.output().toString());
    }
    Optional<ImportanceMatrix> matrix = options.importance().map(ImportanceMatrix::read);
    try (GgufForm form = GgufForm.open(options.model())) {
      ConvertPlan plan = ConvertPlan.of(form, options, matrix, listener::remark);
      List<List<ConvertPlan.Item>> parts = parts(plan.items());
      List<byte[]> headers = headers(plan, parts);
      List<PartFiles.Target> targets = targets(parts, headers);
      refuseOverwriting(form, targets);
      List<Long> sizes = plan.items().stream().map(ConvertPlan.Item::bytes).toList();
      String made = made(form, headers);
      try (PartFiles files =
          PartFiles.open(options.output(), targets, sizes, made, options.force())) {
        int resumed = write(files, parts, headers);
        return result(files.publish(), targets, plan.items(), resumed);
      }
    }
  }

  // ---- what goes where --------------------------------------------------------------------------

  private List<List<ConvertPlan.Item>> parts(List<ConvertPlan.Item> items) {
    if (options.splitBytes().isEmpty()) {
      return List.of(items);
    }
    long most = options.splitBytes().getAsLong();
    List<List<ConvertPlan.Item>> parts = new ArrayList<>();
    long bytes = 0;
    for (ConvertPlan.Item item : items) {
      long size = GgufHeader.aligned(item.bytes());
      if (parts.isEmpty() || bytes > 0 && bytes + size > most) {
        parts.add(new ArrayList<>());
        bytes = 0;
      }
      parts.getLast().add(item);
      bytes += size;
    }
    return parts;
  }

  private static List<byte[]> headers(ConvertPlan plan, List<List<ConvertPlan.Item>> parts) {
    List<byte[]> headers = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      Map<String, GgufValue> metadata = i == 0 ? plan.metadata() : new LinkedHashMap<>();
      if (parts.size() > 1) {
        metadata.put("split.no", GgufValue.u16(i));
        metadata.put("split.count", GgufValue.u16(parts.size()));
        metadata.put("split.tensors.count", GgufValue.i32(plan.items().size()));
      }
      headers.add(
          GgufHeader.bytes(metadata, parts.get(i).stream().map(ConvertPlan.Item::header).toList()));
    }
    return headers;
  }

  private List<PartFiles.Target> targets(List<List<ConvertPlan.Item>> parts, List<byte[]> headers) {
    List<PartFiles.Target> targets = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      long size = headers.get(i).length;
      for (ConvertPlan.Item item : parts.get(i)) {
        size += GgufHeader.aligned(item.bytes());
      }
      targets.add(new PartFiles.Target(named(i, parts.size()), size));
    }
    return targets;
  }

  /** {@code model-00001-of-00003.gguf}, where there are several. */
  private Path named(int i, int of) {
    String name = options.output().getFileName().toString();
    String stem = name.substring(0, name.length() - ".gguf".length());
    return of == 1
        ? options.output()
        : options.output().resolveSibling("%s-%05d-of-%05d.gguf".formatted(stem, i + 1, of));
  }

  private void refuseOverwriting(GgufForm form, List<PartFiles.Target> targets) {
    for (PartFiles.Target target : targets) {
      Path file = target.file();
      for (GgufTensor t : form.tensors()) {
        if (same(file, t.file())) {
          throw ConvertException.expected(
              "ConvertOptions.output", "another file than the model's own", file.toString());
        }
      }
      if (Files.exists(file) && (!options.force() || !Files.isRegularFile(file))) {
        throw ConvertException.expected(
            "ConvertOptions.output",
            "a file that is not there yet",
            file + "; ConvertOptions.force replaces it");
      }
    }
  }

  private static boolean same(Path a, Path b) {
    try {
      return Files.exists(a) && Files.isSameFile(a, b);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Tells one result from any other: what it is made of, and all that is written before data. */
  private String made(GgufForm form, List<byte[]> headers) {
    MessageDigest sha;
    try {
      sha = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has it
    }
    headers.forEach(sha::update);
    sha.update(form.checkpoint().fingerprint().getBytes(StandardCharsets.UTF_8));
    options.importance().ifPresent(file -> add(file, sha));
    return "yuzui convert " + options.type() + " " + HexFormat.of().formatHex(sha.digest());
  }

  private static void add(Path file, MessageDigest sha) {
    try (var in = new DigestInputStream(Files.newInputStream(file), sha)) {
      in.transferTo(OutputStream.nullOutputStream());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  // ---- the work ---------------------------------------------------------------------------------

  private int write(PartFiles files, List<List<ConvertPlan.Item>> parts, List<byte[]> headers) {
    long total = 0;
    long before = 0;
    int number = 0;
    for (List<ConvertPlan.Item> part : parts) {
      for (ConvertPlan.Item item : part) {
        total += item.source().elements();
        before += files.isDone(number++) ? item.source().elements() : 0;
      }
    }
    AtomicLong done = new AtomicLong(before);
    int resumed = 0;
    number = 0;
    try (ForkJoinPool pool = new ForkJoinPool(options.threads())) {
      for (int p = 0; p < parts.size(); p++) {
        files.write(p, headers.get(p), headers.get(p).length, 0);
        long at = headers.get(p).length;
        for (ConvertPlan.Item item : parts.get(p)) {
          if (files.isDone(number)) {
            resumed++;
          } else {
            Sink sink = new Sink(files, p, at, done, before, total);
            pool.submit(() -> tensor(item, sink)).join();
            files.finished(number, item.bytes());
          }
          at += GgufHeader.aligned(item.bytes());
          number++;
        }
      }
    }
    return resumed;
  }

  /** Where a tensor goes. */
  private final class Sink {
    private final PartFiles files;
    private final int file;
    private final long start;
    private final AtomicLong done;
    private final long before;
    private final long total;

    Sink(PartFiles files, int file, long start, AtomicLong done, long before, long total) {
      this.files = files;
      this.file = file;
      this.start = start;
      this.done = done;
      this.before = before;
      this.total = total;
    }

    void write(byte[] bytes, int count, long at, long weights) {
      files.write(file, bytes, count, start + at);
      listener.progress(done.addAndGet(weights), before, total);
    }
  }

  private void tensor(ConvertPlan.Item item, Sink sink) {
    GgufTensor source = item.source();
    long rows = source.rows() / source.sliceCount();
    for (int i = 0; i < source.sliceCount(); i++) {
      long first = i * rows;
      try (Arena arena = Arena.ofShared()) {
        slice(item, source.slices().get(i, arena), first, sink);
      }
    }
    long bytes = item.bytes();
    int padding = (int) (GgufHeader.aligned(bytes) - bytes);
    sink.write(new byte[padding], padding, bytes, 0);
  }

  /**
   * @param first of its rows in the tensor
   */
  private void slice(ConvertPlan.Item item, HostTensor slice, long first, Sink sink) {
    long cols = slice.cols();
    long each = Math.max(1, CHUNK / cols);
    long chunks = Math.ceilDiv(slice.rows(), each);
    LongStream.range(0, chunks)
        .parallel()
        .forEach(
            c -> {
              long from = c * each;
              rows(item, slice, from, Math.min(slice.rows(), from + each), first, sink);
            });
  }

  private void rows(
      ConvertPlan.Item item, HostTensor slice, long from, long to, long first, Sink sink) {
    Encoding target = item.target();
    int cols = Math.toIntExact(slice.cols());
    int rowBytes = Math.toIntExact(target.rowBytes(cols));
    int bytes = Math.toIntExact((to - from) * rowBytes);
    long at = (first + from) * rowBytes;
    byte[] out = new byte[bytes];
    if (slice.encoding().equals(target)) {
      MemorySegment.copy(slice.data(), ValueLayout.JAVA_BYTE, from * rowBytes, out, 0, bytes);
    } else {
      RowQuantizer quantizer = RowQuantizer.of(target).orElseThrow();
      float[] row = new float[cols];
      for (long r = from; r < to; r++) {
        Dequantizer.row(slice, r, row, 0);
        requireNumbers(item, row);
        int importanceFrom = importanceFrom(item, first + r, cols);
        int o = (int) (r - from) * rowBytes;
        quantizer.row(row, 0, cols, item.importance(), importanceFrom, out, o);
      }
    }
    sink.write(out, bytes, at, (to - from) * cols);
  }

  /** Of the row's matrix, where each has an importance of its own. */
  private static int importanceFrom(ConvertPlan.Item item, long row, int cols) {
    return item.importance().length <= cols
        ? 0
        : Math.toIntExact(row / item.source().matrixRows() * cols);
  }

  private static void requireNumbers(ConvertPlan.Item item, float[] row) {
    boolean half = item.target().equals(Encoding.F16);
    for (float x : row) {
      if (!Float.isFinite(x) || half && Math.abs(x) > 65504) {
        throw new WeightException(
            item.source().file(),
            "tensor " + item.source().name(),
            half ? "numbers up to 65504, the largest of F16" : "numbers",
            String.valueOf(x),
            half && Float.isFinite(x)
                ? "take BF16 for it"
                : "download the file again, or ask its publisher");
      }
    }
  }

  private static Result result(
      List<Path> files, List<PartFiles.Target> targets, List<ConvertPlan.Item> items, int resumed) {
    Map<String, Integer> types = new TreeMap<>();
    long weights = 0;
    for (ConvertPlan.Item item : items) {
      types.merge(item.target().label(), 1, Integer::sum);
      weights += item.source().elements();
    }
    long bytes = targets.stream().mapToLong(PartFiles.Target::size).sum();
    double bits = 8.0 * bytes / weights;
    return new Result(files, bytes, weights, bits, items.size(), resumed, types);
  }
}
