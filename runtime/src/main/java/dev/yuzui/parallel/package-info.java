/**
 * A model over several devices: what lies where ({@link dev.yuzui.parallel.DevicePlan}), how
 * experts are placed by their loads, and how tokens travel to the devices that hold theirs, and
 * back.
 *
 * <p>A <em>rank</em> runs attention, and everything dense, for sequences of its own. Where a
 * layer's experts are on several devices the ranks <em>meet</em>: the host reads what the gates
 * chose, each row goes once to each device that holds one of its experts, and the weighted sum over
 * the experts there comes back. The shared expert runs meanwhile.
 */
package dev.yuzui.parallel;
