package dev.yuzui.ptx;

import java.util.List;
import java.util.stream.Stream;

/** All cases. */
final class Cases {
  private Cases() {}

  static List<KernelCase> all() {
    return Stream.of(
            RowCases.all(),
            CacheCases.all(),
            RepackCases.all(),
            ProductCases.all(),
            WgmmaCases.all(),
            AttentionCases.all(),
            GroupedCases.all(),
            IndexCases.all(),
            StreamCases.all(),
            BlockCases.all(),
            CompressedCases.all(),
            PrefillCases.all(),
            ExpertCases.all(),
            SamplingCases.all())
        .flatMap(List::stream)
        .toList();
  }

  /**
   * @throws java.util.NoSuchElementException if no case is called so
   */
  static KernelCase of(String kernel, String what) {
    return all().stream()
        .filter(c -> c.kernel().equals(kernel) && c.what().equals(what))
        .findFirst()
        .orElseThrow();
  }
}
