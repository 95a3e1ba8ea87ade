package dev.yuzui.cli.options;

import java.nio.file.Path;
import java.util.Optional;
import java.util.Stack;
import picocli.CommandLine.IParameterConsumer;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;

/** A flag that may be followed by a folder; alone, or before another flag, it has an empty path. */
public final class MayNameFolder implements IParameterConsumer {
  @Override
  public void consumeParameters(Stack<String> words, ArgSpec flag, CommandSpec command) {
    boolean named = !words.isEmpty() && !words.peek().startsWith("-");
    flag.setValue(Optional.of(Path.of(named ? words.pop() : "")));
  }
}
