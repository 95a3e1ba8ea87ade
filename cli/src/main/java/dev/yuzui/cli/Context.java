package dev.yuzui.cli;

import java.io.InputStream;
import java.io.PrintStream;

/** What a command may touch of the process it runs in. */
record Context(Surroundings surroundings, InputStream in, Out out, PrintStream err) {}
