package dev.yuzui.ptx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalMemory;
import dev.yuzui.ptx.machine.Hazard;
import dev.yuzui.ptx.machine.Launch;
import dev.yuzui.ptx.machine.Program;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/** What a case runs on: the programs for one capability, and memory of its own. */
final class Device {
  private final Kernels kernels;
  private final int capability;
  private final GlobalMemory memory = new GlobalMemory();
  private final String edited;
  private final UnaryOperator<String> edit;
  private final boolean upwards;
  private final List<Hazard> hazards = new ArrayList<>();

  private Device(
      Kernels kernels, int capability, String edited, UnaryOperator<String> edit, boolean upwards) {
    this.kernels = kernels;
    this.capability = capability;
    this.edited = edited;
    this.edit = edit;
    this.upwards = upwards;
  }

  static Device of(Kernels kernels, int capability) {
    return new Device(kernels, capability, "", UnaryOperator.identity(), true);
  }

  /** The same with blocks and warps in the other order. */
  Device downwards() {
    return new Device(kernels, capability, edited, edit, false);
  }

  /** One whose {@code kernel} has another text. */
  static Device edited(Kernels kernels, int capability, String kernel, UnaryOperator<String> edit) {
    return new Device(kernels, capability, kernel, edit, true);
  }

  int capability() {
    return capability;
  }

  GlobalMemory memory() {
    return memory;
  }

  /** Parameters follow in the kernel's order, then {@link #run}. */
  Launch launch(String kernel, int x, int y, int z, int threads, int shared) {
    Program program =
        kernel.equals(edited)
            ? kernels.edited(kernel, capability, edit)
            : kernels.program(kernel, capability);
    return Launch.of(program, memory, x, y, z, threads, shared);
  }

  /** Runs it, and keeps what was found. */
  void run(Launch launch) {
    try {
      launch.run(upwards);
    } finally {
      hazards.addAll(launch.found());
    }
  }

  /** Of all launches so far. */
  List<Hazard> hazards() {
    return List.copyOf(hazards);
  }

  void assertNoHazards() {
    assertEquals(List.of(), hazards);
  }

  /** What a launch wrote, as the next finds it. */
  GlobalBuffer handOn(GlobalBuffer written) {
    return memory.put("from before", GlobalBuffer.Role.INPUT, written.content());
  }
}
