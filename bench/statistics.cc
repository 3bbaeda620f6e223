#include "bench/statistics.h"

#include <algorithm>
#include <cstddef>

namespace warmfs::bench {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

Ratio Compare(const std::vector<Pair>& pairs) {
  std::vector<double> references, values, ratios;
  for (const Pair& pair : pairs) {
    // A clock that did not move says nothing about a ratio.
    if (pair.reference_s <= 0) continue;
    references.push_back(pair.reference_s);
    values.push_back(pair.value_s);
    ratios.push_back(pair.value_s / pair.reference_s);
  }
  if (ratios.empty()) return {};
  const auto [min, max] = std::minmax_element(ratios.begin(), ratios.end());
  return {.of_medians = Median(values) / Median(references),
          .min = *min,
          .max = *max};
}

}  // namespace warmfs::bench
