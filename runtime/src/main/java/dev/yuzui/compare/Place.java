package dev.yuzui.compare;

import dev.yuzui.model.Point;

/**
 * Something that is compared.
 *
 * @param layer MTP layers count on from the main model's
 */
public record Place(Phase phase, int layer, Point point) {}
