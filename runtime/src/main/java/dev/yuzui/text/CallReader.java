package dev.yuzui.text;

import dev.yuzui.text.ToolSyntax.Invocations;
import dev.yuzui.text.ToolSyntax.Objects;
import dev.yuzui.text.ToolSyntax.Pairs;
import dev.yuzui.text.ToolSyntax.Section;
import java.util.List;

/** Reads calls, from behind what the first begins with to their end. */
interface CallReader {
  enum Progress {
    /** There may be more to read at once. */
    MORE,
    /** More text is needed. */
    WAIT,
    /** The calls are over. */
    DONE
  }

  Progress step(MarkScanner in, CallWriter out);

  /** The text ended within the calls. */
  default void cut(CallWriter out) {}

  static CallReader of(ToolSyntax syntax, MarkSpelling spelling, List<Tool> tools) {
    return switch (syntax) {
      case Section section -> new SectionReader(section, spelling);
      case Objects objects -> new ObjectReader(objects, spelling);
      case Invocations invocations -> new DsmlReader(invocations, spelling, tools);
      case Pairs _ -> new PairReader(spelling, tools);
    };
  }
}
