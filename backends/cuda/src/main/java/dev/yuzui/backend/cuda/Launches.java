package dev.yuzui.backend.cuda;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.Consumer;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/**
 * Puts kernels on a device's streams: one by one, or recorded, as a graph. With {@link EarlyLaunch}
 * as long as the driver takes it.
 */
final class Launches {
  private final Cu cu;
  private final Consumer<String> log;
  private volatile Optional<EarlyLaunch> early;

  /**
   * @param log told where early launches are not used any more
   */
  Launches(Cu cu, boolean earlyLaunch, Consumer<String> log) {
    this.cu = cu;
    this.log = log;
    this.early = earlyLaunch ? Optional.of(new EarlyLaunch()) : Optional.empty();
  }

  /**
   * A launch's blocks.
   *
   * @param block threads of each
   * @param shared bytes of dynamic shared memory of each
   */
  record Shape(int gridX, int gridY, int gridZ, int block, int shared) {
    @Override
    public String toString() {
      return "grid %d × %d × %d, block %d, %d bytes of shared memory"
          .formatted(gridX, gridY, gridZ, block, shared);
    }
  }

  /**
   * @param parameters where the address of each lies
   */
  void launch(Kernel kernel, Shape shape, Address.Stream stream, MemorySegment parameters) {
    cu.here();
    int result =
        early
            .map(e -> e.launch(kernel.function(), shape, stream, parameters))
            .orElseGet(() -> launchAfterAll(kernel.function(), shape, stream, parameters));
    if (result != CUresult.CUDA_SUCCESS && triesWithoutEarly(result, "a launch")) {
      result = launchAfterAll(kernel.function(), shape, stream, parameters);
    }
    if (result != CUresult.CUDA_SUCCESS) {
      throw cu.failure(result, "launching " + kernel.name() + ", " + shape + ",");
    }
  }

  /**
   * Whether what failed is worth another try without early launches, which are then over: where the
   * driver refuses them, and not where the device is lost.
   */
  private boolean triesWithoutEarly(int result, String what) {
    if (early.isEmpty() || Driver.losesDevice(result)) {
      return false;
    }
    early = Optional.empty();
    log.accept(
        "%s: %s failed with %s; kernels begin when the one before has ended from now on"
            .formatted(cu.device().label(), what, CUresult.stringFor(result)));
    return true;
  }

  /** That begins when all before it have ended. */
  private static int launchAfterAll(
      Address.Function function, Shape shape, Address.Stream stream, MemorySegment parameters) {
    return JCudaDriver.cuLaunchKernel(
        function,
        shape.gridX(),
        shape.gridY(),
        shape.gridZ(),
        shape.block(),
        1,
        1,
        shape.shared(),
        stream,
        Address.host(parameters.address()),
        null);
  }

  // ---- graphs -----------------------------------------------------------------------------------

  /**
   * From here on, what this thread puts on the stream is noted and does not run; it allocates
   * nothing, loads nothing and waits for nothing until {@link #endCapture}.
   */
  void beginCapture(CUstream stream) {
    cu.here();
    cu.check(
        JCudaDriver.cuStreamBeginCapture(
            stream, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        "beginning a recording");
  }

  /** Ends a capture whose result nobody wants. */
  void abandonCapture(CUstream stream) {
    if (!cu.gone()) {
      CUgraph graph = new CUgraph();
      if (JCudaDriver.cuStreamEndCapture(stream, graph) == CUresult.CUDA_SUCCESS) {
        cu.release(JCudaDriver.cuGraphDestroy(graph), "dropping a recording");
      }
    }
  }

  /**
   * @return empty where the driver refused a graph with early launches, and a capture without may
   *     do better
   */
  Optional<CUgraphExec> endCapture(CUstream stream) {
    cu.here();
    CUgraph graph = new CUgraph();
    int ended = JCudaDriver.cuStreamEndCapture(stream, graph);
    if (ended != CUresult.CUDA_SUCCESS && triesWithoutEarly(ended, "a recording")) {
      return Optional.empty();
    }
    cu.check(ended, "ending a recording");
    try {
      CUgraphExec exec = new CUgraphExec();
      int made = JCudaDriver.cuGraphInstantiate(exec, graph, 0);
      if (made != CUresult.CUDA_SUCCESS && triesWithoutEarly(made, "a graph")) {
        return Optional.empty();
      }
      cu.check(made, "making a graph of a recording");
      return Optional.of(exec);
    } finally {
      cu.release(JCudaDriver.cuGraphDestroy(graph), "dropping a recording's draft");
    }
  }

  void launch(CUgraphExec graph, CUstream stream) {
    cu.here();
    cu.check(JCudaDriver.cuGraphLaunch(graph, stream), "replaying a recording");
  }

  void close(CUgraphExec graph) {
    if (!cu.gone()) {
      cu.release(JCudaDriver.cuGraphExecDestroy(graph), "closing a recording");
    }
  }
}
