/**
 * What every backend must do, as JUnit suites. A module that extends a suite with an empty class
 * runs it against each backend on its class path; {@link dev.yuzui.kit.BackendsUnderTest} finds
 * them.
 *
 * <p>A case is written once and laid out on two backends: the reference, which gives the wanted
 * numbers, and the one under test. There it runs eagerly and from a recording, with two sets of
 * contents, between guard bytes; {@link dev.yuzui.kit.Rig#compare} says what is checked.
 */
package dev.yuzui.kit;
