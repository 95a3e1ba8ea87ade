/** {@code yuzui serve}: an engine behind HTTP. */
package dev.yuzui.cli.serve;
