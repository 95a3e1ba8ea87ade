package dev.yuzui.ptx.code;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A PTX file, cut into its kernels, which are parsed when they are asked for. */
public final class PtxModule {
  private static final Pattern TARGET = Pattern.compile("\\.target (\\w+)");
  private static final Pattern SHARED =
      Pattern.compile("\\.shared \\.align (\\d+) \\.(\\w+) ([\\w$]+)(?:\\[(\\d*)])?;");
  private static final Pattern TABLE =
      Pattern.compile("\\.global \\.align (\\d+) \\.b8 ([\\w$]+)\\[(\\d+)] = \\{([\\d, ]+)};");
  private static final Pattern NAME = Pattern.compile("\\s*(\\w+)");
  private static final String ENTRY = ".visible .entry";

  private final String target;
  private final List<KernelCode.Variable> shared = new ArrayList<>();
  private final List<KernelCode.Variable> dynamic = new ArrayList<>();
  private final List<KernelCode.Table> tables = new ArrayList<>();
  private final Map<String, String> kernels = new LinkedHashMap<>();

  private PtxModule(String text) {
    String[] parts = Comments.removed(text).split(Pattern.quote(ENTRY), -1);
    Matcher found = TARGET.matcher(parts[0]);
    if (!found.find()) {
      throw new IllegalArgumentException("PTX without a .target");
    }
    target = found.group(1);
    for (int i = 1; i < parts.length; i++) {
      Matcher name = NAME.matcher(parts[i]);
      if (!name.lookingAt()) {
        throw new IllegalArgumentException("an entry without a name");
      }
      kernels.put(name.group(1), parts[i]);
    }
    variables(parts[0]);
    // what stands between two kernels belongs to the module as well
    kernels.values().forEach(k -> variables(k.substring(k.lastIndexOf('}') + 1)));
  }

  public static PtxModule of(String text) {
    return new PtxModule(text);
  }

  private void variables(String text) {
    Matcher m = SHARED.matcher(text);
    while (m.find()) {
      boolean open = "".equals(m.group(4));
      int count = open || m.group(4) == null ? 1 : Integer.parseInt(m.group(4));
      KernelCode.Variable v =
          new KernelCode.Variable(
              m.group(3),
              Integer.parseInt(m.group(1)),
              open ? 0 : count * PtxType.of(m.group(2)).bytes());
      (open ? dynamic : shared).add(v);
    }
    Matcher t = TABLE.matcher(text);
    while (t.find()) {
      String[] numbers = t.group(4).split(", ");
      byte[] bytes = new byte[Integer.parseInt(t.group(3))];
      for (int i = 0; i < numbers.length; i++) { // what is left out at the end is zero
        bytes[i] = (byte) Integer.parseInt(numbers[i]);
      }
      tables.add(new KernelCode.Table(t.group(2), Integer.parseInt(t.group(1)), bytes));
    }
  }

  public Set<String> kernels() {
    return kernels.keySet();
  }

  public KernelCode kernel(String name) {
    return kernel(name, UnaryOperator.identity());
  }

  /**
   * @param edit of the kernel's text, from its name to its last brace
   */
  public KernelCode kernel(String name, UnaryOperator<String> edit) {
    String text = kernels.get(name);
    if (text == null) {
      throw new IllegalArgumentException("no kernel is called " + name);
    }
    return new KernelParser(target, shared, dynamic, tables).parse(name, edit.apply(text));
  }
}
