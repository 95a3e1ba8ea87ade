package dev.yuzui.text;

/** A part of an answer, as soon as it is certain. */
public sealed interface OutputEvent {
  /** What the model thinks, without the tags around it; never empty. */
  record Reasoning(String text) implements OutputEvent {}

  /** What it says; never empty. */
  record Content(String text) implements OutputEvent {}

  /**
   * It calls a tool.
   *
   * @param index of the call in the answer, from 0
   * @param id unique in the conversation
   */
  record CallBegin(int index, String id, String name) implements OutputEvent {}

  /** More of a call's arguments, which together are a JSON object; never empty. */
  record CallArguments(int index, String json) implements OutputEvent {}

  /** The call is whole; one that was cut has no end. */
  record CallEnd(int index) implements OutputEvent {}
}
