package dev.yuzui.backend.cuda;

import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.SignalHandlers;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.zip.GZIPInputStream;
import jcuda.driver.CUmodule;

/**
 * The kernels of this jar on one device, loaded when it is opened, or {@link #prepare} when weights
 * that want them are brought: none while a step runs or is recorded. {@link KernelManifest#ptxFor}
 * says as what.
 */
final class Kernels implements AutoCloseable {
  /** Loading that takes longer is compiling. */
  private static final int LONG_SECONDS = 1;

  /** Begins the names of files whose kernels are for encodings that few models have. */
  private static final String ON_DEMAND = "low_bit";

  private static final String REBUILD = "run native-kernels/cuda/build";

  private final Cu cu;
  private final KernelManifest manifest;
  private final boolean wgmma;
  private final Consumer<String> notice;
  private final Map<String, CUmodule> modules = new HashMap<>();
  private final Map<String, Kernel> kernels = new HashMap<>();

  private Kernels(Cu cu, KernelManifest manifest, boolean wgmma, Consumer<String> notice) {
    this.cu = cu;
    this.manifest = manifest;
    this.wgmma = wgmma;
    this.notice = notice;
    try {
      load(false);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /**
   * @param wgmma whether those of {@link Wgmma} are wanted
   * @param notice told of what takes long: the driver compiles what it has no machine code for
   * @throws BackendException if the binaries are missing or were compiled from other sources
   */
  static Kernels of(Cu cu, boolean wgmma, Consumer<String> notice) {
    Optional<KernelManifest> manifest =
        resource("kernels/manifest.txt")
            .map(bytes -> KernelManifest.parse(new String(bytes, StandardCharsets.UTF_8)));
    Optional<String> stale = manifest.flatMap(m -> m.stale(file -> resource("sources/" + file)));
    if (cu.device().simulated()) {
      // it runs what it compiled of the sources; binaries of others say nothing of those
      return new Kernels(
          cu, manifest.filter(_ -> stale.isEmpty()).orElse(KernelManifest.EMPTY), wgmma, notice);
    }
    if (manifest.isEmpty()) {
      throw new BackendException("the CUDA kernels are not in this build", REBUILD);
    }
    if (stale.isPresent()) {
      throw new BackendException(
          "the CUDA kernels were compiled from another native-kernels/" + stale.get(), REBUILD);
    }
    return new Kernels(cu, manifest.get(), wgmma, notice);
  }

  /** What says which sources and which kernels there are. */
  static String manifestText() {
    return resource("kernels/manifest.txt")
        .map(bytes -> new String(bytes, StandardCharsets.UTF_8))
        .orElse("");
  }

  /** Loads what multiplies weights in {@code encoding}, if it is not there. */
  synchronized void prepare(Encoding encoding) {
    KernelManifest.Entry repack = manifest.kernels().get("repack_" + Tiles.suffix(encoding));
    if (repack != null && onDemand(repack)) {
      load(true);
    }
  }

  private void load(boolean onDemand) {
    manifest.kernels().entrySet().stream()
        .filter(e -> onDemand(e.getValue()) == onDemand)
        .filter(e -> wgmma || !manifest.alone().containsKey(e.getValue().stem()))
        .map(Map.Entry::getKey)
        .sorted()
        .forEach(this::get);
  }

  private static boolean onDemand(KernelManifest.Entry kernel) {
    return kernel.stem().startsWith(ON_DEMAND);
  }

  /** Whether those of {@link Wgmma} are there. */
  boolean wgmma() {
    return wgmma;
  }

  synchronized Kernel get(String name) {
    return kernels.computeIfAbsent(
        name,
        n -> {
          try (var _ = SignalHandlers.keep()) { // the driver may compile
            return load(n);
          }
        });
  }

  private Kernel load(String name) {
    if (manifest.kernels().isEmpty()) {
      CUmodule all = modules.computeIfAbsent("", _ -> cu.load(new byte[] {1}, "the simulator"));
      return new Kernel(cu, cu.function(all, name), name, Optional.empty());
    }
    KernelManifest.Entry entry = manifest.kernels().get(name);
    if (entry == null) {
      throw new BackendException("no CUDA kernel is called " + name, REBUILD);
    }
    CUmodule module = modules.computeIfAbsent(entry.stem(), this::module);
    return new Kernel(cu, cu.function(module, name), name, Optional.of(entry.letters()));
  }

  private CUmodule module(String stem) {
    Optional<String> ptx = manifest.ptxFor(stem, cu.device());
    if (ptx.isEmpty()) {
      String file = "kernels/" + stem + ".fatbin";
      return cu.load(bytes(file), file);
    }
    String file = "kernels/%s.sm_%s.ptx.gz".formatted(stem, ptx.get());
    byte[] text = text(bytes(file), file);
    // a task that is cancelled before its time never runs
    var told =
        CompletableFuture.runAsync(
            () ->
                notice.accept(
                    ("%s: the driver compiles the kernels of %s, which takes up to a minute, once:"
                            + " it keeps the result")
                        .formatted(cu.device().label(), stem)),
            CompletableFuture.delayedExecutor(LONG_SECONDS, TimeUnit.SECONDS));
    try {
      return cu.load(text, file);
    } finally {
      told.cancel(false);
    }
  }

  /** With the zero at the end by which the driver knows where the text ends. */
  private static byte[] text(byte[] packed, String file) {
    try (var in = new GZIPInputStream(new ByteArrayInputStream(packed))) {
      byte[] text = in.readAllBytes();
      return Arrays.copyOf(text, text.length + 1);
    } catch (IOException e) {
      throw new UncheckedIOException("unpacking " + file, e);
    }
  }

  private static byte[] bytes(String file) {
    return resource(file)
        .orElseThrow(() -> new BackendException(file + " is not in this build", REBUILD));
  }

  private static Optional<byte[]> resource(String name) {
    try (InputStream in = Kernels.class.getResourceAsStream(name)) {
      return in == null ? Optional.empty() : Optional.of(in.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException("reading " + name, e);
    }
  }

  @Override
  public synchronized void close() {
    modules.values().forEach(cu::unload);
  }
}
