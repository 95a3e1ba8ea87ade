package dev.yuzui.hub;

import java.net.URI;

/** The hubs that are understood. */
public enum HubSite {
  /** Also its mirrors, which have the same paths. */
  HUGGING_FACE("Hugging Face", "https://huggingface.co", "main", "HF_TOKEN"),
  MODELSCOPE("ModelScope", "https://www.modelscope.cn", "master", "MODELSCOPE_API_TOKEN");

  private final String title;
  private final URI endpoint;
  private final String branch;
  private final String tokenVariable;

  HubSite(String title, String endpoint, String branch, String tokenVariable) {
    this.title = title;
    this.endpoint = URI.create(endpoint);
    this.branch = branch;
    this.tokenVariable = tokenVariable;
  }

  /** For people. */
  public String title() {
    return title;
  }

  /** Where it is, unless a mirror is named. */
  public URI endpoint() {
    return endpoint;
  }

  /** The revision that is meant where none is named. */
  public String branch() {
    return branch;
  }

  /** Where its own tools look for a token. */
  public String tokenVariable() {
    return tokenVariable;
  }
}
