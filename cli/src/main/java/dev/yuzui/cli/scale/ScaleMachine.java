package dev.yuzui.cli.scale;

/**
 * Devices in nodes: what one can do.
 *
 * @param flops of products with weights, per second
 * @param attentionFlops of attention over the cache or the prompt, per second
 * @param bandwidth of its memory, bytes per second
 * @param memory bytes for weights and cache
 * @param nvlink to devices of its node, bytes per second
 * @param network to other nodes, bytes per second
 * @param latency of a dispatch or a combine, seconds
 * @param nodeDevices devices of a node
 */
record ScaleMachine(
    double flops,
    double attentionFlops,
    double bandwidth,
    double memory,
    double nvlink,
    double network,
    double latency,
    int nodeDevices) {}
