package dev.yuzui.server;

import dev.yuzui.server.answer.ServiceOptions;
import dev.yuzui.server.http.HttpOptions;

/**
 * @param page whether the page to chat in is served
 */
public record ServerOptions(HttpOptions http, ServiceOptions service, boolean page) {}
