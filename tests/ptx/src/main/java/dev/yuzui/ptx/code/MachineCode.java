package dev.yuzui.ptx.code;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * A kernel's machine code for sm_80 and sm_90, as far as its order matters: instructions of 16
 * bytes whose lowest twelve bits are the opcode. NVIDIA does not publish them; those named here are
 * what ptxas 13.0 makes of PTX with one such instruction each.
 */
public final class MachineCode {
  private static final int INSTRUCTION = 16;
  private static final int BRANCH = 0x947;
  private static final int CALL = 0x944;
  private static final int RETURN = 0x950;
  private static final int EXIT = 0x94d;

  /** Gives a register the place where lanes that part will meet, and goes to it. */
  private static final int MEETING = 0x945;

  private static final int MEET = 0x941;

  /** griddepcontrol.wait. */
  private static final int WAIT = 0x82e;

  /** The predicate that is always true. */
  private static final int ALWAYS = 7;

  private static final int LOAD_GLOBAL = 0x981;
  private static final int LOAD = 0x980;

  private static final Map<Integer, String> WRITES =
      Map.of(
          0x986, "STG", 0x985, "ST", 0x9a8, "ATOMG", 0x98a, "ATOM", 0x98e, "RED", 0xfae, "LDGSTS",
          EXIT, "EXIT");
  private static final Map<Integer, String> UNKNOWN = Map.of(0x949, "BRX", 0x94a, "JMP");

  /** In the upper word of a load from global memory: by ld.global.nc. */
  private static final long CONSTANT = 1L << 15;

  private final long[] low;
  private final long[] high;

  private MachineCode(ByteBuffer section) {
    int count = section.remaining() / INSTRUCTION;
    low = new long[count];
    high = new long[count];
    for (int i = 0; i < count; i++) {
      low[i] = section.getLong(section.position() + INSTRUCTION * i);
      high[i] = section.getLong(section.position() + INSTRUCTION * i + 8);
    }
  }

  /** The kernels of an ELF file: its sections .text.NAME. */
  public static Map<String, MachineCode> of(byte[] cubin) {
    ByteBuffer elf = ByteBuffer.wrap(cubin).order(ByteOrder.LITTLE_ENDIAN);
    int headers = Math.toIntExact(elf.getLong(0x28));
    int size = elf.getShort(0x3a);
    int count = elf.getShort(0x3c);
    int names = Math.toIntExact(elf.getLong(headers + elf.getShort(0x3e) * size + 0x18));
    Map<String, MachineCode> kernels = new TreeMap<>();
    for (int i = 0; i < count; i++) {
      int header = headers + i * size;
      int from = names + elf.getInt(header);
      int end = from;
      while (cubin[end] != 0) {
        end++;
      }
      String name = new String(cubin, from, end - from, StandardCharsets.US_ASCII);
      if (name.startsWith(".text.")) {
        int at = Math.toIntExact(elf.getLong(header + 0x18));
        int bytes = Math.toIntExact(elf.getLong(header + 0x20));
        kernels.put(
            name.substring(".text.".length()),
            new MachineCode(elf.slice(at, bytes).order(ByteOrder.LITTLE_ENDIAN)));
      }
    }
    return kernels;
  }

  private int opcode(int i) {
    return (int) low[i] & 0xfff;
  }

  private int guard(int i) {
    return (int) (low[i] >> 12) & 15;
  }

  /** Waits for the kernel before. */
  public int waits() {
    int count = 0;
    for (int i = 0; i < low.length; i++) {
      count += opcode(i) == WAIT ? 1 : 0;
    }
    return count;
  }

  /** Writes, atomics, asynchronous copies and ends that some path comes to without a wait. */
  public List<String> writesBeforeWait() {
    List<String> found = new ArrayList<>();
    for (int i : beforeWait()) {
      String name = WRITES.get(opcode(i));
      if (name != null) {
        found.add(name + " at " + i);
      }
    }
    return found;
  }

  /**
   * A load from global memory.
   *
   * @param generic by an address that says nothing of its space, which is how weights' scales are
   *     read
   * @param evictFirst by ld.global.cs
   */
  public record Load(int at, int bytes, boolean generic, boolean evictFirst) {}

  /** Loads that some path comes to without a wait. */
  public List<Load> loadsBeforeWait() {
    return beforeWait().stream()
        .filter(i -> opcode(i) == LOAD_GLOBAL || opcode(i) == LOAD)
        .map(this::load)
        .toList();
  }

  private Load load(int i) {
    int bytes =
        switch ((int) (high[i] >> 9) & 7) {
          case 0, 1 -> 1;
          case 2, 3 -> 2;
          case 4 -> 4;
          case 5 -> 8;
          default -> 16;
        };
    return new Load(i, bytes, opcode(i) == LOAD, (high[i] >> 20 & 7) == 0);
  }

  /** Loads from memory that nobody may write while the kernel lives. */
  public int constantLoads() {
    int count = 0;
    for (int i = 0; i < low.length; i++) {
      count += opcode(i) == LOAD_GLOBAL && (high[i] & CONSTANT) != 0 ? 1 : 0;
    }
    return count;
  }

  /**
   * A place on a path.
   *
   * @param meetings where those go that meet, by the register that was given the place
   */
  private record Place(int at, Map<Integer, Integer> meetings) {
    Place to(int next) {
      return new Place(next, meetings);
    }
  }

  /** What can be reached from the first instruction without a wait. */
  private SortedSet<Integer> beforeWait() {
    Set<Place> reached = new HashSet<>();
    Deque<Place> open = new ArrayDeque<>(List.of(new Place(0, Map.of())));
    while (!open.isEmpty()) {
      Place place = open.pop();
      if (place.at() < low.length && opcode(place.at()) != WAIT && reached.add(place)) {
        next(place).forEach(open::push);
      }
    }
    return reached.stream().map(Place::at).collect(Collectors.toCollection(TreeSet::new));
  }

  private int register(int i) {
    return (int) (low[i] >> 16) & 15;
  }

  /** 48 bits with their sign, from bit 34 on. */
  private long upperOffset(int i) {
    return (low[i] >>> 34 | high[i] << 30) << 16 >> 16;
  }

  /** Branches have eight bits more, below. */
  private int target(int i) {
    long words = upperOffset(i) << 8 | low[i] >> 16 & 0xff;
    return i + 1 + Math.toIntExact(4 * words / INSTRUCTION);
  }

  private List<Place> next(Place place) {
    int i = place.at();
    int opcode = opcode(i);
    if (UNKNOWN.containsKey(opcode)) {
      throw new IllegalArgumentException("machine code: " + UNKNOWN.get(opcode) + " at " + i);
    }
    boolean always = guard(i) == ALWAYS;
    Place after = place.to(i + 1);
    return switch (opcode) {
      // a branch has a second condition
      case BRANCH ->
          always && (high[i] >> 23 & 0x1f) == ALWAYS
              ? List.of(place.to(target(i)))
              : List.of(place.to(target(i)), after);
      case CALL -> List.of(place.to(target(i)), after);
      case RETURN -> List.of();
      case EXIT -> always ? List.of() : List.of(after);
      case MEETING -> {
        Map<Integer, Integer> meetings = new HashMap<>(place.meetings());
        meetings.put(register(i), i + 1 + Math.toIntExact(4 * upperOffset(i) / INSTRUCTION));
        yield List.of(new Place(i + 1, Map.copyOf(meetings)));
      }
      case MEET -> List.of(place.to(place.meetings().getOrDefault(register(i), i + 1)));
      default -> List.of(after);
    };
  }
}
