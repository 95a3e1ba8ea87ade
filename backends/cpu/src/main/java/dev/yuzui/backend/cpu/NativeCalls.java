package dev.yuzui.backend.cpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The functions of native-kernels/cpu/yuzui_cpu.h. Bound when first used, which only happens with a
 * library.
 */
final class NativeCalls {
  private static final Linker LINKER = Linker.nativeLinker();
  private static final SymbolLookup SYMBOLS =
      switch (NativeLibrary.INSTANCE) {
        case NativeLibrary.Found(SymbolLookup symbols) -> symbols;
        case NativeLibrary.Missing(String because) -> throw new IllegalStateException(because);
      };

  static final MethodHandle INSTRUCTIONS =
      bind("yz_instructions", FunctionDescriptor.of(ValueLayout.ADDRESS));
  static final MethodHandle USE =
      bind("yz_use", FunctionDescriptor.of(JAVA_INT, ValueLayout.ADDRESS));
  static final MethodHandle PACKED_BYTES =
      bind("yz_packed_bytes", result(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));
  static final MethodHandle PACK =
      bind(
          "yz_pack",
          FunctionDescriptor.ofVoid(
              JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  static final MethodHandle PREPARED_BYTES =
      bind("yz_prepared_bytes", result(JAVA_LONG, JAVA_INT, JAVA_LONG));
  static final MethodHandle PREPARE =
      critical(
          "yz_prepare",
          JAVA_INT,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG,
          JAVA_LONG);
  static final MethodHandle PRODUCT =
      bind(
          "yz_product",
          FunctionDescriptor.ofVoid(
              JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT,
              JAVA_LONG));
  static final MethodHandle DOTS =
      bind(
          "yz_dots",
          FunctionDescriptor.ofVoid(
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG));
  static final MethodHandle SILU_MUL =
      critical("yz_silu_mul", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  static final MethodHandle RMS_NORM =
      critical("yz_rms_norm", JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_LONG, JAVA_LONG);
  static final MethodHandle ZERO = critical("yz_zero", JAVA_LONG, JAVA_LONG);
  static final MethodHandle ADD = critical("yz_add", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
  static final MethodHandle ADD_SCALED =
      critical("yz_add_scaled", JAVA_LONG, JAVA_FLOAT, JAVA_LONG, JAVA_LONG);
  static final MethodHandle FEW = bind("yz_few", result(JAVA_INT, JAVA_INT));
  static final MethodHandle TURN =
      critical("yz_turn", JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_FLOAT, JAVA_INT, JAVA_LONG);
  static final MethodHandle FIRST_ABOVE =
      bind(
          "yz_first_above",
          result(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT),
          Linker.Option.critical(false));
  static final MethodHandle ATTEND_BYTES = bind("yz_attend_bytes", result(JAVA_LONG, JAVA_INT));
  static final MethodHandle ATTEND =
      bind(
          "yz_attend",
          FunctionDescriptor.ofVoid(
              JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT,
              JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
  static final MethodHandle MERGE =
      bind(
          "yz_merge",
          FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
  static final MethodHandle EXPANDED_BYTES =
      bind(
          "yz_expanded_bytes",
          result(JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
  static final MethodHandle EXPANDED =
      bind(
          "yz_expanded",
          FunctionDescriptor.ofVoid(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

  /** Of an indexer, which few models have: every form of call takes some milliseconds to bind. */
  static final class Index {
    static final MethodHandle TURNED_BYTES =
        bind("yz_index_turned_bytes", result(JAVA_LONG, JAVA_INT, JAVA_INT));
    static final MethodHandle TURN =
        bind(
            "yz_index_turn",
            FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG));
    static final MethodHandle BYTES = bind("yz_index_bytes", result(JAVA_LONG, JAVA_INT));
    static final MethodHandle SCORES =
        bind(
            "yz_index_scores",
            FunctionDescriptor.ofVoid(
                JAVA_INT,
                JAVA_LONG,
                JAVA_INT,
                JAVA_INT,
                JAVA_FLOAT,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG,
                JAVA_LONG));

    private Index() {}
  }

  private static MethodHandle critical(String name, MemoryLayout... arguments) {
    return bind(name, FunctionDescriptor.ofVoid(arguments), Linker.Option.critical(false));
  }

  private static FunctionDescriptor result(MemoryLayout result, MemoryLayout... arguments) {
    return FunctionDescriptor.of(result, arguments);
  }

  @SuppressWarnings("restricted")
  private static MethodHandle bind(String name, FunctionDescriptor type, Linker.Option... options) {
    return LINKER.downcallHandle(SYMBOLS.findOrThrow(name), type, options);
  }
}
