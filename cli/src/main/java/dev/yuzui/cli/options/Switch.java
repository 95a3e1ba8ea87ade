package dev.yuzui.cli.options;

import java.util.Map;
import java.util.Stack;
import picocli.CommandLine.IParameterConsumer;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;

/** A flag that may be followed by {@code on} or {@code off}, as llama.cpp's are; alone it is on. */
public final class Switch implements IParameterConsumer {
  private static final Map<String, Boolean> WORDS =
      Map.of("on", true, "1", true, "true", true, "off", false, "0", false, "false", false);

  @Override
  public void consumeParameters(Stack<String> words, ArgSpec flag, CommandSpec command) {
    boolean said = !words.isEmpty() && WORDS.containsKey(words.peek());
    flag.setValue(said ? WORDS.get(words.pop()) : true);
  }
}
