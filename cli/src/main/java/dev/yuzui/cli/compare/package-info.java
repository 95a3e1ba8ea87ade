/** {@code yuzui compare}: where backends differ. */
package dev.yuzui.cli.compare;
