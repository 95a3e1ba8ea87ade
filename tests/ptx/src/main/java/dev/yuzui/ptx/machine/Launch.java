package dev.yuzui.ptx.machine;

import dev.yuzui.ptx.code.KernelCode;
import dev.yuzui.ptx.code.PtxType;
import java.util.ArrayList;
import java.util.List;

/** One launch: grid, block, dynamic shared memory, then the parameters in the kernel's order. */
public final class Launch {
  /** What an SM of sm_90 has for a block. */
  private static final int MOST_SHARED = 227 << 10;

  private final Program program;
  private final GlobalMemory memory;
  private final Clock clock;
  private final int gridX;
  private final int gridY;
  private final int gridZ;
  private final int threads;
  private final int shared;
  private final List<Long> parameters = new ArrayList<>();
  private final Hazards hazards = new Hazards();

  private Launch(
      Program program, GlobalMemory memory, int x, int y, int z, int threads, int shared) {
    this.program = program;
    this.memory = memory;
    this.gridX = x;
    this.gridY = y;
    this.gridZ = z;
    this.threads = threads;
    this.shared = shared;
    this.clock = new Clock(x * y * z);
  }

  public static Launch of(
      Program program, GlobalMemory memory, int x, int y, int z, int threads, int shared) {
    KernelCode code = program.code();
    if (threads > code.maxThreads()) {
      throw new PtxFault(code.name() + " takes " + code.maxThreads() + " threads a block");
    }
    if (shared > MOST_SHARED) {
      throw new PtxFault(shared + " bytes of shared memory");
    }
    return new Launch(program, memory, x, y, z, threads, shared);
  }

  public Launch p(GlobalBuffer buffer) {
    return p(buffer, 0);
  }

  /** From a byte of the buffer on. */
  public Launch p(GlobalBuffer buffer, long offset) {
    return parameter(PtxType.U64, buffer.address() + offset);
  }

  /** No buffer. */
  public Launch none() {
    return parameter(PtxType.U64, 0);
  }

  public Launch i(int... values) {
    for (int value : values) {
      parameter(PtxType.U32, value);
    }
    return this;
  }

  public Launch l(long value) {
    return parameter(PtxType.U64, value);
  }

  public Launch f(float value) {
    return parameter(PtxType.F32, Float.floatToRawIntBits(value));
  }

  private Launch parameter(PtxType type, long bits) {
    KernelCode code = program.code();
    int index = parameters.size();
    if (index >= code.parameters().size() || code.parameters().get(index).type() != type) {
      throw new IllegalArgumentException(
          "parameter " + index + " of " + code.name() + " is no " + type);
    }
    parameters.add(bits);
    return this;
  }

  /**
   * Runs all blocks, one after another.
   *
   * @param upwards the order of blocks, and of warps in them
   * @throws PtxFault where a device would end the launch
   */
  public void run(boolean upwards) {
    if (parameters.size() != program.code().parameters().size()) {
      throw new IllegalArgumentException(
          program.code().name() + " takes " + program.code().parameters().size() + " parameters");
    }
    var registers = program.code().registers();
    Block block =
        new Block(
            this,
            registers.get(PtxType.Bank.WORD) + program.words.size(),
            registers.get(PtxType.Bank.LONG) + program.longs.size(),
            registers.get(PtxType.Bank.PREDICATE));
    int blocks = gridX * gridY * gridZ;
    for (int i = 0; i < blocks; i++) {
      int b = upwards ? i : blocks - 1 - i;
      block.run(b % gridX, b / gridX % gridY, b / gridX / gridY, b, upwards);
    }
  }

  /** What was found until now. */
  public List<Hazard> found() {
    return hazards.all();
  }

  Program program() {
    return program;
  }

  GlobalMemory memory() {
    return memory;
  }

  Clock clock() {
    return clock;
  }

  Hazards hazards() {
    return hazards;
  }

  int gridX() {
    return gridX;
  }

  int gridY() {
    return gridY;
  }

  int gridZ() {
    return gridZ;
  }

  int threads() {
    return threads;
  }

  int sharedBytes() {
    return shared;
  }

  long parameter(int index) {
    return parameters.get(index);
  }

  /** Whether the kernel may begin while the one before it runs, and so must wait for it. */
  boolean dependent() {
    return program.code().capability() >= 90;
  }
}
