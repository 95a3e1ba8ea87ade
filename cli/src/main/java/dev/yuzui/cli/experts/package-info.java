/** {@code yuzui experts}: which experts a text goes to. */
package dev.yuzui.cli.experts;
