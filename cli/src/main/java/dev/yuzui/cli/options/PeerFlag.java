package dev.yuzui.cli.options;

import java.util.List;
import java.util.Set;
import java.util.Stack;
import picocli.CommandLine.IParameterConsumer;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;

/**
 * A flag of another runtime that commands here have not got.
 *
 * @param names all of them
 * @param peer the runtime that has it
 */
record PeerFlag(List<String> names, String peer, Reply reply) {
  /** What is made of it. */
  sealed interface Reply {
    /**
     * A usage error.
     *
     * @param instead what follows "NAME is PEER's": the flag to use, or why there is none
     */
    record Refused(String instead) implements Reply {}

    /**
     * It asks for what happens anyway, and is passed over.
     *
     * @param commands that do so; empty for all. The others refuse it
     * @param values with which it does, one of which may follow; empty if none may
     * @param otherwise as {@link Refused#instead}, in the other commands and with other values
     */
    record Granted(Set<String> commands, Set<String> values, String otherwise) implements Reply {}
  }

  /** What may follow a switch of llama.cpp's. */
  private static final Set<String> SWITCH =
      Set.of("on", "off", "auto", "0", "1", "true", "false", "enabled", "disabled");

  static PeerFlag use(String peer, String names, String flag) {
    return new PeerFlag(split(names), peer, new Reply.Refused("; here use " + flag));
  }

  static PeerFlag idle(String peer, String names, String because) {
    return new PeerFlag(split(names), peer, new Reply.Refused(without(because)));
  }

  private static String without(String because) {
    return " and has no meaning here: " + because + "; leave it out";
  }

  static PeerFlag granted(String peer, String names) {
    return granted(peer, names, Set.of(), "");
  }

  static PeerFlag granted(String peer, String names, Set<String> values, String otherwise) {
    return new PeerFlag(
        split(names), peer, new Reply.Granted(Set.of(), values, without(otherwise)));
  }

  static PeerFlag grantedBy(String peer, String names, Set<String> commands, String use) {
    return new PeerFlag(
        split(names), peer, new Reply.Granted(commands, Set.of(), "; here use " + use));
  }

  private static List<String> split(String names) {
    return List.of(names.split(" "));
  }

  /** Teaches it to a command, under those of its names that the command does not use itself. */
  void addTo(CommandSpec command) {
    names.stream()
        .filter(name -> !command.optionsMap().containsKey(name))
        .map(name -> option(name, command))
        .forEach(command::addOption);
  }

  private OptionSpec option(String name, CommandSpec command) {
    OptionSpec.Builder option = OptionSpec.builder(name).hidden(true);
    return switch (reply) {
      case Reply.Granted(Set<String> commands, Set<String> values, String otherwise)
          when commands.isEmpty() || commands.contains(command.name()) ->
          values.isEmpty()
              ? option.arity("0").type(boolean.class).build()
              : option
                  .arity("0..1")
                  .type(String.class)
                  .parameterConsumer(
                      (words, _, _) -> grant(words, values, name, otherwise, command))
                  .build();
      case Reply.Granted(_, _, String otherwise) -> refusing(option, name, otherwise, command);
      case Reply.Refused(String instead) -> refusing(option, name, instead, command);
    };
  }

  private OptionSpec refusing(
      OptionSpec.Builder option, String name, String instead, CommandSpec command) {
    IParameterConsumer refuse =
        new IParameterConsumer() {
          @Override
          public void consumeParameters(Stack<String> words, ArgSpec spec, CommandSpec inner) {
            throw refusal(name, instead, command);
          }
        };
    return option.arity("0..1").type(String.class).parameterConsumer(refuse).build();
  }

  private void grant(
      Stack<String> words, Set<String> values, String name, String otherwise, CommandSpec command) {
    if (words.isEmpty()) {
      return;
    }
    if (values.contains(words.peek())) {
      words.pop();
    } else if (SWITCH.contains(words.peek())) {
      throw refusal(name + " " + words.peek(), otherwise, command);
    }
  }

  private ParameterException refusal(String flag, String instead, CommandSpec command) {
    return new ParameterException(command.commandLine(), flag + " is " + peer + "'s" + instead);
  }
}
